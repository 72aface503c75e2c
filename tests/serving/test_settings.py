from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from serving.settings import MAX_HEAD_BYTES, PREFIX, Settings, SettingsError, allowed_range, load_settings
from serving.vouching import TRUSTED_KEY
from tests.applications import examples
from tests.artifacts import ROOT


def refusal(environment: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as info:
        load_settings(environment)
    message = str(info.value)
    assert message.isprintable(), "not one line"
    return message


class TestDefaults:
    def test_nothing_set(self) -> None:
        """Without a variable every setting has its default."""
        assert Settings() == load_settings({})

    def test_values(self) -> None:
        """The defaults that the contract and docs/settings.md state."""
        defaults = load_settings({})
        assert (
            defaults.max_body_bytes,
            defaults.max_batch_rows,
            defaults.max_concurrency,
            defaults.batch_latency_ms,
            defaults.timeout_seconds,
        ) == (1_048_576, 500, 512, 3000, 10.0)
        assert (
            defaults.workers,
            defaults.log_level,
            defaults.model_path,
            defaults.policy_path,
        ) == (1, "INFO", None, None)

    def test_are_within_their_own_bounds(self) -> None:
        """Every default could also have been set."""
        stated = {PREFIX + name.upper(): str(value) for name, value in Settings() if value is not None}
        assert Settings() == load_settings(stated)

    def test_every_setting_is_described(self) -> None:
        """Each setting has the one line that the table in docs/settings.md is made of."""
        assert [name for name, field in Settings.model_fields.items() if not field.description] == []

    def test_frozen(self) -> None:
        """What was read at start can't be changed later."""
        with pytest.raises(ValidationError):
            load_settings({}).workers = 2  # type: ignore[misc]


class TestEnvironment:
    @pytest.mark.parametrize(
        ("name", "value", "expected"),
        [
            ("MAX_BODY_BYTES", "2048", 2048),
            ("MAX_BATCH_ROWS", "2", 2),
            ("MAX_CONCURRENCY", "1", 1),
            ("BATCH_LATENCY_MS", "10", 10),
            ("TIMEOUT_SECONDS", "0.5", 0.5),
            ("WORKERS", "4", 4),
            ("DRAIN_SECONDS", "0", 0.0),
            ("LOG_LEVEL", "ERROR", "ERROR"),
            ("TRUSTED_KEY", "a.pem, b.pem", (Path("a.pem"), Path("b.pem"))),
            ("MODEL_PATH", "some/model", Path("some/model")),
            ("POLICY_PATH", "some/policy.json", Path("some/policy.json")),
            ("CORS_ORIGINS", "https://desk.example", ("https://desk.example",)),
            ("CORS_ORIGINS", " http://localhost:8080,http://[::1]:1 ,", ("http://localhost:8080", "http://[::1]:1")),
            ("ROOT_PATH", "/credit-risk", "/credit-risk"),
            ("ROOT_PATH", "/a/b.c/~d", "/a/b.c/~d"),
        ],
    )
    def test_read(self, name: str, value: str, expected: object) -> None:
        """A variable with the prefix sets the setting of that name, and no other."""
        settings = load_settings({PREFIX + name: value})
        assert expected == getattr(settings, name.lower())
        assert {name.lower(): expected} == settings.model_dump(exclude_defaults=True)

    def test_other_variables(self) -> None:
        """Variables without the prefix are none of this project's business."""
        assert Settings() == load_settings({"WORKERS": "7", "PATH": "/bin", "credit_risk_workers": "7"})

    @pytest.mark.parametrize("name", ["MODEL_PATH", "POLICY_PATH"])
    def test_nobody_vouches_for_a_path(self, name: str) -> None:
        """With a trusted key, nothing is served but what an import has verified."""
        refused = refusal({PREFIX + name: "some/path", TRUSTED_KEY: "key.pem"})
        assert refused.startswith(f"settings refused: {PREFIX}{name}: what a path names is served as it is, and no key")
        assert f"have import_model.py put it into the store, or unset {TRUSTED_KEY}" in refused

    @pytest.mark.parametrize("value", [",", " ", " , "])
    def test_a_trusted_key_that_names_no_file(self, value: str) -> None:
        """It would otherwise trust everybody."""
        assert f"settings refused: {TRUSTED_KEY}: {value!a} names no file; name those of public keys" in refusal(
            {TRUSTED_KEY: value}
        )

    @pytest.mark.parametrize("name", ["WORKER", "MAXBATCHROWS", "", "MODEL__PATH"])
    def test_misspelt(self, name: str) -> None:
        """A variable with the prefix that names no setting is refused, not ignored."""
        assert f"settings refused: {PREFIX}{name}: no such setting; docs/settings.md lists them" == refusal(
            {PREFIX + name: "1"}
        )

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("MAX_BODY_BYTES", "1023"),
            ("MAX_BATCH_ROWS", "1"),
            ("MAX_BATCH_ROWS", "10001"),
            ("MAX_BODY_BYTES", "67108865"),
            ("MAX_CONCURRENCY", "0"),
            ("MAX_CONCURRENCY", "65537"),
            ("BATCH_LATENCY_MS", "9"),
            ("BATCH_LATENCY_MS", "600001"),
            ("TIMEOUT_SECONDS", "0"),
            ("TIMEOUT_SECONDS", "1e300"),
            ("WORKERS", "0"),
            ("WORKERS", "999999"),
            ("DRAIN_SECONDS", "-0.001"),
            ("DRAIN_SECONDS", "1e12"),
        ],
    )
    def test_out_of_range(self, name: str, value: str) -> None:
        """A number out of range is refused, with the variable and the bound."""
        message = refusal({PREFIX + name: value})
        assert message.startswith(f"settings refused: {PREFIX}{name}: Input should be ")
        assert "than" in message
        assert message.endswith(f"; set it to a number from {allowed_range(name.lower())}")

    def test_one_request_fits(self) -> None:
        """Bytes in flight that a request within the limit of bodies never fits into are refused, with what it needs."""
        message = refusal({PREFIX + "MAX_BODY_BYTES": "200000", PREFIX + "MAX_BYTES_IN_FLIGHT": "265535"})
        assert message.startswith("settings refused: CREDIT_RISK_MAX_BYTES_IN_FLIGHT: a request with a body of ")
        assert "which needs 265536" in message
        settings = load_settings({PREFIX + "MAX_BODY_BYTES": "200000", PREFIX + "MAX_BYTES_IN_FLIGHT": "265536"})
        assert settings.bytes_in_flight() == (265_536, 265_536)

    @pytest.mark.parametrize("body", ["1024", "1048576", "67108864"])
    def test_bytes_in_flight_that_nobody_set(self, body: str) -> None:
        """They follow the limit of bodies, so that who raises that one needn't know of them."""
        most, per_caller = load_settings({PREFIX + "MAX_BODY_BYTES": body}).bytes_in_flight()
        assert most >= per_caller >= int(body) + MAX_HEAD_BYTES

    def test_every_number_has_two_bounds(self) -> None:
        """What is too much is refused at start, not found out under load."""
        numbers = [name for name, value in Settings() if isinstance(value, int | float)]
        assert len(numbers) == 14
        assert [name for name in numbers if not allowed_range(name)] == []

    def test_every_bound_is_in_the_documentation(self) -> None:
        page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
        rows = dict(re.findall(r"^\| `CREDIT_RISK_(\w+)` \| [^|]+ \| ([^|]+) \|", page, re.MULTILINE))
        assert {name.upper(): allowed_range(name) or "" for name in Settings.model_fields} == {
            name: "" if " to " not in bounds else bounds for name, bounds in rows.items()
        }

    @pytest.mark.parametrize(
        "value",
        [
            "*",
            "null",
            "desk.example",
            "https://",
            "https://*.example",
            "https://desk.example/",
            "https://desk.example/page",
            "https://Desk.example",
            "HTTPS://desk.example",
            "https://desk.example:443",
            "http://desk.example:80",
            "https://desk.example:0",
            "https://desk.example:65536",
            "https://me@desk.example",
            "https://d\u00e9sk.example",
            "file://desk",
            "https://a.example https://b.example",
        ],
    )
    def test_no_origin(self, value: str) -> None:
        """What a browser would never send is refused by its value, since it would allow nobody; a wildcard anybody."""
        message = refusal({f"{PREFIX}CORS_ORIGINS": f"https://desk.example,{value}"})
        assert message.startswith(f"settings refused: {PREFIX}CORS_ORIGINS: {value!a} is no origin")
        assert "such as https://desk.example" in message

    @pytest.mark.parametrize(
        "value", ["/", "credit-risk", "/credit-risk/", "//x", "/a//b", "/..", "/a/../b", "/a b", "/\u00e9"]
    )
    def test_no_root_path(self, value: str) -> None:
        """What can't stand in front of every route is refused by its value."""
        message = refusal({f"{PREFIX}ROOT_PATH": value})
        assert message.startswith(f"settings refused: {PREFIX}ROOT_PATH: {value!a} is no path")
        assert "/credit-risk" in message

    @pytest.mark.parametrize("field", [name for name, value in Settings() if isinstance(value, float)])
    @pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999"])
    def test_not_finite(self, field: str, value: str) -> None:
        """A time that is no number, or endless, is refused."""
        assert refusal({PREFIX + field.upper(): value}).startswith(f"settings refused: {PREFIX}{field.upper()}: ")

    @pytest.mark.parametrize("name", ["MAX_BATCH_ROWS", "TIMEOUT_SECONDS", "WORKERS", "LOG_LEVEL"])
    @pytest.mark.parametrize("value", ["many", "1.5e", "0x10", "info ", "[]", "true"])
    def test_unusable(self, name: str, value: str) -> None:
        """A value of another type is refused, with what it should be."""
        message = refusal({PREFIX + name: value})
        assert message.startswith(f"settings refused: {PREFIX}{name}: Input should be ")

    def test_all_at_once(self) -> None:
        """Every wrong variable is named in the one line."""
        message = refusal({PREFIX + "WORKERS": "0", PREFIX + "LOG_LEVEL": "LOUD", PREFIX + "TYPO": "1"})
        assert all(f"{PREFIX}{name}: " in message for name in ("WORKERS", "LOG_LEVEL", "TYPO"))

    @examples(50)
    @given(st.sampled_from(list(Settings.model_fields)), st.text(min_size=1, max_size=20))
    def test_whatever_is_set(self, field: str, value: str) -> None:
        """A setting is read or refused in one line, whatever the variable holds."""
        try:
            settings = load_settings({PREFIX + field.upper(): value})
        except SettingsError as exc:
            assert str(exc).startswith(f"settings refused: {PREFIX}{field.upper()}: ")  # noqa: PT017
        else:
            assert settings.model_dump(exclude_defaults=True).keys() <= {field}


