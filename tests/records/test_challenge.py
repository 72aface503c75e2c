"""Champion and challenger side by side: by hand, by known results, and as the command prints them."""

from __future__ import annotations

import json
import math
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from records.__main__ import main
from records.events.standing import Outcome
from records.events.telling import Teller
from records.figures.statistics import NOTHING, auc_pair, mean, paired_difference, share, stability_index
from records.keyring import add_key, read_keyring
from records.shadow.comparing import Compared, Said, compare
from records.shadow.report import lines
from records.shadow.sides import both_sides
from records.shadow.verdict import StoredVerdict, Verdict
from records.stores.sqlite.ledger import LedgerFolder
from tests.records.samples import BASIS, a_chain

APPROVE, CONDITIONAL, REJECT = "APPROVE", "CONDITIONAL_APPROVAL", "REJECT"
CHALLENGER = BASIS.model_copy(update={"model_version": "2.0.0"})


def said(pd: float, outcome: str = APPROVE, *reasons: str) -> Said:
    return Said(pd, outcome, reasons)


BOTH = (
    *[Compared(said(0.05), said(0.06), defaulted=False)] * 6,
    *[Compared(said(0.08), said(0.12, CONDITIONAL, "INCOME"), defaulted=True)] * 2,
    Compared(said(0.3, REJECT, "INCOME", "GRADE"), said(0.04)),
    Compared(said(0.4, REJECT, "INCOME", "GRADE"), said(0.5, REJECT, "GRADE", "INCOME")),
)


class TestComparing:
    def test_swaps(self) -> None:
        """Each pair of outcomes, and what became of those of which that is known."""
        swaps = {(swap.champion, swap.challenger): swap for swap in compare(BOTH).swaps}
        assert 9 == len(swaps)
        for pair, expected in {(APPROVE, APPROVE): (6, 6, 0.0), (APPROVE, CONDITIONAL): (2, 2, 1.0)}.items():
            assert expected == (swaps[pair].decisions, swaps[pair].known, swaps[pair].default_rate.value)
        taken_in = swaps[REJECT, APPROVE]
        assert (1, 0) == (taken_in.decisions, taken_in.known)
        assert math.isnan(taken_in.default_rate.value)

    def test_rates(self) -> None:
        """Eight of ten were approved, seven would have been."""
        rate = compare(BOTH).rates[0]
        assert (APPROVE, 0.8, 0.7) == (rate.outcome, rate.champion.value, rate.challenger.value)
        assert pytest.approx(-0.1) == rate.difference.value
        assert rate.difference.low < -0.1 < rate.difference.high

    def test_pd(self) -> None:
        shift = compare(BOTH).pd
        assert pytest.approx(0.116) == shift.champion.value
        assert pytest.approx(0.114) == shift.challenger.value
        assert pytest.approx(-0.002) == shift.difference.value
        assert (0.5, 0.05, 0.06) == pytest.approx(shift.quantiles[2][:3])

    def test_reasons(self) -> None:
        """Of the one that neither approves: both reasons, in another order."""
        reasons = compare(BOTH).reasons
        assert (1, 0, 1, 0) == (reasons.decisions, reasons.same, reasons.same_set, reasons.same_first)
        assert {"GRADE": (1, 1), "INCOME": (1, 1)} == reasons.by_code

    def test_performance(self) -> None:
        """Both put all defaults behind all others; whom the champion refused is unknown."""
        performance = compare(BOTH).performance
        assert (8, 2, 2) == (performance.known, performance.defaulted, performance.unknown)
        assert (1.0, 1.0, 0.0) == tuple(each.value for each in performance.auc)
        assert pytest.approx((6 * 0.05**2 + 2 * 0.92**2) / 8) == performance.brier[0].value

    @given(
        st.lists(
            st.builds(
                Compared,
                *[st.builds(Said, st.floats(0, 1), st.sampled_from([APPROVE, CONDITIONAL, REJECT]), st.just(()))] * 2,
                st.none() | st.booleans(),
            ),
            max_size=8,
        )
    )
    def test_any(self, decisions: list[Compared]) -> None:
        """Few, none, all alike: nothing fails, the counts add up, and JSON and text can be made of it."""
        comparison = compare(decisions)
        assert len(decisions) == sum(swap.decisions for swap in comparison.swaps)
        assert comparison.performance.known + comparison.performance.unknown == len(decisions)
        json.loads(json.dumps(comparison.document(), allow_nan=False))
        assert "nan" not in "\n".join(lines(comparison))


