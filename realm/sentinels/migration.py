"""Moves an older home on to this program's format, one version at a time, after a seal and a backup.

A version is a whole unit: backup, change, `format` file. Killed anywhere, `migrate` made again finishes what was
begun: the folder of a backup is named ...-unfinished until the `format` file says the new version, and is used again.
So a step needs to be harmless only after itself, never after a later one.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

from realm.core.files import fsync_directory, publish_folder, write_whole
from realm.core.instance import InstanceLock
from realm.core.paths import DAEMONS, FORMAT_VERSION, Home, HomeError
from realm.sentinels.accounts import owner_of
from realm.sentinels.durable import JournalHole, journal_lines, newest_whole

RECORD = "backup.json"
UNFINISHED = "-unfinished"


class Step(NamedTuple):
    """From one version to the next. `apply` may find what it was killed in the middle of."""

    meaning: str
    changes: tuple[str, ...]  # paths below the home; what is there of them is backed up first
    apply: Callable[[Home], None]


STEPS: dict[int, Step] = {}  # by the version they begin with


class CannotMigrate(RuntimeError):
    """The text says why, and what to do first."""


class Record(Struct, frozen=True, kw_only=True):
    """What a backup holds, and why it was made."""

    made_at: str
    reason: str
    from_version: int
    to_version: int
    copied: list[str]


class Moved(NamedTuple):
    """One version that was gone through."""

    to_version: int
    meaning: str
    backup: Path


def migrate(home: Home) -> Iterator[Moved]:
    """Goes through each version that lies ahead, then makes the folders that are missing.

    Raises CannotMigrate; AlreadyRunning while a daemon holds its lock; OSError.
    """
    version = _version(home)
    if version < FORMAT_VERSION or home.missing():
        _require_owner(home)
    if version < FORMAT_VERSION:
        with _no_daemon(home):
            _require_seal(home)
            while version < FORMAT_VERSION:
                yield _step(home, version)
                version += 1
    _finish_backups(home, version)
    if home.missing():
        home.create()


def _version(home: Home) -> int:
    """Of the home's format, one that STEPS lead on from. Raises CannotMigrate."""
    try:
        home.check_format()
        if not home.format_file.exists():
            raise CannotMigrate(f"{home.root} is no realm's home: `realm init` makes one")
        return FORMAT_VERSION
    except HomeError as error:
        text = home.format_file.read_text(errors="replace").strip()
        if not text.isdecimal() or int(text) > FORMAT_VERSION:
            raise CannotMigrate(str(error)) from None
    version = int(text)
    if lacking := [number for number in range(version, FORMAT_VERSION) if number not in STEPS]:
        raise CannotMigrate(
            f"{home.root} has format {version}, and this realm cannot move format {lacking[0]} on:"
            " go through an older version of realm first"
        )
    return version


def _require_owner(home: Home) -> None:
    """What root makes, the daemons could not write to."""
    if os.geteuid() != home.root.stat().st_uid:
        owner = owner_of(home.root)
        raise CannotMigrate(f"{home.root} belongs to {owner}: sudo -u {owner} realm --home {home.root} migrate")


@contextmanager
def _no_daemon(home: Home) -> Iterator[None]:
    """Holds every daemon's lock, so that none runs and none can start."""
    home.locks.mkdir(exist_ok=True)
    with ExitStack() as held:
        for daemon in DAEMONS:
            lock = InstanceLock(daemon, home.locks)
            lock.acquire()
            held.callback(lock.release)
        yield


def _require_seal(home: Home) -> None:
    """Every decision in the journal is covered by a seal that verifies.

    The lines after it would have to be replayed at their places in the stream of examples, and another version may
    stream otherwise. Steps that were trained since the seal without a decision are trained again, which is harmless.
    """
    try:
        lines = journal_lines(home.journal)
    except FileNotFoundError:
        return
    except JournalHole as hole:
        raise CannotMigrate(f"the journal has a hole ({hole}): {_END_CLEANLY}") from None
    newest = newest_whole(home.seals, deep=True)
    covered = newest.journal_seq if newest else 0
    if lines and lines.last > covered:
        raise CannotMigrate(
            f"{lines.last - covered} decisions in the journal are not covered by a seal that verifies: {_END_CLEANLY}"
        )


_END_CLEANLY = "start the trainer of the version that made this home once more, and end it with Ctrl-C or SIGTERM"


def _step(home: Home, version: int) -> Moved:
    step = STEPS[version]
    unfinished = _backup(home, version, step)
    step.apply(home)
    write_whole(home.format_file, b"%d\n" % (version + 1))
    return Moved(version + 1, step.meaning, _finished(unfinished))


# Backups


def _backup(home: Home, version: int, step: Step) -> Path:
    """Whole or not at all; one that an earlier try has made is older than any change, and stays."""
    backups = home.vault / "backups"
    backups.mkdir(parents=True, exist_ok=True)
    kind = f"migrate-{version}-{version + 1}{UNFINISHED}"
    for leftover in backups.glob(f".*-{kind}"):
        shutil.rmtree(leftover)
    if earlier := sorted(backups.glob(f"*-{kind}")):
        return earlier[0]
    now = datetime.now(UTC)
    backup = backups / f"{now:%Y%m%dT%H%M%SZ}-{kind}"
    staging = backup.with_name(f".{backup.name}")
    staging.mkdir()
    present = [path for path in step.changes if (home.root / path).exists()]
    for path in present:
        _copy(home.root / path, staging / path)
    record = Record(
        made_at=f"{now:%Y-%m-%dT%H:%M:%SZ}",
        reason=f"migrate: {step.meaning}",
        from_version=version,
        to_version=version + 1,
        copied=present,
    )
    write_whole(staging / RECORD, msgspec.json.encode(record))
    publish_folder(staging, backup)
    return backup


def _copy(origin: Path, copy: Path) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True)
    if origin.is_dir():
        shutil.copytree(origin, copy, symlinks=True)
    else:
        shutil.copy2(origin, copy)


def _finished(unfinished: Path) -> Path:
    backup = unfinished.with_name(unfinished.name.removesuffix(UNFINISHED))
    unfinished.rename(backup)
    fsync_directory(backup.parent)
    return backup


def _finish_backups(home: Home, version: int) -> None:
    """A kill came between the `format` file and the backup's last name."""
    for unfinished in (home.vault / "backups").glob(f"*{UNFINISHED}"):
        record = msgspec.json.decode((unfinished / RECORD).read_bytes(), type=Record)
        if record.to_version <= version:
            _finished(unfinished)
