"""The floor: what uvicorn, Starlette and the project's own validation, scorer and reasons cost, and nothing else."""
