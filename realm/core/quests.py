"""The quest queue: a quest is a folder, its state is the folder it lies in, every transition is one rename.

The only module of the project that renames inside queue/. Every rename is durable when the call returns and
replaces nothing. Every call may be killed between any two of its steps: made again, it finishes what was begun.

    .staging/Q -> queue/{high,normal,low}/Q -> queue/processing/Q -> queue/{recently_completed,failed}/Q
"""

import heapq
import os
import re
import shutil
import threading
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from realm.core.files import files_below, fsync_directory, write_whole
from realm.core.paths import SHARED, Home
from realm.core.rename import rename_new

Priority = Literal["high", "normal", "low"]
Ended = Literal["recently_completed", "failed"]
State = Literal["high", "normal", "low", "processing", "recently_completed", "failed"]

PRIORITIES: tuple[Priority, ...] = get_args(Priority)  # in training order
ENDED: tuple[Ended, ...] = get_args(Ended)
STATES: tuple[State, ...] = get_args(State)  # in the order of a quest's life

QUEST_FILE = "quest.jsonl"
META_FILE = "meta.json"
RESULT_FILE = "result.json"  # beside a completed quest
ERROR_FILE = "error.json"  # beside a failed one
VERDICTS = (RESULT_FILE, ERROR_FILE)
RECLAIMED_FILE = ".reclaimed"  # from its reclaim to its end: that it waits is not a wish to train it again

_REMOVED = ".removed-"
_FEW = 16  # quests that are found before all others are sorted
_PASSES = 3  # looks at the folders: a hand's `mv` may carry a quest past one look


class QuestNameError(ValueError):
    """A text that is no quest's name."""


class QuestGone(LookupError):
    """The quest does not lie where the transition starts: a person took it away, or it is in another state."""


class QuestBusy(RuntimeError):
    """The quest is claimed by the trainer."""


class QuestMetaError(ValueError):
    """A meta.json that cannot be read, or would not be read back as it was written."""


# Names


SLUG_LENGTH = 40
_DATE = r"((?:19[7-9]|[2-8][0-9]{2})[0-9](?:0[1-9]|1[0-2]))(0[1-9]|[12][0-9]|3[01])"
_TIME = r"((?:[01][0-9]|2[0-3])(?:[0-5][0-9]){2})\.([0-9]{6})Z"
_SLUG = r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?"
_NAME = re.compile(f"{_DATE}T{_TIME}-{_SLUG}-[0-9a-f]{{8}}")
_DATA_SUFFIX = re.compile(r"\.jsonl(\.gz|\.zst)?$")
_SHA256 = r"^[0-9a-f]{64}\Z"  # $ would let a newline pass

_naming = threading.Lock()
_last_stamp = 0  # microseconds since 1970 in the last name this process made


