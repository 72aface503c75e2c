"""LitServe with batching, on bare feature vectors."""
