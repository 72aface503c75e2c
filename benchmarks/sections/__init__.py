"""The parts of the benchmark; each takes a `Run` and gives a `Section`."""
