"""Numbers and text as a terminal shows them."""

import pytest

from realm.cli import figures
from realm.cli.terminal import bar, cells, padded, printable, shortened, table


@pytest.mark.parametrize(
    ("seconds", "span", "age"),
    [
        (0, "0 s", "0 s"),
        (59.4, "59 s", "59 s"),
        (60, "1 m 0 s", "1 m"),
        (3_599, "59 m 59 s", "59 m"),
        (7_500, "2 h 5 m", "2 h"),
        (100_000, "1 d 3 h", "1 d"),
        (-5, "0 s", "0 s"),
        (None, "–", "–"),
    ],
)
def test_seconds_are_told_in_one_unit_or_two(seconds: float | None, span: str, age: str) -> None:
    assert (figures.span(seconds), figures.age(seconds)) == (span, age)


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 B"), (1023, "1,023 B"), (1024, "1.0 KiB"), (9_969_793, "9.5 MiB"), (2**50 * 5000, "5,000.0 PiB")],
)
def test_bytes_are_told_in_the_unit_that_fits(count: int, shown: str) -> None:
    assert figures.size(count) == shown


def test_nothing_is_said_to_be_done_before_it_is() -> None:
    assert [figures.percent(share) for share in (0.0, 0.9999, 1.0, None)] == ["0.0 %", "99.9 %", "100.0 %", "–"]
    assert bar(0.9999, 4) == "███▉"
    assert bar(1.0, 4) == "████"
    assert bar(0.3, 4) == "█▏··"
    assert bar(0.0, 4) == "····"


@pytest.mark.parametrize(
    ("text", "width"),
    [("abc", 3), ("日本語", 6), ("é", 1), ("e\u0301", 1), ("⚔️", 2), ("📥", 2), ("\x1b[31mred\x1b[0m", 3)],
)
def test_text_is_measured_in_cells(text: str, width: int) -> None:
    assert cells(text) == width
    assert cells(padded(text, 9, ">")) == cells(padded(text, 9)) == 9


def test_a_name_is_cut_in_its_middle() -> None:
    assert shortened("20251127-bin-0a1b2c3d", 11) == "20251…b2c3d"
    assert cells(shortened("日本語日本語日本語", 9)) <= 9
    assert shortened("short", 9) == shortened("short", None) == "short"


def test_what_came_from_outside_cannot_steer_the_terminal() -> None:
    assert printable("a\x1b[2J\n\u202eb\udcff") == "a\\x1b[2J\\n\\u202eb\\udcff"
    assert printable("日本語 é") == "日本語 é"


def test_the_columns_of_a_table_stand_below_each_other() -> None:
    lines = table(["NAME", "SIZE"], [["日本語", "1"], ["ab", "1,000"]], "<>", flexible=(0,))
    assert [cells(line) for line in lines] == [13, 13, 13]
    assert lines[1:] == ["日本語      1", "ab      1,000"]
