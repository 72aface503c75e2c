"""A long mixed load, errors among it, and whether what the service holds stays flat meanwhile."""
