"""Intervals and grades."""

from types import SimpleNamespace

import pytest

from realm.guild.exams import accuracy_by, paper, wilson_interval


@pytest.mark.parametrize(("right", "of"), [(8, 10), (45, 50), (1, 400), (300, 600)])
def test_the_interval_holds_the_proportions_that_the_score_does_not_refute(right: int, of: int) -> None:
    """Wilson's bounds are the two p at which the score lies exactly 1.96 standard errors away."""
    for bound in wilson_interval(right, of):
        assert abs(right / of - bound) == pytest.approx(1.959964 * (bound * (1 - bound) / of) ** 0.5)


def test_the_interval_ends_at_0_and_1() -> None:
    assert wilson_interval(0, 50) == pytest.approx((0.0, 0.071348), abs=1e-5)
    assert wilson_interval(50, 50) == pytest.approx((0.928652, 1.0), abs=1e-5)


def test_no_answers_no_interval() -> None:
    with pytest.raises(ValueError, match="at least one answer"):
        wilson_interval(0, 0)


def item(level: int) -> SimpleNamespace:
    return SimpleNamespace(
        id="x",
        level=level,
        difficulty="easy",
        operation="add",
        prompt="p",
        answer="a",
        space_size=10,
        space_split="none",
    )


def test_an_answer_that_never_stopped_scores_nothing() -> None:
    assert paper(item(1), "a", finished=True, score=1.0).score == 1.0
    assert paper(item(1), "a", finished=False, score=1.0).score == 0.0


def test_accuracy_by_level() -> None:
    papers = [paper(item(level), "a", True, score) for level, score in ((1, 1.0), (1, 0.0), (2, 1.0))]
    assert accuracy_by(papers, "level") == {"1": 0.5, "2": 1.0}
