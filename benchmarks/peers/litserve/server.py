"""LitServe: feature vectors in, probabilities of default out, many requests to one `predict_proba`.

No postponed annotations here: LitServe reads that of `decode_request` to know what a body is.
"""

import sys
from typing import Any

import joblib
import litserve as ls
import numpy as np


class CreditRisk(ls.LitAPI):
    """`predict_proba` of a batch of requests."""

    def setup(self, device: str) -> None:  # noqa: ARG002  # LitServe's signature
        """Load the model in the inference worker."""
        self.model = joblib.load(sys.argv[1])

    def decode_request(self, request: dict[str, Any]) -> list[float]:
        """The feature vector."""
        return request["input"]

    def batch(self, inputs: list[list[float]]) -> np.ndarray:
        """One matrix of many requests."""
        return np.array(inputs, dtype=np.float32)

    def predict(self, x: np.ndarray) -> list[float]:
        """Probabilities of default."""
        return self.model.predict_proba(x)[:, 1].tolist()

    def unbatch(self, output: list[float]) -> list[float]:
        """One for each request."""
        return output

    def encode_response(self, output: float) -> dict[str, float]:
        """The answer."""
        return {"probability_of_default": output}


if __name__ == "__main__":
    api = CreditRisk(max_batch_size=32, batch_timeout=0.001)
    server = ls.LitServer(api, accelerator="cpu", devices=1, workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[2]), num_api_servers=1, generate_client_file=False)
