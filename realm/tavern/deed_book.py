"""history/tavern.jsonl: deeds that events alone have shown. Those are rotated away; what was earned stays."""

from datetime import datetime

import msgspec
from msgspec import Struct

from realm.core.history import DamagedHistory
from realm.core.jsonl import append_lines
from realm.core.paths import Home
from realm.tavern.achievements import GOALS, Tally
from realm.tavern.deeds import EventDeeds
from realm.tavern.following import Growing


class Deed(Struct, frozen=True):
    """One line. `evidence` is the event's own words."""

    deed: str
    at: datetime
    evidence: str


class DeedBook(Growing):
    """As it is written. For one thread at a time."""

    def __init__(self, home: Home):
        self._decoder = msgspec.json.Decoder(Deed)
        super().__init__(home.history / "tavern.jsonl")

    def begin(self) -> None:
        super().begin()
        self.tally = Tally()

    def take(self, line: bytes, number: int) -> None:
        try:
            told = self._decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise DamagedHistory(f"{self.path}, line {number}: {error}") from None
        for goal in GOALS:
            if goal.id == told.deed:
                evidence = f"history/{self.path.name}, line {number}: {told.evidence}"
                self.tally.reach(goal.measure, goal.need, told.at, evidence)


class BookKeeper:
    """Its only writer, in the tavern's daemon."""

    def __init__(self, home: Home):
        self._book, self._events = DeedBook(home), EventDeeds(home)

    def keep(self) -> None:
        """Appends what was earned since, durably. Raises OSError, DamagedHistory."""
        self._book.look()
        self._events.look()
        known = self._book.tally.earned
        new = {
            name: earned
            for tally in self._events.tallies.values()
            for name, earned in tally.earned.items()
            if name not in known
        }
        lines = [msgspec.json.encode(Deed(name, *earned)) + b"\n" for name, earned in sorted(new.items())]
        if lines:
            append_lines(self._book.path, b"".join(lines), durable=True)
