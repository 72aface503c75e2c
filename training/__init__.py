"""From a CSV of past loans to the model artifact: read, evaluate, fit, describe, write."""
