"""The pyramid in memory: every spike stays visible, and what rows do is found whatever their order."""

import struct
from random import Random

import pytest

from realm.watchtower.pyramid import (
    BUCKET,
    FAN,
    NO_BUCKET,
    NO_STEP,
    SERIES,
    STEP,
    WIDTHS,
    Changes,
    Row,
    buckets_of_buckets,
    buckets_of_steps,
    rows_of,
    step_record,
)

LOSS = SERIES.index("loss")


def pyramid(steps: bytes) -> dict[int, bytes]:
    levels = {FAN: buckets_of_steps(0, steps)}
    for width in WIDTHS[1:]:
        levels[width] = buckets_of_buckets(0, width, levels[width // FAN])
    return levels


def losses(records: bytes) -> list[tuple[float, float, float]]:
    """(min, max, last) by bucket."""
    begin = 2 + 3 * LOSS
    return [tuple(fields[begin : begin + 3]) for fields in BUCKET.iter_unpack(records)]  # type: ignore[misc]


def test_each_of_twenty_spikes_in_182_000_steps_is_seen_at_every_width() -> None:
    random = Random(20)
    spikes = set(random.sample(range(1, 182_001), 20))
    usual = [2.0 + random.gauss(0, 0.05) for _ in range(182_000)]
    steps = [step_record(Row(loss=loss + 3 * (step in spikes))) for step, loss in enumerate(usual, 1)]
    for width, records in pyramid(b"".join(steps)).items():
        shown = losses(records)
        assert len(shown) == -(-182_000 // width)
        for number, (low, high, _) in enumerate(shown):
            has_spike = any(number * width < spike <= (number + 1) * width for spike in spikes)
            assert (high > 4) == has_spike, (width, number)
            assert low < 4


def test_a_bucket_has_the_least_the_greatest_and_the_last_that_was_measured() -> None:
    steps = [Row(loss=3.0), Row(loss=1.0, validation_loss=7.0), Row(loss=2.0), Row()]
    [fields] = BUCKET.iter_unpack(buckets_of_steps(5, b"".join(map(step_record, steps))))
    assert fields[:2] == (41.0, 4.0)
    assert fields[2:5] == (1.0, 3.0, 2.0)
    at = 2 + 3 * SERIES.index("validation_loss")
    assert fields[at : at + 3] == (7.0, 7.0, 7.0)
    assert all(value != value for value in fields[5:8])  # never measured


def test_a_bucket_without_rows_is_nan_at_every_width() -> None:
    steps = NO_STEP * FAN**2
    assert buckets_of_steps(0, steps) == NO_BUCKET * FAN
    assert buckets_of_buckets(0, FAN**2, NO_BUCKET * FAN) == NO_BUCKET
    assert NO_STEP.startswith(struct.pack("<f", 0))


def test_speed_is_tokens_by_seconds_and_unknown_without_either() -> None:
    def speed(row: Row) -> float:
        return float(STEP.unpack(step_record(row))[1 + SERIES.index("tokens_per_second")])

    assert speed(Row(tokens=100, seconds=0.5)) == 200.0
    assert speed(Row(tokens=100)) != speed(Row(tokens=100))
    assert speed(Row(tokens=100, seconds=0.0)) != 0.0


@pytest.mark.parametrize(("loss", "shown"), [(1e39, 3.4028234663852886e38), (-1e300, -3.4028234663852886e38)])
def test_what_a_float32_cannot_hold_is_the_greatest_that_it_can(loss: float, shown: float) -> None:
    fields = STEP.unpack(step_record(Row(loss=loss)))
    assert fields[1 + LOSS] == shown
    assert fields[2] != fields[2]  # the others stay unknown


def changes(*rows: Row, last: int = 0, most_ahead: int = 1000) -> Changes:
    return Changes(rows, last, most_ahead)


def test_a_rewind_undoes_what_came_before_it_and_nothing_after() -> None:
    found = changes(Row(step=11), Row(step=12), Row(rewind_to_step=11), Row(step=12, loss=5.0), last=10)
    assert (found.first, found.kept) == (11, 11)
    assert sorted(found.records) == [11, 12]
    assert found.records[12] == step_record(Row(loss=5.0))
    assert found.rewinds == [(12, 11)]


def test_of_several_rewinds_the_lowest_counts() -> None:
    found = changes(Row(rewind_to_step=5), Row(step=6), Row(rewind_to_step=3), Row(step=4), Row(step=5), last=10)
    assert (found.first, found.kept, sorted(found.records)) == (4, 3, [4, 5])
    assert found.rewinds == [(10, 5), (6, 3)]


def test_a_later_and_higher_rewind_brings_back_no_step_that_an_earlier_one_undid() -> None:
    found = changes(Row(rewind_to_step=3), Row(step=6), Row(rewind_to_step=5), last=10)
    assert (found.first, found.kept, found.records) == (4, 3, {})


def test_a_rewind_to_a_step_that_is_not_reached_yet_changes_nothing() -> None:
    found = changes(Row(rewind_to_step=20), last=10)
    assert (found.first, found.kept, found.records) == (None, None, {})


def test_runs_are_cut_at_gaps() -> None:
    found = changes(Row(step=3), Row(step=1), Row(step=2), Row(step=9))
    assert [(first, len(records) // STEP.size) for first, records in found.runs()] == [(1, 3), (9, 1)]
    assert list(changes().runs()) == []


def test_a_step_far_ahead_is_not_believed_nor_is_one_below_the_first() -> None:
    found = changes(Row(step=1009), Row(step=0), Row(step=-3), last=10)
    assert (sorted(found.records), found.left_out) == ([1009], [])
    found = changes(Row(step=1010), last=10)
    assert (found.records, found.left_out, found.first) == ({}, [1010], None)


def test_garbage_is_no_row() -> None:
    lines = [b"", b"\0\0", b"[1]", b'{"step": "7"}', b'{"loss": "low"}', b"\xff", b'{"step": 8, "new": 1}']
    assert [row.step for row in rows_of(lines)] == [8]
