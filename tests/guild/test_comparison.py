"""Two checkpoints on the same items."""

from pathlib import Path

import msgspec
import pytest

from realm.core.paths import Home
from realm.guild.comparison import compare, mcnemar
from realm.guild.exam_book import exam_name, publish_exam
from realm.guild.exams import paper, report
from realm.guild.skills import get_trainer


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.create()
    return made


NEW, RIVAL = "checkpoint-2000-20251127-1200", "checkpoint-1000-20251127-1100"


@pytest.mark.parametrize(
    ("only_one", "only_other", "p"),
    [(0, 0, 1.0), (1, 0, 1.0), (5, 0, 0.0625), (6, 0, 0.03125), (0, 6, 0.03125), (9, 1, 0.021484375), (7, 7, 1.0)],
)
def test_p_is_the_exact_binomials(only_one: int, only_other: int, p: float) -> None:
    assert mcnemar(only_one, only_other) == pytest.approx(p)


def sat(home: Home, checkpoint: str, level: int, right: range, count: int = 20) -> None:
    """An exam whose items of these places were answered."""
    trainer = get_trainer("bin")
    papers = [
        paper(item, item.answer if place in right else "no", True, float(place in right))
        for place, item in enumerate(trainer.exam(level, count, "same"))
    ]
    result = report(papers, skill="bin", version="1", checkpoint=checkpoint, digest="0" * 64, generation={})
    lines = b"".join(msgspec.json.encode(one) + b"\n" for one in papers)
    publish_exam(home, exam_name("bin", checkpoint, level, "1"), result, lines)


def test_items_that_both_answered_are_counted_and_no_others(home: Home) -> None:
    sat(home, NEW, 5, range(18))
    sat(home, RIVAL, 5, range(10))
    sat(home, NEW, 6, range(20))
    found = compare(home, NEW, RIVAL)
    evidence = found.evidence
    assert (evidence.items, evidence.both, evidence.only_new, evidence.only_rival, evidence.neither) == (
        20,
        10,
        8,
        0,
        2,
    )
    assert evidence.exams == ["bin level 5"]
    assert found.accuracies == (0.9, 0.5)
    assert found.is_better
    assert not compare(home, RIVAL, NEW).is_better


def test_a_small_difference_is_chance(home: Home) -> None:
    sat(home, NEW, 5, range(14))
    sat(home, RIVAL, 5, range(10))
    assert compare(home, NEW, RIVAL).evidence.only_new == 4
    assert not compare(home, NEW, RIVAL).is_better


def test_who_shares_no_item_is_not_better(home: Home) -> None:
    sat(home, NEW, 5, range(20))
    sat(home, RIVAL, 6, range(0))
    found = compare(home, NEW, RIVAL)
    assert (found.evidence.items, found.is_better) == (0, False)
