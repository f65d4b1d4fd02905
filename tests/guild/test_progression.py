"""Levels go up because answers were right, and only then."""

import math
import random
from collections.abc import Callable

import pytest

from realm.guild.annals import Graded, Reverted
from realm.guild.progression import WINDOW, Standing, after_exam, standing
from tests.guild.climbers import Ladder, exam


def climbed(accuracies: list[float], level: int = 1) -> Standing:
    return standing(Ladder(), [exam(number, level, accuracy) for number, accuracy in enumerate(accuracies)])


def test_three_exams_with_a_mean_of_the_threshold_master_a_level_and_empty_the_window() -> None:
    now = climbed([0.7, 0.8, 0.9])
    assert (now.mastered_level, now.training_level, now.window) == (1, 2, ())
    [earned] = now.level_ups
    assert (earned.level, round(earned.mean, 9)) == (1, 0.8)
    assert earned.evidence == tuple(f"bin/checkpoint-{number}-L1" for number in range(3))


@pytest.mark.parametrize("accuracies", [[0.8, 0.8], [0.7, 0.8, 0.88], [1.0, 1.0], [0.0, 1.0, 1.0, 0.3]])
def test_less_than_that_does_not(accuracies: list[float]) -> None:
    now = climbed(accuracies)
    assert (now.mastered_level, now.level_ups) == (0, ())
    assert len(now.window) == min(WINDOW, len(accuracies))


def test_only_the_last_three_count() -> None:
    assert climbed([0.0, 0.8, 0.8, 0.8]).mastered_level == 1


def test_exams_of_one_checkpoint_count_once() -> None:
    again = [exam(7, 1, 1.0)] * 5
    assert standing(Ladder(), again).mastered_level == 0


def test_another_version_of_the_skill_begins_the_window_anew() -> None:
    exams = [exam(1, 1, 1.0), exam(2, 1, 1.0), exam(3, 1, 1.0, version="2.0.0")]
    now = standing(Ladder(), exams)
    assert (now.mastered_level, len(now.window)) == (0, 1)


def test_exams_of_other_skills_and_levels_change_nothing() -> None:
    before = climbed([0.9, 0.9])
    for other in (exam(9, 1, 1.0, skill="sy"), exam(9, 2, 1.0), exam(9, 30, 1.0)):
        assert standing(Ladder(), [exam(0, 1, 0.9), exam(1, 1, 0.9), other]) == before


def test_a_mastered_level_that_fell_is_named_until_it_is_right_again() -> None:
    up = [exam(number, 1, 1.0) for number in range(3)]
    fell = standing(Ladder(), [*up, exam(4, 1, 0.5)])
    assert [(one.level, one.accuracy) for one in fell.regressions] == [(1, 0.5)]
    assert fell.mastered_level == 1
    assert after_exam(fell, exam(5, 1, 0.9)).regressions == ()


def test_a_level_taken_back_is_earned_again() -> None:
    up = [exam(number, 1 + number // 3, 1.0) for number in range(9)]
    revert = Reverted(skill="bin", level=2, why="the papers were wrong", at="2026-01-02T00:00:00Z")
    now = standing(Ladder(), [*up, revert])
    assert (now.mastered_level, [one.level for one in now.level_ups]) == (1, [1])
    again = standing(Ladder(), [*up, revert, *(exam(20 + number, 2, 1.0) for number in range(3))])
    assert again.mastered_level == 2


def climb(answered: Callable[[random.Random], int], exams: int, seed: int = 1) -> Standing:
    """So many exams of 50 items, each at the training level of its time."""
    dice = random.Random(seed)
    now = standing(Ladder(), [])
    for number in range(exams):
        now = after_exam(now, exam(number, now.training_level, answered(dice) / 50))
    return now


def test_a_perfect_answerer_climbs_to_the_top_and_stays_there() -> None:
    now = climb(lambda dice: 50, 3 * 30)
    assert (now.mastered_level, now.training_level, now.is_complete) == (30, 30, True)
    assert climb(lambda dice: 50, 100).level_ups == now.level_ups


def test_a_random_one_never_leaves_level_1() -> None:
    assert climb(lambda dice: sum(dice.random() < 0.25 for _ in range(50)), 2000).mastered_level == 0


def window_passes(share: float, dice: random.Random) -> bool:
    exams = [exam(n, 1, sum(dice.random() < share for _ in range(50)) / 50) for n in range(WINDOW)]
    return standing(Ladder(), exams).mastered_level == 1


def test_one_at_60_percent_passes_in_less_than_one_window_of_a_hundred() -> None:
    dice = random.Random(60)
    assert sum(window_passes(0.6, dice) for _ in range(10_000)) < 100
    exact = sum(math.comb(150, right) * 0.6**right * 0.4 ** (150 - right) for right in range(120, 151))
    assert exact < 1e-6


def test_one_at_90_percent_passes_nearly_always() -> None:
    dice = random.Random(90)
    assert sum(window_passes(0.9, dice) for _ in range(1000)) > 990


def test_a_window_is_never_longer_than_three() -> None:
    dice = random.Random(3)
    now = standing(Ladder(), [])
    for number in range(500):
        now = after_exam(now, exam(number, now.training_level, dice.random()))
        assert len(now.window) <= WINDOW
        assert all(isinstance(one, Graded) and one.level == now.training_level for one in now.window)
