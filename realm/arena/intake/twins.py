"""Twins: quests with the same bytes. Each knows which file it was made of, so that a crash makes no second one."""

from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct

from realm.arena.intake.inbox import Drop, Identity
from realm.core.quests import STATES, Quest, QuestMeta, QuestMetaError, QuestQueue, read_meta

SOURCE_FILE = "source.json"


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


def twins_of(queue: QuestQueue, sha256: str) -> list[Twin]:
    """Quests in any state whose plain bytes have this hash, in the order of a quest's life."""
    twins = []
    for state in STATES:
        for name in queue.names(state):
            if name.endswith(sha256[:8]):
                twin = _read(Quest(name, state, queue.home.queue / state / name))
                if twin and twin.meta.sha256 == sha256:
                    twins.append(twin)
    return twins


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
