"""The challenger's process: assesses what its parent hands it, seals what it would have answered, and keeps that.

It is started with a socket and told everything else through that. It says nothing anywhere else: an error's
text may hold values of an application.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, cast

from records.shadow.limits import OUT_OF_MEMORY, come_last, stay_small

if __name__ == "__main__":
    stay_small(int(sys.argv[2]))  # before the libraries take what they can get
    come_last()

from pydantic_core import from_json

from decision import InvalidPolicyError
from engine import Assessment, Engine, check_fit, open_model
from records.basis import Basis
from records.errors import RecordsError
from records.keyring import KeyRing, read_keyring
from records.replaying.archived import archived_files
from records.shadow.answered import Answered
from records.shadow.messages import NoMessageError, framed, receive
from records.shadow.verdict import StoredVerdict, seal
from records.stores.base import Store
from records.stores.opening import open_store
from scoring.artifact import ArtifactError, DigestMismatchError

SLICE = 25
"""Decisions assessed in one go, between two pauses."""

PAUSE = 3.0
"""Times the processor's time of a slice, for which it then rests: where the container's processor time is limited, what
is spent here is no longer there for the champion, however little right this process has to it."""


class OpenedChallenger:
    """A challenger, opened.

    Args:
        basis: the champion's.
        digests: SHA-256 of each file of the challenger, all of them archived.
        store: where they are, and where its verdicts go.
        ring: seals them.

    Attributes:
        basis: the challenger's.

    Raises:
        RecordsError: the store can't be used, or lacks a file.
        ArtifactError, InvalidPolicyError: what is there can't be.
    """

    def __init__(self, basis: Basis, digests: dict[str, str], store: Store, ring: KeyRing) -> None:
        artifact, policy = archived_files(store, digests)
        check_fit(artifact, policy)
        self._engine = engine = Engine(*open_model(artifact), policy)
        self.basis = basis.model_copy(
            update={
                "model_name": engine.identity.model_name,
                "model_version": engine.identity.model_version,
                "policy_version": engine.identity.policy_version,
                "digests": digests,
                "scored": tuple(engine.attributor.fields),
            }
        )
        self._store = store
        self._ring = ring

    def work_off(self, given: Sequence[Answered], pause: Callable[[float], None] = time.sleep) -> dict[str, Any]:
        """Assess decisions, and keep what comes of it.

        Returns:
            How many of each pair of outcomes, how many failed, and why the last of those did.
        """
        pairs, verdicts, failed, why = Counter[tuple[str, str]](), list[StoredVerdict](), 0, ""
        for start in range(0, len(given), SLICE):
            began = time.process_time()
            for each, assessed in self._assessed(given[start : start + SLICE]):
                if isinstance(assessed, str):
                    failed, why = failed + 1, assessed
                    continue
                verdicts.append(seal(assessed, each, self.basis.digest, self._ring))
                pairs[each.outcome, verdicts[-1].outcome] += 1
            pause((time.process_time() - began) * PAUSE)
        try:
            self._store.keep_verdicts(self.basis, verdicts)
        except RecordsError as exc:
            return {"pairs": [], "failed": len(given), "why": str(exc)}
        return {"pairs": [(*pair, number) for pair, number in pairs.items()], "failed": failed, "why": why}

    def _assessed(self, given: Sequence[Answered]) -> list[tuple[Answered, Assessment | str]]:
        """Each with what was said of it, or why nothing could be."""
        try:
            applications = [self._engine.contract.parse(from_json(each.received)) for each in given]
            return list(zip(given, self._engine.assess(applications), strict=True))
        except MemoryError:
            raise
        except Exception as exc:  # noqa: BLE001  # whatever a model does wrong
            if len(given) == 1:
                return [(given[0], _told(exc))]
            return [pair for each in given for pair in self._assessed([each])]


def serve(stream: BinaryIO) -> None:
    """Open what the first message names, then work off all others."""
    start = receive(stream)
    try:
        store = open_store(start["records"], start["records_seconds"])
        ring = read_keyring(Path(start["key_file"]))
        _archive(store, map(Path, start["files"]), start["digests"])
        challenger = OpenedChallenger(Basis.model_validate_json(start["basis"]), start["digests"], store, ring)
    except (RecordsError, ArtifactError, InvalidPolicyError, OSError) as exc:
        _send(stream, {"refused": str(exc)})
        return
    except MemoryError:
        raise
    except Exception as exc:  # noqa: BLE001  # whatever a model does wrong
        _send(stream, {"refused": _told(exc)})
        return
    basis = challenger.basis
    _send(stream, {"model_version": basis.model_version, "policy_version": basis.policy_version})
    while True:
        given = [Answered(bytes.fromhex(decision), *rest) for decision, *rest in receive(stream)]
        _send(stream, challenger.work_off(given))


def _archive(store: Store, files: Iterable[Path], digests: Mapping[str, str]) -> None:
    """Keep the challenger's files, if they are what was imported; what is missing is seen when it is opened."""
    contents = {path: path.read_bytes() for path in files}
    for path, content in contents.items():
        if sha256(content).hexdigest() != digests[path.name]:
            raise DigestMismatchError(f"{path} is not what was imported; delete the entry and import again")
    store.archive({digests[path.name]: content for path, content in contents.items()})


def _send(stream: BinaryIO, message: Any) -> None:
    stream.write(framed(message))
    stream.flush()


def main() -> int:
    """Serve the parent until it is gone."""
    try:
        with socket.socket(fileno=int(sys.argv[1])) as parent, parent.makefile("rwb") as stream:
            serve(cast("BinaryIO", stream))  # which reads until all has come
    except (NoMessageError, OSError):
        return 0
    except MemoryError:
        os._exit(OUT_OF_MEMORY)  # without what else an interpreter does at its end, for which there may be no memory
    return 0


def _told(error: Exception) -> str:
    """An error without its text, which may hold values."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace is not None else ""
    return f"{type(error).__name__}{place}"


if __name__ == "__main__":
    sys.exit(main())
