"""LitServe: an application in, the decision out, many requests at once.

No postponed annotations here: LitServe reads that of `decode_request` to know what a body is.
"""

import sys
from typing import Any

import litserve as ls

from benchmarks.peers.assessing import Read, answers, load_engine, validated


class CreditRisk(ls.LitAPI):
    """Validation, features, scorer, policy and reasons as the bundle has them."""

    def setup(self, device: str) -> None:  # noqa: ARG002  # LitServe's signature
        """Load the engine in the inference worker."""
        self.engine = load_engine()

    def decode_request(self, request: dict[str, Any]) -> Read:
        """The application."""
        return validated(request)

    def predict(self, x: list[Read]) -> list[Any]:
        """Decide many, each by itself."""
        return answers(self.engine, x)

    def encode_response(self, output: Any) -> Any:
        """The answer, as it is."""
        return output


if __name__ == "__main__":
    api = CreditRisk(max_batch_size=32, batch_timeout=0.001)
    server = ls.LitServer(api, accelerator="cpu", devices=1, workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, generate_client_file=False)
