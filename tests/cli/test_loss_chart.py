"""The curve: no spike is averaged away, columns stand still, and labels tell its highest and lowest loss."""

import click
import pytest

from realm.cli.loss_chart import Column, curve, drawn


def picture(losses: dict[int, float], width: int, height: int) -> list[str]:
    found = curve(losses, width)
    assert found
    return [click.unstyle(line) for line in drawn(found, height, 9)]


def test_each_loss_has_its_column_while_there_is_room() -> None:
    found = curve({1: 3.0, 2: 2.0, 3: 1.0}, 10)
    assert found
    assert found.columns == [Column(3.0, 3.0), Column(2.0, 2.0), Column(1.0, 1.0)]
    assert (found.first, found.last, found.low, found.high, found.newest) == (1, 3, 1.0, 3.0, 1.0)


def test_lines_are_drawn_from_the_highest_to_the_lowest() -> None:
    assert picture({1: 4.0, 2: 2.0, 3: 1.0}, 10, 2) == [" 4.0000  █", " 1.0000  ██▁"]
    assert picture({1: 4.0, 2: 2.0, 3: 1.0}, 10, 1) == ["         █▄▁"]


def test_a_loss_of_zero_makes_the_scale_linear() -> None:
    assert picture({1: 4.0, 2: 2.0, 3: 0.0}, 10, 2) == [" 4.0000  █", " 0.0000  ██▁"]


def test_a_spike_stands_out_of_its_columns_mean() -> None:
    losses = dict.fromkeys(range(1000), 1.0) | {505: 9.0}
    lines = picture(losses, 100, 4)
    [top] = [line for line in lines if "9.0000" in line]
    assert top.index("•") == 9 + 50
    assert "".join(lines).count("•") == 1


def test_a_step_without_a_loss_is_a_gap() -> None:
    assert picture({1: 1.0, 3: 1.0}, 10, 1) == ["         ▁ ▁"]


def test_columns_stand_still_while_the_newest_one_fills() -> None:
    def columns(last: int) -> list[Column | None]:
        found = curve({step: float(step) for step in range(last - 999, last + 1)}, 50)
        assert found
        return found.columns

    assert columns(5003)[:-1] == columns(5004)[:-1]
    assert columns(5003)[2:-1] == columns(5021)[1:-2]


@pytest.mark.parametrize("count", [1, 7, 49, 50, 51, 99, 500, 999, 1000])
@pytest.mark.parametrize("first", [0, 1, 123_456])
@pytest.mark.parametrize("width", [1, 3, 50, 51, 240])
def test_it_is_never_wider_than_asked_and_ends_with_the_newest(count: int, first: int, width: int) -> None:
    losses = {step: float(step) for step in range(first, first + count)}
    found = curve(losses, width)
    assert found
    assert len(found.columns) <= width
    assert (found.last, found.newest) == (first + count - 1, float(first + count - 1))
    assert found.columns[-1]
    assert found.columns[-1].highest == found.high == found.newest
    assert found.low == float(found.first)


def test_a_flat_curve_and_none_at_all_are_drawn() -> None:
    assert picture({1: 1.0, 2: 1.0}, 10, 2) == [" 1.0000  ", " 1.0000  ▁▁"]
    assert curve({}, 10) is None
    assert curve({1: 1.0}, 0) is None


def test_a_huge_loss_keeps_within_its_margin() -> None:
    assert {line.index("█") for line in picture({1: 123_456.7, 2: 1.0}, 10, 2)} == {9}
