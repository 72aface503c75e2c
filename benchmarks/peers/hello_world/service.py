"""BentoML with one API that says the same to everybody."""

from __future__ import annotations

import bentoml


@bentoml.service
class HelloWorld:
    """A first service."""

    @bentoml.api
    def predict(self) -> dict[str, str]:
        """Greet."""
        return {"greeting": "Hello, world!"}
