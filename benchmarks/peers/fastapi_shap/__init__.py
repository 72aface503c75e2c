"""Explanations as FastAPI and shap have them."""
