"""The pyramid of the metrics: for buckets of 8, 64, ... 32,768 steps the least, the greatest and the last value of
every series, so that a chart of any width shows each spike. Pure: bytes in, bytes out.

A step's record is 7 float32: 1 if the step has a row, else 0, and its values. A bucket's is 2 float64, its first step
and how many of its steps have a row, and for each series 3 float32: min, max, last. All little-endian. What was not
measured is NaN; a bucket without rows has NaN for its first step, too.
Step s is record s - 1; bucket k of width w covers steps k * w + 1 to (k + 1) * w.
"""

import math
from collections.abc import Iterable, Iterator
from itertools import chain, pairwise
from struct import Struct as Layout

import msgspec
from msgspec import Struct

SERIES = ("loss", "learning_rate", "gradient_norm", "tokens_per_second", "validation_loss", "loss_ema")
FAN = 8  # buckets of one level in a bucket of the next
WIDTHS = tuple(FAN**level for level in range(1, 6))
STEP = Layout(f"<{1 + len(SERIES)}f")
BUCKET = Layout(f"<2d{3 * len(SERIES)}f")
NO_STEP = STEP.pack(0.0, *[math.nan] * len(SERIES))
NO_BUCKET = BUCKET.pack(math.nan, 0.0, *[math.nan] * 3 * len(SERIES))
GREATEST = 3.4028234663852886e38  # of a float32
UNKNOWN = (math.nan, math.nan, math.nan)
STEP_FIELDS, BUCKET_FIELDS = 1 + len(SERIES), 2 + 3 * len(SERIES)
EIGHT_STEPS, EIGHT_BUCKETS = Layout(f"<{FAN * STEP_FIELDS}f"), Layout("<" + f"2d{3 * len(SERIES)}f" * FAN)


class Row(Struct):
    """What we read of a row: a step's, or the one that a resume puts down."""

    step: int | None = None
    loss: float | None = None
    learning_rate: float | None = None
    gradient_norm: float | None = None
    validation_loss: float | None = None
    loss_ema: float | None = None
    tokens: int | None = None
    seconds: float | None = None
    claim: int | None = None
    quest: str | None = None
    problems: list[str] = []
    rewind_to_step: int | None = None
    at: str | None = None


_decoder = msgspec.json.Decoder(Row)


def rows_of(lines: Iterable[bytes]) -> Iterator[Row]:
    """Leaves out what is no row: after a power cut the end of a file may be garbage."""
    for line in lines:
        try:
            yield _decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue


class Changes:
    """What a run of rows does to the steps: which stay, and which are new. Doing it twice does no more than once."""

    def __init__(self, rows: Iterable[Row], last_step: int, most_ahead: int):
        """`last_step`: before them. One `most_ahead` steps and more ahead of the last one is left out, as garbage."""
        self.records: dict[int, bytes] = {}  # by step
        self.kept: int | None = None  # the steps behind this one are undone before the new ones come
        self.rewinds: list[tuple[int, int]] = []  # (from step, to step)
        self.left_out: list[int] = []  # steps
        self._last = last_step
        for row in rows:
            if row.rewind_to_step is not None:
                self._rewind(max(0, row.rewind_to_step))
            elif row.step is not None and row.step > 0:
                self._add(row.step, row, most_ahead)

    @property
    def first(self) -> int | None:
        """The first step that is not as it was; None if all are."""
        changed = ([] if self.kept is None else [self.kept + 1]) + ([min(self.records)] if self.records else [])
        return min(changed, default=None)

    def runs(self) -> Iterator[tuple[int, bytes]]:
        """(first step, records of it and of those that follow without a gap)."""
        steps = sorted(self.records)
        begins = [0, *(at for at, (one, other) in enumerate(pairwise(steps), 1) if other != one + 1), len(steps)]
        for begin, end in pairwise(begins):
            if steps[begin:end]:
                yield steps[begin], b"".join([self.records[step] for step in steps[begin:end]])

    def _add(self, step: int, row: Row, most_ahead: int) -> None:
        if step - self._last >= most_ahead:
            self.left_out.append(step)
            return
        self.records[step] = step_record(row)
        self._last = max(self._last, step)

    def _rewind(self, to_step: int) -> None:
        self.rewinds.append((self._last, to_step))
        if to_step < self._last:
            self.records = {step: record for step, record in self.records.items() if step <= to_step}
            self.kept = to_step if self.kept is None else min(self.kept, to_step)
            self._last = to_step


def step_record(row: Row) -> bytes:
    speed = row.tokens / row.seconds if row.tokens is not None and row.seconds else None
    values = (row.loss, row.learning_rate, row.gradient_norm, speed, row.validation_loss, row.loss_ema)
    numbers = [math.nan if value is None else value for value in values]
    try:
        return STEP.pack(1.0, *numbers)
    except OverflowError:
        return STEP.pack(1.0, *(max(min(number, GREATEST), -GREATEST) for number in numbers))  # NaN stays


def buckets_of_steps(first: int, steps: bytes) -> bytes:
    """Records of the buckets of 8 steps from bucket number `first` on; `steps`: all that these cover, so far."""
    return b"".join(
        [
            _bucket_of_steps((first + number) * FAN + 1, steps[begin : begin + EIGHT_STEPS.size])
            for number, begin in enumerate(range(0, len(steps), EIGHT_STEPS.size))
        ]
    )


def buckets_of_buckets(first: int, width: int, children: bytes) -> bytes:
    """Records of the buckets of `width` from bucket number `first` on; `children`: those of an eighth of the width."""
    return b"".join(
        [
            _bucket_of_buckets((first + number) * width + 1, children[begin : begin + EIGHT_BUCKETS.size])
            for number, begin in enumerate(range(0, len(children), EIGHT_BUCKETS.size))
        ]
    )


def _bucket_of_steps(first_step: int, steps: bytes) -> bytes:
    fields = EIGHT_STEPS.unpack(steps) if len(steps) == EIGHT_STEPS.size else tuple(chain(*STEP.iter_unpack(steps)))
    count = sum(fields[::STEP_FIELDS])
    if not count:
        return NO_BUCKET
    values: list[float] = []
    for column in range(1, STEP_FIELDS):
        known = [value for value in fields[column::STEP_FIELDS] if value == value]
        values += (min(known), max(known), known[-1]) if known else UNKNOWN
    return BUCKET.pack(first_step, count, *values)


def _bucket_of_buckets(first_step: int, children: bytes) -> bytes:
    full = len(children) == EIGHT_BUCKETS.size
    fields = EIGHT_BUCKETS.unpack(children) if full else tuple(chain(*BUCKET.iter_unpack(children)))
    count = sum(fields[1::BUCKET_FIELDS])
    if not count:
        return NO_BUCKET
    values: list[float] = []
    for column in range(2, BUCKET_FIELDS, 3):
        least = [value for value in fields[column::BUCKET_FIELDS] if value == value]
        if least:
            greatest = [value for value in fields[column + 1 :: BUCKET_FIELDS] if value == value]
            last = [value for value in fields[column + 2 :: BUCKET_FIELDS] if value == value]
            values += (min(least), max(greatest), last[-1])
        else:
            values += UNKNOWN
    return BUCKET.pack(first_step, count, *values)