class TestStatistics:
    def test_share(self) -> None:
        """Wilson's interval of 10 in 100, as in the tables."""
        assert (0.1, 0.0552, 0.1744) == pytest.approx(share(10, 100), abs=5e-5)
        assert NOTHING is share(0, 0)

    def test_paired_difference(self) -> None:
        """Agresti and Min's, by hand: (16.5 - 4.5) / 102, and its half width."""
        half = 1.959964 * math.sqrt((21 / 102 - (12 / 102) ** 2) / 102)
        assert (0.12, 12 / 102 - half, 12 / 102 + half) == pytest.approx(paired_difference(16, 4, 100), abs=1e-6)

    def test_mean(self) -> None:
        values = np.array([1.0, 2.0, 3.0, 4.0])
        half = 1.959964 * math.sqrt(5 / 3 / 4)
        assert (2.5, 2.5 - half, 2.5 + half) == pytest.approx(mean(values), abs=1e-6)

    def test_stability_index(self) -> None:
        """None where nothing has moved; the textbook's sum where half has."""
        before = np.linspace(0, 1, 1000)
        assert 0.0 == stability_index(before, before)
        moved = np.where(np.arange(1000) < 500, before, 1.0)
        assert 1.0 < stability_index(before, moved)
        assert math.isnan(stability_index(before, np.array([])))

    @given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.booleans()), min_size=4, max_size=30))
    def test_auc(self, rows: list[tuple[int, int, bool]]) -> None:
        """The areas are the shares of pairs in the right order, ties for a half; the spread is that of their means."""
        first, second = (np.array([row[i] for row in rows], dtype=float) for i in range(2))
        defaulted = np.array([row[2] for row in rows])
        one, two, difference = auc_pair(first, second, defaulted)
        if min(defaulted.sum(), (~defaulted).sum()) < 2:
            assert math.isnan(one.value)
            return
        for scores, estimate in ((first, one), (second, two)):
            gaps = scores[defaulted][:, None] - scores[~defaulted][None, :]
            right = (gaps > 0) + 0.5 * (gaps == 0)
            assert pytest.approx(right.mean()) == estimate.value
            spread = math.sqrt(sum(right.mean(axis=i).var(ddof=1) / right.shape[1 - i] for i in range(2)))
            assert pytest.approx(min(1.0, right.mean() + 1.959964 * spread), abs=1e-6) == estimate.high
        assert pytest.approx(two.value - one.value) == difference.value
        assert difference.low <= difference.value <= difference.high

    def test_auc_of_the_same(self) -> None:
        """The difference of a score from itself is certain."""
        scores = np.arange(20.0)
        one, two, difference = auc_pair(scores, scores, np.arange(20) % 3 == 0)
        assert one == two
        assert (0.0, 0.0, 0.0) == difference


class TestCommand:
    @pytest.fixture
    def options(self, tmp_path: Path) -> list[str]:
        """Four decisions of which one is erased; of the others, the challenger would have approved all."""
        add_key(tmp_path / "keys.json")
        ring, store = read_keyring(tmp_path / "keys.json"), LedgerFolder(tmp_path / "records")
        writer, entries = a_chain(4, ring)
        store.begin(writer, BASIS)
        store.append(entries)
        verdict = Verdict(0.05, APPROVE, APPROVE, 600, (), (), ())
        verdicts = []
        for i, entry in enumerate(entries):
            content, key = ring.seal(to_json(verdict), entry.id + CHALLENGER.digest)
            verdicts.append(StoredVerdict(entry.id, entry.time, APPROVE, ring.tag(f"ref-{i}"), content, key))
        purged = verdicts[0]._replace(decision=bytes(16))
        store.keep_verdicts(CHALLENGER, [*verdicts, purged])
        store.close()
        store.destroy_keys(ring.tag("ref-3"))
        self.ids = [entry.id for entry in entries]
        return ["--records", f"sqlite:{tmp_path / 'records'}", "--key-file", str(tmp_path / "keys.json")]

    def test_json(self, options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        """By versions of both."""
        assert 0 == main(["challenge", "--json", *options])
        (document,) = json.loads(capsys.readouterr().out)
        assert {"model": "1.0.0", "policy": "1.0.0"} == document["champion"]
        assert {"model": "2.0.0", "policy": "1.0.0"} == document["challenger"]
        swaps = {(each["champion"], each["challenger"]): each["decisions"] for each in document["swaps"]}
        assert (3, 1, 3) == (document["decisions"], document["erased"], swaps[REJECT, APPROVE])

    def test_text(self, options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        assert 0 == main(["challenge", *options])
        out = capsys.readouterr().out
        assert "champion: model 1.0.0, policy 1.0.0\nchallenger: model 2.0.0, policy 1.0.0\n3 decisions" in out
        assert "same outcome: 0.00% [0.00%, 56.15%]" in out

    def test_outcomes(self, options: list[str]) -> None:
        """What was told of loans: a default, one that has matured, and one that has not and counts for nothing."""
        ledger, ring = LedgerFolder(Path(options[1].removeprefix("sqlite:"))), read_keyring(Path(options[3]))
        day = date(2026, 11, 1)
        told = [Outcome(True, day, False), Outcome(False, day, True), Outcome(False, day, False)]
        outcomes = dict(zip(self.ids[:3], told, strict=True))
        Teller(ledger, ring).outcomes(outcomes, ledger.entries_of(self.ids[:3]))
        (sides,) = both_sides(ledger, ring).values()
        assert [True, False, None] == [each.defaulted for each in sides.decisions]

    def test_nothing_said(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        add_key(tmp_path / "keys.json")
        where = ["--records", f"sqlite:{tmp_path / 'records'}", "--key-file", str(tmp_path / "keys.json")]
        assert 1 == main(["challenge", *where])
        assert "set CREDIT_RISK_CHALLENGER" in capsys.readouterr().err
