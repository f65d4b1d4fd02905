"""Metrics: one raw row per step, for curves. Rotated by size, all kept.

After a resume the writer puts down how far the steps go that survived; readers forget the rows behind that, and
keep the last row of each step.
"""

import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from realm.core.files import settle
from realm.core.json_safe import json_safe
from realm.core.jsonl import append_rotating, rotated, whole_lines

ROTATE_BYTES = 64 * 1024 * 1024
FLUSH_SECONDS = 1.0
MOST_WAITING = 100_000  # rows, about 40 MB, that wait in memory while the disk is full

Row = dict[str, Any]


class MetricsWriter:
    """Buffers one daemon's rows and writes them at most once a second.

    The step loop only ever waits for memory if another thread calls `flush` about once a second. Never raises for a
    full disk: rows wait for space, and beyond MOST_WAITING the oldest are given up, as curves are not worth a battle.
    """

    def __init__(self, folder: Path, daemon: str, *, rotate_bytes: int = ROTATE_BYTES):
        self.lost_rows = 0  # that a full disk keeps from the file: they wait, or were given up
        self._given_up = 0
        self._path = folder / f"{daemon}.jsonl"
        self._rotate_bytes = rotate_bytes
        self._rows: list[bytes] = []
        self._buffer = threading.Lock()
        self._file = threading.Lock()
        self._due = time.monotonic() + FLUSH_SECONDS

    def write(self, row: Row) -> None:
        """Adds a step's row. NaN becomes null with its reason in `problems`. Raises ValueError without a step."""
        step = row.get("step")
        if not isinstance(step, int) or step < 0:
            raise ValueError(f"a metrics row needs a step, a whole number from 0 on; this has {step!r}")
        self._add(row)
        if time.monotonic() >= self._due and not self._file.locked():
            self.flush()

    def rewind(self, to_step: int) -> None:
        """Says, durably enough for a kill, that steps after `to_step` were undone: a resume begins there."""
        self._add({"rewind_to_step": to_step})
        self.flush()

    def flush(self) -> None:
        """Writes what is buffered. Any thread may call it; call it once more at the end."""
        with self._file:
            with self._buffer:
                rows, self._rows = self._rows, []
            self._due = time.monotonic() + FLUSH_SECONDS
            try:
                if rows and append_rotating(self._path, b"".join(rows), rotate_bytes=self._rotate_bytes, keep=None):
                    settle(rotated(self._path)[-1])
                self.lost_rows = self._given_up
            except OSError:
                self._keep(rows)

    def settle(self) -> None:
        """What was flushed survives a power cut, as far as the disk lets it."""
        with self._file, suppress(OSError):
            settle(self._path)

    def _keep(self, rows: list[bytes]) -> None:
        with self._buffer:
            waiting = rows + self._rows
            self._rows = waiting[-MOST_WAITING:]
        self._given_up += max(0, len(waiting) - MOST_WAITING)
        self.lost_rows = self._given_up + min(len(waiting), MOST_WAITING)

    def _add(self, row: Row) -> None:
        content, lost = json_safe(row)
        if lost:
            content["problems"] = [*content.get("problems", []), *lost]
        line = orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)
        with self._buffer:
            self._rows.append(line)


def read_metrics(folder: Path, daemon: str = "trainer") -> list[Row]:
    """One row per step, by step: the last that was written, without those that a rewind undid."""
    rows: dict[int, Row] = {}
    for line in whole_lines(folder / f"{daemon}.jsonl"):
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:  # garbage at a power cut
            continue
        match row:
            case {"rewind_to_step": int(to_step)}:
                rows = {step: kept for step, kept in rows.items() if step <= to_step}
            case {"step": int(step)}:
                rows[step] = row
    return [rows[step] for step in sorted(rows)]
