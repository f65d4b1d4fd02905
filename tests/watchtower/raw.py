"""Rows as the trainer writes them, and the pyramid that they must make: worked out from all of them at once, slowly."""

import math
import struct
from collections import defaultdict
from pathlib import Path
from random import Random
from typing import Any

from realm.core.metrics import MetricsWriter, read_metrics
from realm.watchtower.pyramid import SERIES, WIDTHS

STEPS = "steps.bin"


def row(step: int, random: Random, **changes: Any) -> dict[str, Any]:
    measured = {
        "step": step,
        "at": "2026-11-23T10:00:00.000+00:00",
        "claim": 1 + step // 50,
        "quest": f"20251127T143000.000001Z-quest-{step // 50}-0a1b2c3d",
        "loss": random.random(),
        "loss_ema": random.random(),
        "learning_rate": 0.003,
        "gradient_norm": 10 * random.random(),
        "tokens": random.randrange(4096),
        "seconds": random.random(),
    }
    if step % 7 == 0:
        measured["validation_loss"] = random.random()
    return measured | changes


class Trainer:
    """Appends, rewinds and dies like one."""

    def __init__(self, metrics: Path, seed: int, rotate_bytes: int = 8000):
        self.random, self.step = Random(seed), 0
        self._metrics, self._rotate_bytes = metrics, rotate_bytes
        self._open()

    def train(self, steps: int) -> None:
        for _ in range(steps):
            self.step += 1
            strange = {"loss": math.nan} if self.random.random() < 0.05 else {}
            self._writer.write(row(self.step, self.random, **strange))
        self._writer.flush()

    def die_and_resume(self) -> None:
        """A kill tears the last line; the resume goes on from an earlier step."""
        if self.random.random() < 0.5:
            with (self._metrics / "trainer.jsonl").open("ab") as file:
                file.write(self.random.choice([b'{"step": 1', b"\0" * 30, b'\0\0{"step": 7}\n']))
        self._open()
        self.rewind(max(0, self.step - self.random.randrange(60)))

    def rewind(self, to_step: int) -> None:
        self.step = to_step
        self._writer.rewind(to_step)

    def lose_rows(self) -> None:
        """A full disk swallowed some."""
        self.step += self.random.randrange(200)

    def act(self) -> None:
        """Something that happens to a trainer."""
        chance = self.random.random()
        if chance < 0.7:
            self.train(self.random.randrange(1, 40))
        elif chance < 0.9:
            self.die_and_resume()
        elif chance < 0.97:
            self.lose_rows()
        else:  # a rewind that a full disk swallowed
            self.step = max(0, self.step - 20)
            self.train(5)

    def _open(self) -> None:
        self._writer = MetricsWriter(self._metrics, "trainer", rotate_bytes=self._rotate_bytes)


def slow_pyramid(metrics: Path) -> dict[str, bytes]:
    """Content by file name."""
    values = {row["step"]: _values(row) for row in read_metrics(metrics) if row["step"] > 0}
    last = max(values, default=0)
    nothing = [math.nan] * len(SERIES)
    steps = [[1.0, *values[step]] if step in values else [0.0, *nothing] for step in range(1, last + 1)]
    files = {STEPS: b"".join(struct.pack(f"<{1 + len(SERIES)}f", *one) for one in steps)}
    for width in WIDTHS:
        buckets = defaultdict(list)
        for step in sorted(values):
            buckets[(step - 1) // width].append(values[step])
        count = (last + width - 1) // width
        files[f"{width}.bin"] = b"".join(_bucket(number, width, buckets[number]) for number in range(count))
    return files


def _bucket(number: int, width: int, rows: list[list[float]]) -> bytes:
    fields = [float(number * width + 1) if rows else math.nan, float(len(rows))]
    for column in range(len(SERIES)):
        known = [one[column] for one in rows if not math.isnan(one[column])]
        fields += [min(known), max(known), known[-1]] if known else [math.nan] * 3
    return struct.pack(f"<2d{3 * len(SERIES)}f", *fields)


def _values(row: dict[str, Any]) -> list[float]:
    """As float32."""
    speed = row["tokens"] / row["seconds"] if row.get("tokens") is not None and row.get("seconds") else None
    found = {**row, "tokens_per_second": speed}
    return [_float32(found.get(name)) for name in SERIES]


def _float32(value: float | None) -> float:
    [rounded] = struct.unpack("<f", struct.pack("<f", math.nan if value is None else value))
    return float(rounded)


def on_disk(metrics: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (metrics / "pyramid").glob("*.bin")}