def valid_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def new_name(slug_source: str, sha256: str, after: str | None, *, clock: Callable[[], int] = time.time_ns) -> str:
    """`<YYYYMMDDTHHMMSS.ffffffZ>-<slug>-<hash8>`, later than `after` and than every name this process made.

    So names never repeat and sort by age even when the clock (nanoseconds since 1970) steps back: the time in a
    name is an order first. `slug_source` is the dropped file's name. Raises QuestNameError if `after` is no name.
    """
    global _last_stamp
    if not re.fullmatch(_SHA256, sha256):
        raise ValueError(f"{sha256!r} is no SHA-256: 64 lower-case hex digits are expected")
    with _naming:
        _last_stamp = max(clock() // 1000, _last_stamp + 1, _stamp_of(after) + 1 if after else 0)
        stamp = _last_stamp
    moment = datetime.fromtimestamp(stamp // 1_000_000, UTC).replace(microsecond=stamp % 1_000_000)
    return f"{moment:%Y%m%dT%H%M%S.%f}Z-{slug(slug_source)}-{sha256[:8]}"


def slug(file_name: str) -> str:
    """At most 40 characters of a-z, 0-9 and single hyphens; "quest" if nothing is left."""
    stem = _DATA_SUFFIX.sub("", file_name.lower())
    ascii_only = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "-", ascii_only)
    return words.strip("-")[:SLUG_LENGTH].rstrip("-") or "quest"


def _stamp_of(name: str) -> int:
    match = _NAME.fullmatch(name)
    if match is None:
        raise QuestNameError(f"{name!r} is no quest's name: <YYYYMMDDTHHMMSS.ffffffZ>-<slug>-<8 hex digits>")
    month, day, time_of_day, microseconds = match.groups()
    first = datetime.strptime(f"{month}01{time_of_day}", "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    moment = first + timedelta(days=int(day) - 1)  # a hand-made name may say 30 February
    return int(moment.timestamp()) * 1_000_000 + int(microseconds)


# What is known about a quest


Count = Annotated[int, Meta(ge=0)]


class QuestMeta(Struct, frozen=True, kw_only=True):
    """meta.json: written once, at admission. Fields of later versions are ignored."""

    name: str  # of the quest's folder
    original_name: str  # of the dropped file
    sha256: Annotated[str, Meta(pattern=_SHA256)]  # of the plain, decompressed bytes
    bytes: Count
    lines: Count
    schema_id: str
    priority: Priority  # at admission; the folder tells the present one
    admitted_at: Annotated[datetime, Meta(tz=True)]
    epochs: Annotated[int, Meta(ge=1)] = 1
    generator_id: str = "unknown"
    generator_version: str = "unknown"
    generated_at: str | None = None  # as the generator wrote it
    params: dict[str, Any] = {}
    skill: str | None = None
    level: Annotated[int, Meta(ge=1)] | None = None
    example_count: Count | None = None
    validators: dict[str, str] = {}  # name@version: verdict
    warnings: list[str] = []


def read_meta(folder: Path) -> QuestMeta:
    """Raises FileNotFoundError, or QuestMetaError naming the file and the field."""
    file = folder / META_FILE
    try:
        return msgspec.json.decode(file.read_bytes(), type=QuestMeta)
    except msgspec.DecodeError as error:
        raise QuestMetaError(f"{file}: {error}") from None


def write_meta(folder: Path, meta: QuestMeta) -> None:
    """Raises QuestMetaError for what could not be read back equal: a wrong type, a range, a NaN, a bad name."""
    if not valid_name(meta.name):
        raise QuestMetaError(f"{folder}: {meta.name!r} is no quest's name")
    try:
        content = msgspec.json.encode(meta)
        same = msgspec.json.decode(content, type=QuestMeta) == meta
    except (msgspec.MsgspecError, TypeError) as error:
        raise QuestMetaError(f"{folder}: {error}") from None
    if not same:
        raise QuestMetaError(f"{folder}: a value of the meta has no JSON form (NaN, infinity, a tuple, ...)")
    write_whole(folder / META_FILE, content)


class Finding(Struct, frozen=True):
    """One thing that is wrong with a quest; error.json lists them under `findings`."""

    line: int | None  # from 1; None: the whole quest
    finding: str  # its name in tables
    text: str
    how_to_mend: str

    @property
    def sentence(self) -> str:
        where = f"line {self.line}: " if self.line else ""
        return f"{where}{self.text}" + (f" ({self.how_to_mend})" if self.how_to_mend else "")


# The queue


@dataclass(frozen=True)
class Quest:
    name: str
    state: State
    path: Path

    @property
    def priority(self) -> Priority | None:
        """None for a quest that does not wait."""
        return self.state if self.state in PRIORITIES else None

    @property
    def is_reclaimed(self) -> bool:
        """Whether a claim still holds it, wherever a hand moved it."""
        return (self.path / RECLAIMED_FILE).exists()


@dataclass(frozen=True)
class QuestQueue:
    """The folders under queue/. Every method that takes a name raises QuestNameError for what is none."""

    home: Home

    # Looking

    def waiting(self) -> list[Quest]:
        return list(self.in_turn())

    def in_turn(self) -> Iterator[Quest]:
        """Quests in training order: strictly high, normal, low; inside each by name.

        A name that also lies further on is somebody's copy: it is no quest but a stranger.
        """
        for priority, name in self._names_in_turn():
            yield Quest(name, priority, self._folder(priority) / name)

    def count_waiting(self) -> int:
        return sum(1 for _ in self._names_in_turn())

    def _names_in_turn(self) -> Iterator[tuple[Priority, str]]:
        further_on: tuple[State, ...] = ("processing", *ENDED)
        seen = {name for state in further_on for name in self.names(state)}
        for priority in PRIORITIES:
            for name in self._by_name(priority):
                if name not in seen:
                    seen.add(name)
                    yield priority, name

    def names(self, state: State) -> list[str]:
        """Names of the quests in one state, oldest first."""
        return list(self._by_name(state))

    def _by_name(self, state: State) -> Iterator[str]:
        """Oldest first. The first few come before all are looked at and sorted: mostly no more are asked for."""
        with os.scandir(self._folder(state)) as entries:
            folders = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        yield from filter(valid_name, heapq.nsmallest(_FEW, folders))
        if len(folders) > _FEW:
            yield from filter(valid_name, sorted(folders)[_FEW:])

    def latest(self) -> str | None:
        """The newest name in any state: what the next one must come after."""
        return max((name for state in STATES for name in self.names(state)), default=None)

    def find(self, name: str) -> Quest | None:
        """Where a quest lies now."""
        for _ in range(_PASSES):
            for state in STATES:
                path = self._path(state, name)
                if _is_folder(path):
                    return Quest(name, state, path)
        return None

    def strangers(self) -> list[Path]:
        """What lies in the queue and is no quest: dot names, files, links, other names, second copies."""
        found = []
        seen: dict[str, Path] = {}
        for state in reversed(STATES):
            with os.scandir(self._folder(state)) as entries:
                for entry in entries:
                    path = Path(entry.path)
                    first = seen.setdefault(entry.name, path)
                    copy = first is not path and _is_folder(first)  # not one quest seen before and after a move
                    if copy or not valid_name(entry.name) or not entry.is_dir(follow_symlinks=False):
                        found.append(path)
        return sorted(found)

    # Admission

    def publish(self, staging: Path, name: str, priority: Priority) -> None:
        """A finished folder of .staging/ becomes a waiting quest.

        Raises FileExistsError if the name is taken in any state, FileNotFoundError if there is no such folder
        and no such quest.
        """
        self._admit(staging, name, _checked_priority(priority))

    def refuse(self, staging: Path, name: str, error: bytes) -> None:
        """A folder of .staging/ becomes a failed quest, `error` its error.json. Raises as `publish`."""
        if _is_folder(staging):
            write_whole(staging / ERROR_FILE, error)
        self._admit(staging, name, "failed")

    # The trainer's transitions

    def claim(self, name: str) -> Path:
        """Waiting -> processing. Quiet if it lies there already: recovery finishes what the journal has.

        Raises QuestGone if it waits nowhere.
        """
        return self._take(name, PRIORITIES)

    def reclaim(self, name: str) -> Path:
        """From wherever it lies back to processing: a hand moved it, or an older seal does not cover it.

        Raises QuestGone if it lies nowhere.
        """
        path = self._take(name, (*ENDED, *PRIORITIES))
        (path / RECLAIMED_FILE).touch()
        _set_verdict_aside(path)
        return path

    def release(self, name: str, priority: Priority) -> Path:
        """Processing -> waiting. Raises QuestGone if it is in neither."""
        return self._bring(name, ("processing",), _checked_priority(priority))

    def complete(self, name: str, result: bytes) -> Path:
        """Processing -> recently_completed, with `result` as its result.json. Raises QuestGone."""
        return self._end(name, "recently_completed", RESULT_FILE, result)

    def fail(self, name: str, error: bytes) -> Path:
        """Processing -> failed, with `error` as its error.json. Raises QuestGone."""
        return self._end(name, "failed", ERROR_FILE, error)

    # What people ask for

    def move(self, name: str, priority: Priority) -> Path:
        """Gives a waiting quest another priority. Raises QuestGone if it does not wait."""
        target = _checked_priority(priority)
        return self._bring(name, [source for source in PRIORITIES if source != target], target)

    def retry(self, name: str, priority: Priority) -> Path:
        """Ended -> waiting, under the same name. Raises QuestGone if it has not ended.

        The verdict stays in the folder as `.previous-result.json` or `.previous-error.json`, because it may say
        what to watch and a kill in between must not lose it; only the last of each kind is kept.
        """
        target = _checked_priority(priority)
        for state in ENDED:
            _set_verdict_aside(self._path(state, name))
        return self._bring(name, ENDED, target)

    def remove(self, name: str) -> bool:
        """Deletes a waiting or ended quest; False if there is none. Raises QuestBusy if it is claimed."""
        removed = [self._remove_from(state, name) for state in STATES if state != "processing"]
        if not any(removed) and _is_folder(self._path("processing", name)):
            raise QuestBusy(f"quest {name} is being trained: skip it first (touch control/.skip)")
        return any(removed)

    def prune(self, state: Ended, keep: Callable[[str], bool]) -> list[str]:
        """Deletes the ended quests that `keep` does not want; returns their names."""
        if state not in ENDED:
            raise ValueError(f"{state!r} cannot be pruned: only {' and '.join(ENDED)}")
        self.sweep()
        names = [name for name in self.names(state) if not keep(name)]
        return [name for name in names if self._remove_from(state, name)]

    def sweep(self) -> None:
        """Finishes removals that a kill interrupted."""
        for state in STATES:
            for leftover in self._folder(state).glob(f"{_REMOVED}*"):
                if valid_name(leftover.name.removeprefix(_REMOVED)) and _is_folder(leftover):
                    _delete(leftover)

    # How

    def _folder(self, state: State) -> Path:
        if state not in STATES:
            raise ValueError(f"{state!r} is no state of a quest: {', '.join(STATES)}")
        return self.home.queue / state

    def _path(self, state: State, name: str) -> Path:
        if not valid_name(name):
            raise QuestNameError(f"{name!r} is no quest's name")
        return self._folder(state) / name

    def _admit(self, staging: Path, name: str, state: State) -> None:
        final = self._path(state, name)
        present = self.find(name)
        if _is_folder(staging):
            if present:
                raise FileExistsError(f"{present.path} exists: a quest's name is never used twice")
            if not staging.parent.samefile(self.home.staging):
                raise ValueError(f"{staging} must lie in {self.home.staging}: one rename from the queue")
            staging.chmod(SHARED)  # whoever may `mv` a quest must be able to write to it
            _sync_contents(staging)
            rename_new(staging, final)
        elif not present:
            raise FileNotFoundError(f"{staging} does not exist, nor does the quest {name}")
        fsync_directory(final.parent)
        fsync_directory(self.home.staging)

    def _take(self, name: str, sources: Iterable[State]) -> Path:
        try:
            return self._bring(name, sources, "processing")
        except FileExistsError:  # what is claimed is claimed; the other one is somebody's copy
            return self._bring(name, (), "processing")

    def _end(self, name: str, end: Ended, verdict: str, content: bytes) -> Path:
        """Content first, then the rename: whoever sees an ended quest sees why."""
        present = [folder for state in ("processing", end) if _is_folder(folder := self._path(state, name))]
        for folder in present[:1]:
            for leftover in folder.glob(".*.tmp"):  # of this very write, where a kill cut it
                leftover.unlink()
            for other in (*VERDICTS, RECLAIMED_FILE):
                if other != verdict:
                    (folder / other).unlink(missing_ok=True)
            write_whole(folder / verdict, content)  # and what was unlinked is durable with it
        return self._bring(name, ("processing",), end)

    def _bring(self, name: str, sources: Iterable[State], target: State) -> Path:
        """One durable rename to `target` from whichever source holds it; quiet if it is there already.

        Raises QuestGone if it is in none of them, FileExistsError if it is in a source and in `target`.
        """
        final = self._path(target, name)
        origins = [self._path(source, name) for source in sources]
        for _ in range(_PASSES):
            if any(_moved(origin, final) for origin in origins) or _is_folder(final):
                break
        else:
            raise QuestGone(f"quest {name} is not where it can become {target}: {self._whereabouts(name)}")
        for folder in (final.parent, *(origin.parent for origin in origins)):
            fsync_directory(folder)
        return final

    def _whereabouts(self, name: str) -> str:
        present = self.find(name)
        return f"it lies in {present.path.parent}" if present else f"it is nowhere in {self.home.queue}"

    def _remove_from(self, state: State, name: str) -> bool:
        """The rename to a dot name is the removal; the rest is sweeping."""
        path = self._path(state, name)
        leftover = path.with_name(_REMOVED + name)
        swept = _is_folder(leftover)
        if swept:
            _delete(leftover)
        if not (_is_folder(path) and _moved(path, leftover)):
            return swept
        _delete(leftover)
        return True


def _checked_priority(text: str) -> Priority:
    if text not in PRIORITIES:
        raise ValueError(f"{text!r} is no priority: choose {', '.join(PRIORITIES)}")
    return text


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _set_verdict_aside(folder: Path) -> None:
    for verdict in VERDICTS:
        if (folder / verdict).exists():
            (folder / verdict).replace(folder / f".previous-{verdict}")
    if _is_folder(folder):
        fsync_directory(folder)


def _delete(leftover: Path) -> None:
    """The rename first: a power cut must not bring the quest back under its name without its lines."""
    fsync_directory(leftover.parent)
    shutil.rmtree(leftover)


def _sync_contents(folder: Path) -> None:
    files = files_below(folder)
    for path in files:
        with path.open("rb") as file:
            os.fsync(file.fileno())
    for inner in {folder, *(path.parent for path in files)}:
        fsync_directory(inner)


def _moved(origin: Path, final: Path) -> bool:
    """Whether `origin` was there to be renamed."""
    if not _is_folder(origin):
        return False
    try:
        rename_new(origin, final)
    except FileNotFoundError:
        return False
    return True
