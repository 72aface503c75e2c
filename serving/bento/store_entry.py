"""What a Bento pins of the model store, which may lack it while serving."""

from __future__ import annotations

from typing import Any

from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml.exceptions import BentoMLException, NotFound
from bentoml.models import BentoModel


class StoreEntry(BentoModel):
    """The latest version of a store entry, pinned when a Bento is built; it may be missing while serving.

    BentoML would then ask its cloud for it and end. Here the service starts, and says why it isn't ready.
    """

    def resolve(self, *_: Any, **__: Any) -> None:
        """Nothing: the supervisor asks for what each worker finds and verifies by itself, in `serving.store`."""

    def to_info(self, alias: str | None = None) -> Any:
        """What a Bento records of the entry.

        Raises:
            NotFound: neither the local store nor BentoML's cloud, where one is configured, has it.
        """
        try:
            return super().to_info(alias)
        except BentoMLException as exc:
            home = BentoMLContainer.bentoml_home.get()
            raise NotFound(
                f"{self.tag} is not in the model store of BENTOML_HOME={home}: run import_model.py with the same "
                "BENTOML_HOME, then build again"
            ) from exc
