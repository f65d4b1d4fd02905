"""What benchmarks tell: ratios of the same rounds, and a table that says which is which."""

from functools import partial

from tests.benchmarks.measuring import Row, Table, lines, paired


def test_a_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    """A round that the machine disturbed, disturbs both."""
    ours, rival = Row("ours", [20.0, 2.0, 24.0]), Row("theirs", [10.0, 1.0, 8.0])
    table = Table("Speed", "tokens/s", [ours, rival], rival="theirs")
    assert table.ratio(ours) == 2.0
    assert table.ratio(rival) is None
    assert Table("Speed", "tokens/s", [ours]).ratio(ours) is None


def test_rounds_alternate_so_that_neither_way_is_always_first() -> None:
    called: list[str] = []
    answers = paired({way: partial(called.append, way) for way in "ab"}, rounds=3)
    assert called == ["a", "b", "b", "a", "a", "b"]
    assert {way: len(given) for way, given in answers.items()} == {"a": 3, "b": 3}


def test_a_table_says_medians_ranges_ratios_and_notes() -> None:
    table = Table(
        "Speed",
        "tokens/s",
        [Row("ours", [2000.0, 4000.0, 3000.0], "exact"), Row("theirs", [1000.0] * 3)],
        "theirs",
        ["so"],
    )
    assert lines(table) == [
        "Speed (tokens/s; median and range of the rounds)",
        "             median      least       most  x theirs",
        "  ours        3,000      2,000      4,000         3  exact",
        "  theirs      1,000      1,000      1,000",
        "  so",
    ]
