"""A hand-written FastAPI service with the bundle's features."""
