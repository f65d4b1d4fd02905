"""What a chart of the metrics shows beside its curves: metrics/pyramid/marks.json.

Claims and rewinds come from the rows and are remembered here alone; a start takes back what the index does not know
yet, and finds it again in the rows. Checkpoints, outcomes and problems are read from their own files.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from realm.core.checkpoint_ledger import parse_name
from realm.core.events import events_after
from realm.core.jsonl import Position, lines_after
from realm.core.paths import Home
from realm.core.status import replace_whole
from realm.watchtower.pyramid import Changes, Row

FILE = "marks.json"
SCHEMA = "marks@1"
KEPT = 2000  # of each kind, the newest
PROBLEMS = ("loss.spike", "step.dropped")  # kinds of events


class CheckpointMark(Struct, frozen=True):
    step: int
    name: str


class ClaimMark(Struct):
    """Steps of one quest, in a row. `steps` null: it goes on. `outcome` null: it goes on, or is not sealed yet."""

    claim: int
    quest: str
    first_step: int
    steps: int | None = None
    outcome: str | None = None


class RewindMark(Struct, frozen=True):
    """A resume that undid steps: training went on behind `to_step`. Numbers count every resume, from 1."""

    number: int
    from_step: int
    to_step: int


class ProblemMark(Struct, frozen=True):
    step: int
    kind: str
    text: str


class Marks(Struct):
    """marks.json. `since`: when the first row was written; what happened before belongs to another campaign."""

    schema: str = SCHEMA
    since: str | None = None
    checkpoints: list[CheckpointMark] = []
    claims: list[ClaimMark] = []
    rewinds: list[RewindMark] = []
    problems: list[ProblemMark] = []


class _Ended(Struct):
    quest: str
    outcome: str
    claim: int | None = None
    steps: int | None = None


class MarkBook:
    """Keeps the marks of one pyramid."""

    def __init__(self, home: Home, folder: Path, last_step: int, rewinds: int):
        """`last_step` and `rewinds` are what the pyramid's index knows. Raises OSError."""
        self._home, self._path = home, folder / FILE
        self._history: Position | None = None
        self._events: Position | None = None
        self._outcomes: dict[tuple[int, str], _Ended] = {}
        self._written = b""
        self.marks = _read(self._path) if last_step else Marks()
        self.marks.rewinds = [mark for mark in self.marks.rewinds if mark.number <= rewinds]
        self._undo(last_step)

    def take(self, rows: Sequence[Row], changes: Changes, rewinds: int) -> None:
        """`rewinds`: how many there were before these rows."""
        undone = iter(changes.rewinds)
        for row in rows:
            if row.rewind_to_step is not None:
                rewinds += 1
                from_step, to_step = next(undone)
                if to_step < from_step:  # else a start that undid nothing
                    self.marks.rewinds.append(RewindMark(rewinds, from_step, to_step))
                    self._undo(to_step)
            elif row.step:
                self._take(row, row.step)
        self._bound()

    def look(self) -> None:
        """At what others have written since. Raises OSError."""
        self._look_at_history()
        self._look_at_events()
        self.marks.checkpoints = sorted(_checkpoints(self._home.current_model), key=lambda mark: mark.step)
        self._bound()

    def write(self) -> None:
        """If anything changed. Raises OSError."""
        content = msgspec.json.encode(self.marks) + b"\n"
        if content != self._written:
            replace_whole(self._path, content)
            self._written = content

    def _take(self, row: Row, step: int) -> None:
        marks = self.marks
        if marks.since is None:
            marks.since = row.at
        if row.problems:
            self._add_problem(ProblemMark(step, "row", "; ".join(row.problems)))
        last = marks.claims[-1] if marks.claims else None
        if row.claim is None or row.quest is None or (last and (last.claim, last.quest) == (row.claim, row.quest)):
            return
        if last and last.steps is None:
            last.steps = step - last.first_step
        marks.claims.append(ClaimMark(row.claim, row.quest, step))

    def _undo(self, to_step: int) -> None:
        """The rows behind it were undone."""
        marks = self.marks
        marks.claims = [mark for mark in marks.claims if mark.first_step <= to_step]
        marks.problems = [mark for mark in marks.problems if mark.kind != "row" or mark.step <= to_step]
        if marks.claims and marks.claims[-1].first_step + (marks.claims[-1].steps or 0) > to_step:
            marks.claims[-1].steps = None

    def _look_at_history(self) -> None:
        lines, self._history = lines_after(self._home.history / "trainer.jsonl", self._history)
        for line in lines:
            try:
                ended = msgspec.json.decode(line, type=_Ended)
            except (msgspec.MsgspecError, UnicodeDecodeError):  # its readers tell; a mark is not worth more words
                continue
            if ended.claim is not None:
                self._outcomes[ended.claim, ended.quest] = ended
        for key in list(self._outcomes)[: -2 * KEPT]:
            del self._outcomes[key]
        for mark in self.marks.claims:
            if found := self._outcomes.get((mark.claim, mark.quest)):
                mark.outcome = found.outcome
                mark.steps = found.steps if mark.steps is None else mark.steps

    def _look_at_events(self) -> None:
        if self.marks.since is None:
            return
        since = datetime.fromisoformat(self.marks.since)
        events, self._events = events_after(self._home.events / "trainer.jsonl", self._events)
        for event in events:
            step = event.data.get("step") if event.step is None else event.step
            if event.kind in PROBLEMS and isinstance(step, int) and event.at >= since:
                self._add_problem(ProblemMark(step, event.kind, event.text))

    def _add_problem(self, mark: ProblemMark) -> None:
        if mark not in self.marks.problems:
            self.marks.problems.append(mark)

    def _bound(self) -> None:
        for kind in ("checkpoints", "claims", "rewinds", "problems"):
            setattr(self.marks, kind, getattr(self.marks, kind)[-KEPT:])


def _read(path: Path) -> Marks:
    """What was kept; marks that cannot be read are made anew with the next rows."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Marks)
    except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
        return Marks()


def _checkpoints(folder: Path) -> Iterator[CheckpointMark]:
    for path in folder.glob("checkpoint-*"):
        with suppress(ValueError):  # a person's folder
            yield CheckpointMark(parse_name(path.name).step, path.name)
