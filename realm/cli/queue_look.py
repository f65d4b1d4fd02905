"""A queue that is looked at again and again: a folder is listed again only when it has changed, and not too often."""

import time
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from realm.core.quests import ENDED, PRIORITIES, QuestQueue, State

SETTLED_NS = 1_000_000_000  # a folder changed since then may change once more under the same time stamp
SHARE = 0.01  # of the time that listing one folder may take: ten thousand quests are 13 ms


class Listing(NamedTuple):
    names: list[str]
    changed_ns: int | None  # the folder's time stamp; None if it was not settled
    due: float  # monotonic seconds; not listed again before


class QueueLook:
    """Names and counts of what lies in queue/. Raises OSError for a folder that is missing."""

    def __init__(self, queue: QuestQueue):
        self._queue = queue
        self._known: dict[State, Listing] = {}

    def names(self, state: State) -> list[str]:
        """Names of the quests in one state, oldest first."""
        changed_ns = (self._queue.home.queue / state).stat().st_mtime_ns
        known = self._known.get(state)
        if known and (known.changed_ns == changed_ns or time.monotonic() < known.due):
            return known.names
        began = time.monotonic()
        names = self._queue.names(state)
        ended = time.monotonic()
        is_settled = time.time_ns() - changed_ns > SETTLED_NS
        self._known[state] = Listing(names, changed_ns if is_settled else None, ended + (ended - began) / SHARE)
        return names

    def next(self, count: int) -> list[str]:
        """The first quests in training order."""
        return list(islice(self._waiting(), count))

    def _waiting(self) -> Iterator[str]:
        """As QuestQueue.waiting, which would make ten thousand paths to tell three names."""
        further_on: tuple[State, ...] = ("processing", *ENDED)
        seen = {name for state in further_on for name in self.names(state)}
        for priority in PRIORITIES:
            for name in self.names(priority):
                if name not in seen:
                    seen.add(name)
                    yield name
