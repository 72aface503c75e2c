"""What leans on the inside of BentoML, uvicorn and prometheus_client: tests say when that has changed."""
