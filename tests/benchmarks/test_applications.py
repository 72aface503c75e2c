"""What every server is asked."""

from benchmarks.applications import NUMBER, approved, mix
from benchmarks.peers.assessing import CONTRACT, application_of


def test_about_a_third_of_the_mix_is_not_approved() -> None:
    cases = mix()
    assert len(cases) == NUMBER
    assert 0.3 < sum(not case.approved for case in cases) / NUMBER < 0.4


def test_the_approved_are() -> None:
    assert len(approved()) == NUMBER
    assert all(case.answer["reasons"] == [] for case in approved())


def test_a_peer_that_validates_by_itself_reads_the_same() -> None:
    """FastAPI hands over the validated model; the engine is asked what the bundle's own is asked."""
    for case in mix():
        assert dict(CONTRACT.parse(case.document)) == application_of(CONTRACT.model.model_validate(case.document))
