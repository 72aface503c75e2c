"""Settings from the environment: `CREDIT_RISK_<NAME>`, each with a default, checked once at start.

A variable with the prefix that names no setting is an error: a misspelt limit must not be ignored in silence.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Le
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from serving import setting_values
from serving.routes import OPENABLE
from serving.service_links import service_links
from serving.vouching import TRUSTED_KEY

PREFIX = "CREDIT_RISK_"

MAX_HEAD_BYTES = 65_536
"""What one message may need besides its body; h11's limit."""

_ELSEWHERE = {"port": "the port is --port of `bentoml serve`, PORT of `make serve`, BENTOML_PORT of a container"}
"""What is set otherwise, by the name that it is looked for under."""

_NAME = r"^\S(.*\S)?$"


def _vouched(value: Path | None, given: ValidationInfo) -> Path | None:
    if value is not None and given.data.get("trusted_key"):
        raise PydanticCustomError(
            "unvouched",
            "what a path names is served as it is, and no key vouches for it; have import_model.py put it into the "
            f"store, or unset {TRUSTED_KEY}",
        )
    return value


def _recorded(value: tuple[str, ...] | None, given: ValidationInfo) -> tuple[str, ...] | None:
    if value and not given.data.get("records"):
        raise PydanticCustomError("unrecorded", "what a challenger says is kept with records; set CREDIT_RISK_RECORDS")
    return value or None


def _one_request_fits(value: int | None, info: ValidationInfo) -> int | None:
    least = info.data.get("max_body_bytes", 0) + MAX_HEAD_BYTES
    if value is not None and value < least:
        raise PydanticCustomError(
            "bytes_in_flight",
            "a request with a body of CREDIT_RISK_MAX_BODY_BYTES would never fit, which needs {least}",
            {"least": least},
        )
    return value


