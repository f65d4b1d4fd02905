"""Twins: quests with the same bytes. Each knows which file it was made of, so that a crash makes no second one."""

import math
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct

from realm.arena.intake.inbox import Drop, Identity
from realm.core.quests import STATES, Quest, QuestMeta, QuestMetaError, QuestQueue, read_meta

SOURCE_FILE = "source.json"
STALE_SECONDS = 1.0  # after which the queue is looked at again: a person may have copied a quest into it
HASH = 8  # hex digits at a name's end


class Source(Struct, frozen=True):
    """source.json of a quest: the drop it was copied from. No device: its number may be another after a reboot."""

    path: str  # below the inbox
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, drop: Drop) -> "Source":
        return cls(drop.shown, *drop.identity)

    @property
    def identity(self) -> Identity:
        return Identity(self.inode, self.size, self.mtime_ns, self.ctime_ns)


@dataclass(frozen=True)
class Twin:
    quest: Quest
    meta: QuestMeta
    source: Source | None  # None: no watcher admitted it


class Twins:
    """Names by the hash they end in, so that a drop among thousands does not cost a look at all of them."""

    def __init__(self, queue: QuestQueue):
        self._queue = queue
        self._names: dict[str, set[str]] = {}
        self._looked_at = -math.inf  # monotonic

    def of(self, sha256: str) -> list[Twin]:
        """Quests in any state whose plain bytes have this hash, in the order of a quest's life. Raises OSError."""
        if time.monotonic() > self._looked_at + STALE_SECONDS:
            self._look()
        found = [quest for name in self._names.get(sha256[:HASH], ()) if (quest := self._queue.find(name))]
        found.sort(key=lambda quest: (STATES.index(quest.state), quest.name))
        return [twin for quest in found if (twin := _read(quest)) and twin.meta.sha256 == sha256]

    def add(self, name: str) -> None:
        """A quest that was published now."""
        self._names.setdefault(name[-HASH:], set()).add(name)

    def _look(self) -> None:
        self._names = {}
        for state in STATES:
            for name in self._queue.names(state):
                self.add(name)
        self._looked_at = time.monotonic()


def _read(quest: Quest) -> Twin | None:
    """None for a quest that moved on meanwhile, or whose meta a hand has broken."""
    try:
        return Twin(quest, read_meta(quest.path), read_source(quest.path))
    except (OSError, QuestMetaError, UnicodeDecodeError, RecursionError):
        return None


def read_source(folder: Path) -> Source | None:
    try:
        return msgspec.json.decode((folder / SOURCE_FILE).read_bytes(), type=Source)
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return None