def test_ends_the_process() -> None:
    """Uncaught, a refusal is one line on standard error and a non-zero exit status."""
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            "from serving.settings import load_settings; load_settings()",
        ],
        cwd=ROOT,
        env=os.environ | {"CREDIT_RISK_WORKERS": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (1, "", 1)
    assert run.stderr.startswith("settings refused: CREDIT_RISK_WORKERS: ")


@pytest.mark.parametrize("service", ["CREDIT_RISK", "CREDIT_RISK_API", "CREDIT_RISK_API_CANARY"])
@pytest.mark.parametrize("protocol", ["tcp", "udp", "sctp"])
def test_what_kubernetes_makes_of_a_service_is_no_setting(service: str, protocol: str) -> None:
    """A Service named credit-risk-api puts such variables into every container of its namespace."""
    url, port = f"{protocol}://10.0.0.1:3000", f"PORT_3000_{protocol.upper()}"
    links = {"SERVICE_HOST": "10.0.0.1", "SERVICE_PORT": "3000", "SERVICE_PORT_HTTP": "3000", "PORT": url, port: url}
    links |= {f"{port}_PROTO": protocol, f"{port}_PORT": "3000", f"{port}_ADDR": "10.0.0.1"}
    assert Settings() == load_settings({f"{service}_{name}": value for name, value in links.items()})


@pytest.mark.parametrize("value", ["3000", "10.0.0.1", "http://10.0.0.1:3000", "tcp://10.0.0.1"])
def test_a_port_that_is_no_url_is_no_service(value: str) -> None:
    """Who sets CREDIT_RISK_PORT means the port, and is told where that is set."""
    message = "settings refused: CREDIT_RISK_PORT: no such setting; the port is --port of `bentoml serve`, "
    assert refusal({"CREDIT_RISK_PORT": value}).startswith(message)


@pytest.mark.parametrize("name", ["API_SERVICE_HOST", "API_SERVICE_PORT", "API_PORT", "OTHER_PORT_3000_TCP_ADDR"])
def test_of_a_service_only_where_there_is_one(name: str) -> None:
    """Like the variables of a Service, but without the URL that Kubernetes puts beside them."""
    environment = {f"CREDIT_RISK_{name}": "10.0.0.1", "CREDIT_RISK_ELSE_PORT": "tcp://10.0.0.1:3000"}
    assert refusal(environment) == f"settings refused: CREDIT_RISK_{name}: no such setting; docs/settings.md lists them"


def test_an_empty_variable_is_unset() -> None:
    """As compose files make of a variable that nobody set."""
    assert Settings() == load_settings({f"{PREFIX}{name.upper()}": "" for name in Settings.model_fields})