class SettingsError(SystemExit):
    """Settings that can't be used. Ends the process with one line, since nothing can be served.

    Args:
        problems: each names a setting, what is wrong with it, and the remedy.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__(f"settings refused: {'; '.join(problems)}")


@contextmanager
def refused(name: str, problem: type[Exception]) -> Iterator[None]:
    """Have what is wrong with the file that a setting names told as of the setting."""
    try:
        yield
    except problem as exc:
        raise SettingsError(f"{PREFIX}{name}: {exc}") from None


class Settings(BaseModel):
    """What an operator can set; the table in docs/settings.md is made of these descriptions."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    max_body_bytes: Annotated[
        int, Field(ge=1024, le=67_108_864, description="Largest request body, in bytes; more is 413.")
    ] = 1_048_576
    max_bytes_in_flight: Annotated[
        int | None,
        Field(
            ge=131_072,
            le=4_294_967_296,
            description="Bytes of requests that a worker holds at once, seven eighths of them from one client address; "
            "more is 503. Unset: sixteen bodies.",
        ),
        AfterValidator(_one_request_fits),
    ] = None
    max_batch_rows: Annotated[
        int, Field(ge=2, le=10_000, description="Most applications in one /predict/batch; more is 422.")
    ] = 500
    max_concurrency: Annotated[
        int, Field(ge=1, le=65_536, description="Scoring requests at once, split among the workers; more is 429.")
    ] = 512
    max_concurrency_per_caller: Annotated[
        int | None,
        Field(
            ge=1,
            le=65_536,
            description="The same of one caller, or client address; more is 429. Unset: seven eighths of all.",
        ),
    ] = None
    batch_latency_ms: Annotated[
        int,
        Field(
            ge=10,
            le=600_000,
            description="Latency objective of the adaptive batcher; requests that can't meet it are 503.",
        ),
    ] = 3000
    head_seconds: Annotated[
        float, Field(ge=1, le=3600, description="Longest time from a request's first byte to its body; then 408.")
    ] = 10.0
    body_seconds: Annotated[
        float, Field(ge=1, le=3600, description="Longest time for a request's body to come; then 408.")
    ] = 10.0
    answer_seconds: Annotated[
        float,
        Field(ge=1, le=3600, description="Longest time for a client to read an answer; then its connection ends."),
    ] = 10.0
    timeout_seconds: Annotated[
        float, Field(ge=0.01, le=3600, description="Longest time from the complete request to its answer; then 504.")
    ] = 10.0
    workers: Annotated[int, Field(ge=1, le=256, description="Worker processes; one per container.")] = 1
    drain_seconds: Annotated[
        float,
        Field(ge=0, le=3600, description="After SIGTERM: how long to keep serving while /readyz already says 503."),
    ] = 1.0
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Field(description="Least severe level that is logged.")
    ] = "INFO"
    trusted_key: Annotated[
        tuple[Path, ...] | None,
        BeforeValidator(setting_values.trusted_keys),
        Field(
            description="Files of public keys, separated by commas; one must have vouched for model and policy, which "
            "`import_model.py` checks. Unset: nobody needs to."
        ),
    ] = None
    model_path: Annotated[
        Path | None,
        AfterValidator(_vouched),
        Field(description="Folder of a model artifact to serve instead of the store's."),
    ] = None
    policy_path: Annotated[
        Path | None,
        AfterValidator(_vouched),
        Field(description="A policy file to serve instead of the store's, with `reason_codes.json` beside it."),
    ] = None
    cors_origins: Annotated[
        tuple[str, ...] | None,
        BeforeValidator(setting_values.origins),
        Field(description="Origins whose pages may read answers in a browser, separated by commas."),
    ] = None
    records: Annotated[
        str | None,
        Field(
            pattern=r"^(sqlite:|postgresql://).+",
            description="Where decisions are kept: `sqlite:FOLDER` or `postgresql://…`; unset, nowhere.",
        ),
    ] = None
    records_key_file: Annotated[
        Path | None,
        Field(
            validate_default=True,
            description="The keys that records are sealed with; `python -m records key` makes them.",
        ),
    ] = None
    records_seconds: Annotated[
        float,
        Field(ge=0.1, le=60, description="After which a database that doesn't answer is given up for the moment."),
    ] = 5.0
    records_spool: Annotated[
        Path | None,
        Field(
            description="A folder for decisions while PostgreSQL can't keep them; unset, they are refused meanwhile."
        ),
    ] = None
    records_spool_bytes: Annotated[
        int, Field(ge=1 << 20, le=1 << 40, description="Most of the spool that one worker takes.")
    ] = 256 << 20
    idempotency_hours: Annotated[
        int,
        Field(
            ge=1, le=720, description="How long an answer is given again to whoever sends its Idempotency-Key again."
        ),
    ] = 24
    challenger: Annotated[
        tuple[str, ...] | None,
        BeforeValidator(setting_values.entries),
        AfterValidator(_recorded),
        Field(
            description="A model, a policy or both of the store, with their versions and separated by a comma, that "
            "decide in the shadow; what is not named is the served one."
        ),
    ] = None
    root_path: Annotated[
        str | None,
        BeforeValidator(setting_values.root_path),
        Field(description="Path that a proxy leaves in front of every route, such as `/credit-risk`."),
    ] = None
    access: Annotated[
        Literal["open", "keys", "issuer"],
        Field(description="Who may do what: everybody everything, by API key, or by an issuer's token."),
    ] = "open"
    keys_file: Annotated[Path | None, Field(description="With `keys`: the file of `python -m serving keys`.")] = None
    issuer_url: Annotated[
        str | None,
        BeforeValidator(setting_values.url),
        Field(description="With `issuer`: the OpenID Connect issuer, exactly as its tokens name it."),
    ] = None
    audience: Annotated[
        str | None,
        Field(pattern=_NAME, description="With `issuer`: how this service is called in `aud` of the tokens."),
    ] = None
    jwks_url: Annotated[
        str | None,
        BeforeValidator(setting_values.url),
        Field(description="With `issuer`: where its keys are. Unset: where its discovery document says."),
    ] = None
    scopes_claim: Annotated[
        str | None, Field(pattern=_NAME, description="With `issuer`: the claim that lists scopes. Unset: `scope`.")
    ] = None
    caller_claim: Annotated[
        str | None, Field(pattern=_NAME, description="With `issuer`: the claim that names the caller. Unset: `sub`.")
    ] = None
    open_routes: Annotated[
        tuple[str, ...] | None,
        BeforeValidator(setting_values.open_routes),
        Field(description=f"Routes that ask for no credential all the same, of {', '.join(OPENABLE)}."),
    ] = None
    requests_per_second_per_caller: Annotated[
        float | None,
        Field(
            ge=0.1, le=1_000_000, description="Most requests per second of one caller; more is 429. Unset: no limit."
        ),
    ] = None

    desk: Annotated[
        Literal["on", "off"],
        Field(description="The page for people at /desk; until people are known, for this machine's user alone."),
    ] = "on"
    desk_proxies: Annotated[
        tuple[setting_values.Network, ...] | None,
        BeforeValidator(setting_values.networks),
        Field(
            description="Addresses or networks, separated by commas, of the proxies that sign people in for the desk "
            "and say who they are, as oauth2-proxy does."
        ),
    ] = None
    desk_secret_file: Annotated[
        Path | None,
        Field(
            validate_default=True,
            description="A file with the secret that such a proxy sends as `X-Desk-Secret`, 32 characters or more.",
        ),
    ] = None
    desk_groups: Annotated[
        tuple[tuple[str, str], ...] | None,
        BeforeValidator(setting_values.groups),
        Field(
            description="What people of which group may do at the desk: `officer=GROUP`, separated by commas. Unset: "
            "`viewer=desk-viewer`, and the same of officer, reviewer and policy."
        ),
    ] = None

    desk_upload_bytes: Annotated[
        int,
        Ge(1_048_576),
        Le(1_073_741_824),
        Field(description="Largest file that is taken at the desk, for a batch or to compare a draft over, bytes."),
    ] = 33_554_432

    desk_letter: Annotated[
        Path | None,
        Field(description="The letter to applicants, a Jinja2 template of yours. Unset: one in plain language."),
    ] = None

    @field_validator("desk_secret_file")
    @classmethod
    def _secret_of_proxies(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if (value is None) is not (info.data.get("desk_proxies") is None):
            raise PydanticCustomError("desk_secret", "goes with CREDIT_RISK_DESK_PROXIES; set both, or neither")
        return value

    @field_validator("records_key_file")
    @classmethod
    def _keys_of_records(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is None and info.data.get("records") is not None:
            raise PydanticCustomError("keys", "records need keys; make them by `python -m records key FILE`")
        return value

    @field_validator("records_spool")
    @classmethod
    def _spool_of_a_database(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None and not str(info.data.get("records")).startswith("postgresql://"):
            raise PydanticCustomError("spool", "a spool is for a database; set CREDIT_RISK_RECORDS to postgresql://…")
        return value

    @property
    def records_kind(self) -> str:
        """Where decisions are kept, as far as it may be told: `none`, `sqlite` or `postgresql`."""
        return "none" if self.records is None else self.records.partition(":")[0]

    def bytes_in_flight(self) -> tuple[int, int]:
        """Most bytes of all requests, and of one caller's: one request that is allowed fits where there is no other."""
        one = self.max_body_bytes + MAX_HEAD_BYTES
        most = self.max_bytes_in_flight or max(16 * self.max_body_bytes, one)
        return most, max(share_of_one(most), one)


def share_of_one(most: int) -> int:
    """What one caller may have of what there is for all, where nothing else is set: nobody is to have everything."""
    return -(-most * 7 // 8)


_OF_ACCESS = {
    "keys": (("keys_file",), ()),
    "issuer": (("issuer_url", "audience"), ("jwks_url", "scopes_claim", "caller_claim")),
}
"""What each way of access needs, and what else it takes."""


def load_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings; an empty variable is unset.

    Raises:
        SettingsError: naming every variable that is unknown or out of range.
    """
    links = service_links(environment, PREFIX)
    given = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX) and value and name not in links
    }
    try:
        settings = Settings.model_validate(given)
    except ValidationError as exc:
        problems = [
            f"{PREFIX}{'.'.join(map(str, error['loc'])).upper()}: {_told(error)}"
            for error in exc.errors(include_url=False, include_input=False)
        ]
        raise SettingsError(*problems) from exc
    if problems := _access_problems(settings):
        raise SettingsError(*problems)
    return settings


def _access_problems(settings: Settings) -> list[str]:
    """What access lacks, and what is set for another way of it: who sets that believes that it is in force."""
    problems = []
    for access, (needed, optional) in _OF_ACCESS.items():
        for name in (*needed, *optional):
            given = getattr(settings, name) is not None
            if settings.access == access and not given and name in needed:
                problems.append(f"{PREFIX}{name.upper()}: unset; {PREFIX}ACCESS={access} needs it")
            elif settings.access != access and given:
                problems.append(f"{PREFIX}{name.upper()}: is for {PREFIX}ACCESS={access}; set that, or not this")
    if settings.access == "open" and settings.open_routes is not None:
        problems.append(f"{PREFIX}OPEN_ROUTES: {PREFIX}ACCESS is open, so that every route is; set that, or not this")
    return problems


def allowed_range(name: str) -> str:
    """From where to where a setting may go; empty for one that is no number."""
    constraints = Settings.model_fields[name].metadata
    least = next((each.ge for each in constraints if isinstance(each, Ge)), None)
    most = next((each.le for each in constraints if isinstance(each, Le)), None)
    return "" if least is None or most is None else f"{least} to {most}"


def _told(error: ErrorDetails) -> str:
    name = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        return f"no such setting; {_ELSEWHERE.get(name, 'docs/settings.md lists them')}"
    allowed = allowed_range(name)
    return f"{error['msg']}; set it to a number from {allowed}" if allowed else error["msg"]
