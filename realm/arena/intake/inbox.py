"""The inbox: what lies there, and which drops are finished.

A drop is finished when nobody has it open for writing and it was the same 0.2 s ago; where the kernel does not tell
about writers, when it has been the same for 10 s. A sidecar is read when it is finished itself: its drop waits for
it, up to a minute, if it is there or a file that will become it (`.X.jsonl.meta.json.Ab3d`, `X.jsonl.meta.json.part`).
"""

import math
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from realm.arena.intake import sidecars
from realm.arena.intake.leases import Writers, writers_of
from realm.core.quests import PRIORITIES, Priority

SETTLE_SECONDS = 0.2
QUIET_SECONDS = 10.0  # where the kernel does not tell about writers
SIDECAR_SECONDS = 60.0
UNKNOWN_WRITERS = (
    f"the kernel does not tell who writes to a drop: it is taken when it has been the same for {QUIET_SECONDS:g} s"
)
OLD_SECONDS = 60.0  # from then on what is no drop is reported, and an emptied folder removed

QUEST_SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst")
BULK_BYTES = 100 * 2**20
BULK_ARCHIVE_BYTES = BULK_BYTES // 10  # text often compresses ten times

_BEING_MADE = (".tmp", ".part")
_BACKUP = "~"


class Identity(NamedTuple):
    """One content of one file: whatever is done to a file, its ctime moves."""

    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, found: os.stat_result) -> "Identity":
        return cls(found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


@dataclass(frozen=True)
class File:
    """A file of the inbox as it was seen."""

    path: Path
    identity: Identity

    @property
    def is_unchanged(self) -> bool:
        return self._now == self.identity

    @property
    def is_unwritten(self) -> bool:
        """Its bytes are as they were; its mode, its owner or another name of it may have changed."""
        now = self._now
        return now is not None and now._replace(ctime_ns=self.identity.ctime_ns) == self.identity

    @property
    def _now(self) -> Identity | None:
        try:
            return Identity.of(self.path.lstat())
        except (FileNotFoundError, NotADirectoryError):
            return None


@dataclass(frozen=True)
class Drop(File):
    """A drop that is about to become a quest."""

    shown: str  # its path below the inbox, fit to be printed
    priority: Priority
    is_link: bool
    sidecar: File | None = None
    sidecar_is_late: bool = False

    @property
    def is_bulk(self) -> bool:
        """Takes so long that others should not wait for it."""
        limit = BULK_BYTES if self.path.suffix == ".jsonl" else BULK_ARCHIVE_BYTES
        return self.identity.size > limit

    @property
    def is_still_finished(self) -> bool:
        """Raises OSError."""
        return self.is_unchanged and not self._is_being_written

    @property
    def may_be_removed(self) -> bool:
        """Nobody wrote to it since it became a quest. Raises OSError."""
        return self.is_unwritten and not self._is_being_written

    @property
    def _is_being_written(self) -> bool:
        return not self.is_link and writers_of(self.path) is Writers.SOME


@dataclass
class Look:
    """What one look at the inbox found."""

    finished: list[Drop] = field(default_factory=list)  # in the order in which they become quests
    drops: int = 0  # finished or not
    problems: list[str] = field(default_factory=list)
    due: float = math.inf  # when, by the inbox's clock, something may be finished that is not yet
    seconds: float = 0.0  # that the look took

    @property
    def unfinished(self) -> int:
        return self.drops - len(self.finished)


@dataclass(frozen=True)
class Folder:
    """One folder of the inbox as it was seen."""

    path: Path
    folders: list[Path]
    files: dict[str, os.stat_result]  # and links, by name

    @classmethod
    def of(cls, path: Path) -> "Folder":
        """Raises OSError."""
        folders, files = [], {}
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                    continue
                with suppress(FileNotFoundError):
                    files[entry.name] = entry.stat(follow_symlinks=False)
        return cls(path, folders, files)

    @cached_property
    def public(self) -> list[str]:
        return [name for name in self.files if not _is_private(name)]

    @cached_property
    def being_made(self) -> list[str]:
        return [name for name in self.files if _is_being_made(name)]

    def sidecar_names(self, quest: str) -> list[str]:
        """X.jsonl.meta.json is not that of X.jsonl.gz if X.jsonl lies there too."""
        owners = {name: name.removesuffix(sidecars.SUFFIX) for name in sidecars.names_for(quest)}
        return [name for name, owner in owners.items() if owner == quest or owner not in self.files]


class Inbox:
    """Looks into the inbox; all it changes is to remove folders that its drops left empty."""

    def __init__(
        self,
        folder: Path,
        *,
        on_folder: Callable[[Path], None] = lambda folder: None,
        clock: Callable[[], float] = time.monotonic,
    ):
        """`on_folder` is called for each folder before it is read; `clock` counts seconds."""
        self._root = folder
        self._on_folder = on_folder
        self._clock = clock
        self._now = clock()
        self._sightings: dict[Path, tuple[Identity, float]] = {}  # since when a file has been what it is
        self._earlier = self._sightings  # of the last look
        self._drops: dict[tuple[Path, str], Drop] = {}
        self._earlier_drops = self._drops
        self._used: set[Path] = set()  # folders that drops lay in

    def look(self) -> Look:
        look = Look()
        self._now = self._clock()
        self._earlier, self._sightings = self._sightings, {}
        self._earlier_drops, self._drops = self._drops, {}
        for folder in self._folders(look):
            self._look_into(folder, look)
        look.finished.sort(key=lambda drop: (PRIORITIES.index(drop.priority), drop.identity.ctime_ns, drop.path))
        look.seconds = self._clock() - self._now
        return look

    # Folders

    def _folders(self, look: Look) -> Iterator[Folder]:
        """The inbox and every folder below; links are not followed."""
        rest = [self._root]
        while rest:
            path = rest.pop()
            try:
                self._on_folder(path)
                folder = Folder.of(path)
            except OSError as error:
                if path == self._root or not isinstance(error, FileNotFoundError):
                    mend = "; chmod g+rwx" if isinstance(error, PermissionError) else ""
                    look.problems.append(f"{self._shown(path)} cannot be read: {error.strerror}{mend}")
                continue
            rest += [inner for inner in folder.folders if not _is_private(inner.name)]
            yield folder

    def _look_into(self, folder: Folder, look: Look) -> None:
        quests = [name for name in folder.public if name.endswith(QUEST_SUFFIXES) and _is_drop(folder.files[name])]
        sidecars_of = {name: folder.sidecar_names(name) for name in quests}
        look.drops += len(quests)
        if quests:
            self._used.add(folder.path)
        self._report_strangers(folder, set(folder.public).difference(quests, *sidecars_of.values()), look)
        if quests and not os.access(folder.path, os.W_OK | os.X_OK):
            look.problems.append(f"{self._shown(folder.path)}: drops cannot be taken from it: chmod g+rwx")
            return
        for name in quests:
            drop = self._drop(folder.path, name, folder.files[name])
            whole = self._with_sidecar(drop, sidecars_of[name], folder, look)  # both settle at the same time
            if self._is_finished(drop, look) and whole:
                look.finished.append(whole)
        if not folder.files and not folder.folders:
            self._remove_if_emptied(folder.path)

    def _report_strangers(self, folder: Folder, names: set[str], look: Look) -> None:
        for name in sorted(names):
            if _age(folder.files[name]) > OLD_SECONDS:
                look.problems.append(f"{self._shown(folder.path / name)} {_why_strange(name)}: it stays where it is")

    def _remove_if_emptied(self, folder: Path) -> None:
        """Not at once: whoever copies a folder file by file still needs it."""
        is_fixed = folder == self._root or (folder.parent == self._root and folder.name in PRIORITIES)
        if is_fixed or folder not in self._used:
            return
        with suppress(OSError):  # something came, it is gone, or it is not ours to remove
            if _age(folder.lstat()) > OLD_SECONDS:
                folder.rmdir()
                self._used.discard(folder)
                self._used.add(folder.parent)

    # One file

    def _drop(self, folder: Path, name: str, found: os.stat_result) -> Drop:
        """That of the last look, if it is the same: thousands may lie there, look after look."""
        identity = Identity.of(found)
        drop = self._earlier_drops.get((folder, name))
        if drop is None or drop.identity != identity:
            inner = (folder / name).relative_to(self._root)
            priority: Priority = next((one for one in PRIORITIES if one == inner.parts[0]), "normal")
            drop = Drop(folder / name, identity, printable(str(inner)), priority, stat.S_ISLNK(found.st_mode))
        self._drops[folder, name] = drop
        return drop

    def _with_sidecar(self, drop: Drop, names: list[str], folder: Folder, look: Look) -> Drop | None:
        """None while its sidecar is being made."""
        present = next((name for name in names if name in folder.files), None)
        if present:
            sidecar = File(drop.path.with_name(present), Identity.of(folder.files[present]))
            if not stat.S_ISREG(folder.files[present].st_mode) or self._is_finished(sidecar, look):
                return replace(drop, sidecar=sidecar)
        elif not any(name in other for name in names for other in folder.being_made):
            return drop
        if self._is_due(self._since(drop) + SIDECAR_SECONDS, look):
            return replace(drop, sidecar_is_late=True)
        return None

    def _is_finished(self, file: File, look: Look) -> bool:
        since = self._since(file)
        if isinstance(file, Drop) and file.is_link:
            return True
        if not self._is_due(since + SETTLE_SECONDS, look):
            return False
        try:
            writers = writers_of(file.path)
        except FileNotFoundError:
            return False
        except OSError as error:
            look.problems.append(f"{self._shown(file.path)} cannot be read: {error.strerror}; chmod a+r")
            return False
        if writers is Writers.UNKNOWN:
            is_quiet = self._is_due(since + QUIET_SECONDS, look)
            if not is_quiet and UNKNOWN_WRITERS not in look.problems:
                look.problems.append(UNKNOWN_WRITERS)
            return is_quiet
        return writers is Writers.NONE

    def _since(self, file: File) -> float:
        """When it was first seen as it is now."""
        known = self._sightings.get(file.path) or self._earlier.get(file.path)
        if known is None or known[0] != file.identity:
            known = (file.identity, self._now)
        self._sightings[file.path] = known
        return known[1]

    def _is_due(self, moment: float, look: Look) -> bool:
        if self._now >= moment:
            return True
        look.due = min(look.due, moment)
        return False

    def _shown(self, path: Path) -> str:
        return printable(str(path.relative_to(self._root.parent)))


def printable(text: str) -> str:
    """A path on one line: stray bytes and control characters are escaped."""
    decoded = os.fsencode(text).decode("utf-8", "backslashreplace")
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in decoded)


def _is_private(name: str) -> bool:
    """Nobody's business but its writer's."""
    return name.endswith(_BACKUP) or _is_being_made(name)


def _is_being_made(name: str) -> bool:
    return name.startswith(".") or name.endswith(_BEING_MADE)


def _why_strange(name: str) -> str:
    if name.endswith(QUEST_SUFFIXES):
        return "is no regular file"
    return "has no quest beside it" if name.endswith(sidecars.SUFFIX) else f"is not named {' or '.join(QUEST_SUFFIXES)}"


def _is_drop(found: os.stat_result) -> bool:
    return stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)


def _age(found: os.stat_result) -> float:
    """Seconds since it was last written to."""
    return time.time() - found.st_mtime
