"""The challenger that a setting names: found in the store, checked, and watched. What it does is in records/shadow/."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from preprocessing.contract import CONTRACT_FILE
from records.shadow.answered import Answered
from records.shadow.challenger import Challenger, ChallengerError
from scoring.artifact import ArtifactError
from serving.entries import MODEL_ENTRY, POLICY_ENTRY
from serving.settings import Settings
from serving.store import Served, stored_files
from serving.telemetry.logs import service_log
from serving.telemetry.telemetry import Telemetry

if TYPE_CHECKING:
    from records.basis import Basis


class Challenging:
    """One worker's challenger, as far as the service knows of it.

    Args:
        settings: which entries of the store, and where records are.
        telemetry: counts what becomes of decisions.
    """

    def __init__(self, settings: Settings, telemetry: Telemetry) -> None:
        self._settings = settings
        self._metrics = telemetry.metrics
        self._entries = ",".join(settings.challenger or ())
        self._said = ""
        self._identity: Mapping[str, str] | None = None
        self._challenger: Challenger | None = None

    def start(self, basis: Basis, served: Served) -> None:
        """Begin, beside whatever else the service does."""
        policy = served.policy.contents
        model = {name: digest for name, digest in served.digests.items() if name not in policy}
        champion = {MODEL_ENTRY: model, POLICY_ENTRY: served.policy.digests}
        self._challenger = Challenger(lambda: self._prepare(basis, champion), self)
        self._metrics.describe_challenger(self._entries, running=False)
        self._challenger.start()

    def offer(self, decisions: Sequence[Answered]) -> None:
        """Have decisions assessed that were answered; returns at once."""
        if self._challenger is not None:
            self._challenger.offer(decisions)

    def stop(self) -> None:
        """End it."""
        if self._challenger is not None:
            self._challenger.stop()

    def document(self) -> dict[str, Any]:
        """What /version says of it; versions are null while it isn't running."""
        identity = self._identity or {}
        return {
            "entries": list(self._settings.challenger or ()),
            "running": self._identity is not None,
            "model_version": identity.get("model_version"),
            "policy_version": identity.get("policy_version"),
        }

    def running(self, identity: Mapping[str, str]) -> None:
        """It assesses from now on."""
        self._identity = identity
        self._metrics.describe_challenger(self._entries, running=True)
        service_log.info("challenger: running", extra={"data": dict(identity)})

    def assessed(self, pairs: Sequence[tuple[str, str, int]]) -> None:
        """So many decisions were, by what champion and challenger decided."""
        self._metrics.count_challenged(pairs)
        if pairs:
            self._said = ""

    def dropped(self, number: int) -> None:
        """So many were not, for lack of time or of a challenger."""
        self._metrics.challenger_dropped.inc(number)

    def failed(self, number: int, why: str) -> None:
        """So many could not be; said once, until there is another reason or another process."""
        self._metrics.challenger_failed.inc(number)
        self._say("challenger: decisions not assessed", why)

    def stopped(self, why: str) -> None:
        """There is none now; said once for each reason."""
        self._identity = None
        self._metrics.describe_challenger(self._entries, running=False)
        self._say("challenger: not running; decisions go on without it", why)

    def _say(self, what: str, why: str) -> None:
        if why != self._said:
            self._said = why
            service_log.error(what, extra={"data": {"reason": why}})

    def _prepare(self, basis: Basis, champion: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
        """What the challenger's process is told first: what it takes the champion's place with, and where that is.

        Args:
            basis: the champion's.
            champion: its files' digests, by the kind of entry.

        Raises:
            ChallengerError: an entry isn't there, or doesn't fit.
        """
        parts = {name: dict(digests) for name, digests in champion.items()}
        files = []
        for tag in self._settings.challenger or ():
            name = tag.partition(":")[0]
            if name not in parts:
                raise ChallengerError(f"{tag}: neither {MODEL_ENTRY} nor {POLICY_ENTRY}; name one of these")
            try:
                folder, parts[name] = stored_files(tag, self._settings.trusted_key)
            except ArtifactError as exc:
                raise ChallengerError(str(exc)) from exc
            if parts[name].get(CONTRACT_FILE) != champion[name].get(CONTRACT_FILE):
                raise ChallengerError(f"{tag} has another contract than the served model; train it for this one")
            files += [str(folder / each) for each in parts[name]]
        return {
            "records": self._settings.records,
            "records_seconds": self._settings.records_seconds,
            "key_file": str(self._settings.records_key_file),
            "basis": basis.document.decode(),
            "digests": parts[MODEL_ENTRY] | parts[POLICY_ENTRY],
            "files": files,
        }
