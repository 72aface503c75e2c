"""Model stores for the tests of this process: BentoML keeps the one it found first, so it is told of another."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

with warnings.catch_warnings():
    # BentoML imports most of itself at first use, with warnings of other libraries' deprecations.
    warnings.simplefilter("ignore", DeprecationWarning)
    import bentoml.models  # noqa: F401
    from bentoml._internal.configuration.containers import BentoMLContainer
    from bentoml._internal.models import ModelStore


@contextmanager
def model_store(home: Path) -> Iterator[Path]:
    """Make `home` this process's BENTOML_HOME as far as models go, and give its folder of models."""
    models = home / "models"
    models.mkdir(parents=True, exist_ok=True)
    BentoMLContainer.model_store_dir.set(str(models))
    BentoMLContainer.model_store.set(ModelStore(models))
    try:
        yield models
    finally:
        BentoMLContainer.model_store.reset()
        BentoMLContainer.model_store_dir.reset()
