"""What is fast, against whom: every figure beside its comparison in the same run, as medians over interleaved rounds."""
