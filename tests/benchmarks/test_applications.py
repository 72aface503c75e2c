"""What every server is asked."""

from benchmarks.applications import NUMBER, approved, mix


def test_about_a_third_of_the_mix_is_not_approved() -> None:
    cases = mix()
    assert len(cases) == NUMBER
    assert 0.3 < sum(not case.approved for case in cases) / NUMBER < 0.4


def test_the_approved_are() -> None:
    assert len(approved()) == NUMBER
    assert all(case.answer["reasons"] == [] for case in approved())
