"""The stage that acts play on: what they share, and what they leave to be done later."""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from realm.core.quests import QuestQueue
from tests.soak.drops import Dropper
from tests.soak.ledger import Ledger
from tests.soak.machine import Machine

Play = Callable[["Stage"], None]


@dataclass(frozen=True)
class Act:
    """Something that is done again and again. `every`: seconds; `at_least`: times, however short the soak."""

    name: str
    every: float
    at_least: int
    play: Play


@dataclass
class Stage:
    machine: Machine
    ledger: Ledger
    dropper: Dropper
    chance: random.Random
    now: float = 0.0  # seconds since the soak began
    told_at: float = 0.0  # when a person was last told how it goes
    disk_is_full: bool = False  # the home's disk, at the moment
    _later: list[tuple[float, int, str, Play]] = field(default_factory=list)
    _serials: "count[int]" = field(default_factory=count)

    @property
    def queue(self) -> QuestQueue:
        return QuestQueue(self.machine.home)

    def at(self, moment: float, name: str, play: Play) -> None:
        heapq.heappush(self._later, (moment, next(self._serials), name, play))

    def later(self, seconds: float, name: str, play: Play) -> None:
        self.at(self.now + seconds, name, play)

    def due(self) -> float | None:
        """When the next one is to be played; None if nothing is left."""
        return self._later[0][0] if self._later else None

    def play_next(self) -> None:
        _, _, name, play = heapq.heappop(self._later)
        self.ledger.did(name)
        play(self)

    def ask(self, words: str, user: str = "realm") -> str:
        """What `realm` answers. A traceback is never an answer."""
        told = self.machine.realm(words, user)
        self.ledger.did(f"realm {' '.join(words.split()[:2])}", told)
        if "Traceback" in told:
            self.ledger.violation(f"`realm {words}` ended in a traceback: {told[-600:]}")
        return told


def schedule(stage: Stage, acts: tuple[Act, ...], begin: float, end: float) -> None:
    """Each act at random moments of the span."""
    for act in acts:
        for _ in range(max(act.at_least, round((end - begin) / act.every))):
            stage.at(stage.chance.uniform(begin, end), act.name, act.play)
