"""What is fast, against whom: each figure beside its comparison in the same run, medians of interleaved rounds."""
