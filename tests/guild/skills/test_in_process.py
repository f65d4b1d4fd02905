"""Exams and samples of a package."""

import pytest

from realm.guild.exams import Item
from realm.guild.skills import get_trainer, in_process
from realm.guild.trainers.bin import make


def ids(items: object) -> list[str]:
    return [item.id for item in items]  # type: ignore[attr-defined]


def prompts(items: object) -> list[str]:
    return [item.prompt for item in items]  # type: ignore[attr-defined]


def test_a_sample_is_the_train_split_from_an_index_on() -> None:
    assert get_trainer("bin").sample(3, 4, first_index=7) == [make(3, "train", index) for index in range(7, 11)]


def test_an_exam_begins_with_the_static_items_and_goes_on_by_its_seed() -> None:
    trainer = get_trainer("bin")
    for level in trainer.LEVELS:
        one, again, other = (trainer.exam(level, 50, seed) for seed in ("a", "a", "b"))
        assert ids(one) == ids(again) != ids(other)
        assert ids(one[:5]) == ids(other[:5]) == [f"bin-L{level}-exam-{index}" for index in range(5)]
        assert len(set(prompts(one))) == 50
        assert {item.level for item in one} == {level}
        assert all("-exam-" in one_id for one_id in ids(one))


def test_seeds_draw_from_the_whole_split() -> None:
    """Operations of one operand have some 50 exam problems each at this level, the others thousands."""
    trainer = get_trainer("bin")
    drawn = [prompt for seed in range(40) for prompt in prompts(trainer.exam(7, 50, seed)[5:])]
    assert len(set(drawn)) > 0.75 * len(drawn)


def test_an_exam_takes_what_there_is_and_no_prompt_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_process, "MOST_DRAWS", 10)
    items = get_trainer("bin").exam(1, 810, "all")
    assert 600 < len(items) == len(set(prompts(items))) <= items[0].space_size == 804


def test_few_items_are_the_first_static_ones() -> None:
    trainer = get_trainer("bin")
    assert trainer.exam(2, 3, "x") == trainer.exam(2, 50, "y")[:3]


def test_of_a_split_level_no_exam_item_is_a_train_item() -> None:
    trainer = get_trainer("bin")
    for level in (3, 9):
        assert trainer.space(level).split == "hash"
        trained = {problem_of(item) for item in trainer.sample(level, 3000)}
        assert trained.isdisjoint(problem_of(item) for item in trainer.exam(level, 300, "x"))


def problem_of(item: Item) -> str:
    return str(item.problem)  # type: ignore[attr-defined]


def test_an_unknown_level_is_refused() -> None:
    for ask in (lambda: get_trainer("bin").exam(31, 5, 0), lambda: get_trainer("bin").sample(0, 5)):
        with pytest.raises(ValueError, match="unknown level"):
            ask()
