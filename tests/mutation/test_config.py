"""What mutation testing is told is still so."""

from __future__ import annotations

import pytest

from tests.mutation.config import CONFIG, ROOT, SURVIVORS, modules, source, stages


def test_every_module_has_tests() -> None:
    """That are there, before any is run for hours."""
    for module in modules():
        asked = [argument.removeprefix("--deselect=") for stage in stages(module) for argument in stage]
        files = {argument.partition("::")[0] for argument in asked}
        assert files
        assert [file for file in files if not (ROOT / file).exists()] == []


def test_reasons_are_of_lines_that_are_there() -> None:
    """A reason for code that is gone would one day excuse other code."""
    for known in SURVIVORS:
        assert known["was"] in {line.strip() for line in source(known["module"]).splitlines()}
        assert known["why"]


def test_no_rule_takes_more_than_it_says() -> None:
    """Constants that are no behaviour are not mutated; what is made of them is."""
    pytest.importorskip("cosmic_ray", reason=".ci/mutation installs it")
    from tests.mutation.mutants import mutants, reason  # noqa: PLC0415  # which need it

    boosting = list(mutants("scoring/boosting.py"))
    assert not [m for m in boosting if m.was.startswith(("FEW_ROWS", "ROWS_AT_ONCE", "MOST_IN_TABLES"))]
    assert [m for m in boosting if "ROWS_AT_ONCE" in m.was]
    assert len({(m.operator, m.occurrence) for m in boosting}) == len(boosting) > 50
    assert all(rule["why"] for rule in CONFIG["no_behaviour"])
    assert reason(boosting[0]) in {None, *(known["why"] for known in SURVIVORS)}
