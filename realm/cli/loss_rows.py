"""The newest losses from metrics/trainer.jsonl. After the first look only what was appended is read."""

from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from realm.core.jsonl import end_of, last_lines, lines_after

KEPT = 1000  # steps: one level


class Row(Struct):
    """What we read of a row: a step's, or the one that a resume puts down."""

    step: int | None = None
    loss: float | None = None
    rewind_to_step: int | None = None


class LossRows:
    """Losses by step, as the trainer measured them: the last row of each step, none that a resume undid."""

    def __init__(self, folder: Path):
        """Reads the end of the file. Raises OSError."""
        self.losses: dict[int, float] = {}
        self._path = folder / "trainer.jsonl"
        self._position = end_of(self._path)  # first: rows that come meanwhile are taken twice, which changes nothing
        self._take(last_lines(self._path, KEPT))

    def look(self) -> None:
        """Raises OSError."""
        lines, self._position = lines_after(self._path, self._position)
        self._take(lines)

    def _take(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            try:
                row = msgspec.json.decode(line, type=Row)
            except (msgspec.MsgspecError, UnicodeDecodeError):  # garbage at a power cut
                continue
            self._apply(row)
        self.losses = dict(sorted(self.losses.items())[-KEPT:])

    def _apply(self, row: Row) -> None:
        if row.rewind_to_step is not None:
            self.losses = {step: loss for step, loss in self.losses.items() if step <= row.rewind_to_step}
        elif row.step is not None:
            self.losses.pop(row.step, None)
            if row.loss is not None:
                self.losses[row.step] = row.loss
