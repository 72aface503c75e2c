"""The service's own metrics: right, and no more series than the contract has names for."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from scoring.artifact import read_artifact
from tests.applications import CONTRACT
from tests.servers import Server, copy_store, serving, wait_for


def samples(url: str) -> dict[str, float]:
    """Every sample of /metrics, its labels in the order of the alphabet."""
    found = re.findall(r"^(\w+)(?:\{(.*)\})? (\S+)$", httpx.get(f"{url}/metrics").text, re.MULTILINE)
    return {
        name + "{" + ",".join(sorted(re.findall(r'\w+="[^"]*"', labels))) + "}": float(value)
        for name, labels, value in found
    }


def increase(before: dict[str, float], after: dict[str, float], prefix: str) -> dict[str, float]:
    """What has grown, by sample."""
    return {
        name: value - before.get(name, 0.0)
        for name, value in after.items()
        if name.startswith(prefix) and value != before.get(name, 0.0)
    }


class TestCardinality:
    def test_unknown_paths_and_methods_make_one_series_each_status(self, server: Server, client: httpx.Client) -> None:
        client.get("/nowhere/first")
        client.request("BREW", "/predict")
        samples(server.url)  # so that /metrics has its own series
        before = samples(server.url)
        for i in range(300):
            client.get(f"/nowhere/{i}?q={i}")
            client.request(f"METHOD{i}", "/predict")
        after = samples(server.url)
        assert set(after) - set(before) == set()

    def test_unknown_fields_share_one_label(
        self, server: Server, client: httpx.Client, example: dict[str, Any]
    ) -> None:
        before = samples(server.url)
        client.post("/predict", json=example | {"nobody_1": 1, "nobody_2": 1})
        grown = increase(before, samples(server.url), "credit_risk_invalid_fields_total")
        assert grown == {'credit_risk_invalid_fields_total{field="unknown",kind="extra_forbidden"}': 2.0}


class TestCounts:
    def test_a_request_is_counted_under_its_route_and_status(
        self, server: Server, client: httpx.Client, example: dict[str, Any]
    ) -> None:
        before = samples(server.url)
        client.post("/predict", json=example)
        client.post("/predict", json=example | {"person_age": "old"})
        grown = wait_for(
            lambda: (
                found
                if len(
                    found := increase(before, samples(server.url), "credit_risk_http_request_duration_seconds_count")
                )
                >= 2
                else None
            )
        )
        name = "credit_risk_http_request_duration_seconds_count"
        assert grown[f'{name}{{route="/predict",status="200"}}'] == 1.0
        assert grown[f'{name}{{route="/predict",status="422"}}'] == 1.0

    def test_a_wrong_field_is_counted_by_field_and_kind(
        self, server: Server, client: httpx.Client, example: dict[str, Any]
    ) -> None:
        before = samples(server.url)
        client.post("/predict/batch?partial=true", json=[example | {"person_age": "old"}, example, 7])
        grown = increase(before, samples(server.url), "credit_risk_invalid_fields_total")
        assert grown == {
            'credit_risk_invalid_fields_total{field="document",kind="model_type"}': 1.0,
            'credit_risk_invalid_fields_total{field="person_age",kind="int_type"}': 1.0,
        }

    def test_a_batchs_rows_and_wait_are_measured(
        self, server: Server, client: httpx.Client, applications: list[dict[str, Any]]
    ) -> None:
        before = samples(server.url)
        client.post("/predict/batch", json=applications[:37])
        after = samples(server.url)
        rows = increase(before, after, "credit_risk_batch_rows")
        assert rows['credit_risk_batch_rows_sum{route="/predict/batch"}'] == 37.0
        waits = increase(before, after, "credit_risk_batch_wait_seconds_count")
        assert waits == {'credit_risk_batch_wait_seconds_count{route="/predict/batch"}': 1.0}

    def test_every_answered_value_falls_into_one_bin_or_is_missing(
        self, server: Server, client: httpx.Client, applications: list[dict[str, Any]]
    ) -> None:
        before = samples(server.url)
        client.post("/predict/batch", json=applications)
        after = samples(server.url)
        distribution = read_artifact(Path("artifacts/model")).distribution
        totals = {
            bins.field: sum(
                value
                for kind in ("values", "missing")
                for name, value in increase(before, after, f"credit_risk_drift_{kind}_total").items()
                if f'field="{bins.field}"' in name
            )
            for bins in distribution.bins
        }
        assert totals == {bins.field: 300.0 for bins in distribution.bins}

    def test_a_value_outside_the_training_range_is_counted_by_field(
        self, server: Server, client: httpx.Client, example: dict[str, Any]
    ) -> None:
        """On every route and on either side; and each scored field has its series from the start."""
        name = "credit_risk_outside_training_range_total"
        before = samples(server.url)
        assert {f'{name}{{field="{field}"}}' for field in CONTRACT.scored} == {
            series for series in before if series.startswith(name)
        }
        rich, steep = example | {"person_income": 1e7}, example | {"loan_int_rate": 40}
        del rich["loan_percent_income"]
        client.post("/predict", json=rich)
        client.post("/predict/explain", json=steep)
        client.post("/predict/batch", json=[example, steep, steep])
        grown = increase(before, samples(server.url), name)
        expected = {"person_income": 1.0, "loan_percent_income": 1.0, "loan_int_rate": 3.0}
        assert {f'{name}{{field="{field}"}}': count for field, count in expected.items()} == grown


class TestProcess:
    def test_what_is_served_and_since_when(self, server: Server) -> None:
        found = samples(server.url)
        labels = 'model_version="2.0.0",policy_version="1.1.0",service_version="1.0.0"'
        assert found[f"credit_risk_build_info{{{labels}}}"] == 1.0
        assert time.time() - 3600 < found["credit_risk_start_time_seconds{}"] < time.time()
        assert found["credit_risk_model_created_timestamp_seconds{}"] < time.time()
        assert 50e6 < found["credit_risk_resident_memory_bytes{}"] < 1e9
        assert found["credit_risk_ready{}"] == 1.0

    def test_two_workers_add_up(self, store: Path, tmp_path: Path, applications: list[dict[str, Any]]) -> None:
        with serving(copy_store(store, tmp_path), CREDIT_RISK_WORKERS="2", until="/readyz") as running:
            wait_for(lambda: len(running.find(message="Application startup complete.")) == 2)
            for document in applications[:40]:
                httpx.post(f"{running.url}/predict", json=document)
            # The worker that isn't asked carries its counts over within a second.
            wait_for(lambda: samples(running.url)['credit_risk_applications_total{kind="single"}'] == 40.0)
            found = samples(running.url)
            assert sum(v for name, v in found.items() if name.startswith("credit_risk_decisions_total")) == 40.0


def test_drift_is_counted_by_bin() -> None:
    distribution = read_artifact(Path("artifacts/model")).distribution
    for bins in distribution.bins:
        assert sum(bins.shares) == pytest.approx(1.0)
        if bins.edges:
            assert bins.place(bins.edges[0]) == 0
            assert bins.place(bins.edges[-1] + 1) == len(bins.edges)
        assert bins.place(None) == len(bins.labels)
