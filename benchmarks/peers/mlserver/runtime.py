"""MLServer with a runtime of its own: an application as JSON in, the decision as JSON out, many requests at once.

A document is one text of a BYTES tensor: the only tensor that holds a whole application, and one that MLServer merges.
"""

from __future__ import annotations

from mlserver import MLModel
from mlserver.codecs import StringCodec
from mlserver.types import InferenceRequest, InferenceResponse
from pydantic_core import from_json, to_json

from benchmarks.peers.assessing import Read, answers, load_engine, validated


class CreditRisk(MLModel):
    """Validation, features, scorer, policy and reasons as the bundle has them."""

    async def load(self) -> bool:
        """Load the engine."""
        self.engine = load_engine()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Decide the merged requests; each gets the answer to its own."""
        texts = StringCodec.decode_input(payload.inputs[0])
        given = answers(self.engine, [_read(text) for text in texts])
        output = StringCodec.encode_output("answer", [to_json(each).decode() for each in given], use_bytes=False)
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=[output])


def _read(text: str) -> Read:
    try:
        return validated(from_json(text))
    except ValueError:  # no JSON, which is no application either
        return validated(None)
