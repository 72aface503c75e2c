"""MLServer with batching, and a custom runtime."""
