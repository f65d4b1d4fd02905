"""history/scheduler.jsonl: every exam graded, every batch dispatched, every level taken back. One line each.

The climb is counted from it alone: levels, windows, and which items were trained before. It is never pruned, and
durable line by line.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from realm.core.files import settle
from realm.core.history import DamagedHistory
from realm.core.jsonl import append_lines, numbered_lines
from realm.core.paths import Home


class Graded(Struct, frozen=True, kw_only=True, tag_field="kind", tag="graded"):
    """An exam that was sat, graded, and whose papers lie in exams/."""

    exam: str  # its folder below exams/
    skill: str
    version: str  # of the skill
    level: int
    checkpoint: str
    at: str  # RFC 3339, UTC
    count: int  # items
    correct: float  # sum of their scores
    role: Literal["training", "mastered"] = "training"  # what the level was to the hero then

    @property
    def accuracy(self) -> float:
        return self.correct / self.count


class Part(Struct, frozen=True):
    """Items of one level: `count` of the train split from `first_index` on."""

    level: int
    first_index: int
    count: int


class Dispatched(Struct, frozen=True, kw_only=True, tag_field="kind", tag="dispatched"):
    """A batch that was decided on; its drop follows."""

    number: int  # from 0
    skill: str
    version: str
    parts: tuple[Part, ...]
    reason: str
    at: str


class Reverted(Struct, frozen=True, kw_only=True, tag_field="kind", tag="reverted"):
    """A person took a mastered level back."""

    skill: str
    level: int  # the lowest that no longer counts
    why: str
    at: str


Line = Graded | Dispatched | Reverted


class Annals:
    """The scheduler's own file. Raises DamagedHistory, OSError."""

    def __init__(self, home: Home):
        self._path = annals_file(home)
        settle(self._path)  # whoever dispatches the next batch relies on what is here
        self.lines = list(read_annals(home))

    @property
    def graded(self) -> list[Graded]:
        return [line for line in self.lines if isinstance(line, Graded)]

    @property
    def dispatched(self) -> list[Dispatched]:
        return [line for line in self.lines if isinstance(line, Dispatched)]

    def append(self, line: Line) -> None:
        """Durable when it returns. Raises OSError: a full disk leaves the file as it was."""
        append_lines(self._path, msgspec.json.encode(line) + b"\n", durable=True)
        self.lines.append(line)


def annals_file(home: Home) -> Path:
    return home.history / "scheduler.jsonl"


def read_annals(home: Home) -> Iterator[Line]:
    """Oldest first; none if there is no file. A torn last line is left out. Raises DamagedHistory."""
    path = annals_file(home)
    decoder = msgspec.json.Decoder(Line)
    for number, line in numbered_lines(path):
        try:
            yield decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise DamagedHistory(
                f"{path}, line {number}: {error}. Levels are counted from this file: mend the line by hand from a"
                " backup, or delete it and lose that exam, batch or revert"
            ) from error
