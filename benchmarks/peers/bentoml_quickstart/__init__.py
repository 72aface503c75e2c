"""A scikit-learn model in BentoML with pandas, as a first service has it."""
