"""A queue that is looked at again and again: a folder is listed again only when it has changed, and not too often."""

import time
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from realm.core.quests import ENDED, PRIORITIES, Priority, QuestQueue, State

SETTLED_NS = 1_000_000_000  # a folder changed since then may change once more under the same time stamp
SHARE = 0.01  # of the time that listing one folder may take: ten thousand quests are 13 ms


class Listing(NamedTuple):
    names: list[str]
    members: frozenset[str]  # the same names
    changed_ns: int | None  # the folder's time stamp; None if it was not settled
    due: float  # monotonic seconds; not listed again before


class QueueLook:
    """Names and counts of what lies in queue/. Raises OSError for a folder that is missing."""

    def __init__(self, queue: QuestQueue, share: float = SHARE):
        """`share`: what `due` follows from. A first listing of a cold disk takes ten times as long as the others."""
        self._queue = queue
        self._share = share
        self._known: dict[State, Listing] = {}

    def names(self, state: State) -> list[str]:
        """Names of the quests in one state, oldest first."""
        return self._listing(state).names

    def members(self, state: State) -> frozenset[str]:
        """The same names, to ask whether one is among them."""
        return self._listing(state).members

    def next(self, count: int) -> list[str]:
        """The first quests in training order."""
        return [name for _, name in islice(self.waiting(), count)]

    def waiting(self) -> Iterator[tuple[Priority, str]]:
        """As QuestQueue.waiting, which would make ten thousand paths to tell three names."""
        further_on: tuple[State, ...] = ("processing", *ENDED)
        seen = [self.members(state) for state in further_on]
        for priority in PRIORITIES:
            for name in self.names(priority):
                if not any(name in members for members in seen):
                    yield priority, name
            seen.append(self.members(priority))

    def _listing(self, state: State) -> Listing:
        changed_ns = (self._queue.home.queue / state).stat().st_mtime_ns
        known = self._known.get(state)
        if known and (known.changed_ns == changed_ns or time.monotonic() < known.due):
            return known
        began = time.monotonic()
        names = self._queue.names(state)
        ended = time.monotonic()
        is_settled = time.time_ns() - changed_ns > SETTLED_NS
        due = ended + (ended - began) / self._share
        listing = Listing(names, frozenset(names), changed_ns if is_settled else None, due)
        self._known[state] = listing
        return listing
