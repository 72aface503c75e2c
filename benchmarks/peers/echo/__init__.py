"""The echo: what a request costs before anything is done with it."""
