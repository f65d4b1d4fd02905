"""Changing what a campaign is locked to: a backup first, and only while no trainer runs.

A new max_length goes on with the same campaign; another hero or base model ends it, and a new one begins.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree, rmtree
from typing import Any

import msgspec
from msgspec import Struct

from realm.arena.battle.seal import Seal, newest_verified
from realm.armory.settings import Settings
from realm.core.files import fsync_directory, publish_folder, write_whole
from realm.core.instance import InstanceLock
from realm.core.locked import LOCKED_KEYS, Locked, read_locked, write_locked
from realm.core.paths import Home

RECORD = "backup.json"


class NotLocked(ValueError):
    """The key is not locked, so nothing has to be unlocked."""


class BackupRecord(Struct, frozen=True, kw_only=True):
    """What a backup holds, and why it was made."""

    made_at: str
    reason: str
    locked: Locked
    seal: str | None  # the newest that verifies
    ends_campaign: bool


def unlock(settings: Settings, key: str, value: Any) -> Path:
    """Sets a locked key; returns the backup's folder.

    Raises NotLocked, UnknownKey, ConfigError, ChangedMeanwhile, OSError; AlreadyRunning while a trainer holds its lock.
    """
    home = settings.home
    content = settings.changed(key, value)
    with _no_trainer(home):
        _sweep(home)
        locked = read_locked(home.current_model)
        if locked is None or key not in LOCKED_KEYS.values() or not locked.changes(settings.binding(content)):
            raise NotLocked(f"{key} is not locked at another value: `realm config set {key} {value}` does")
        wanted = settings.binding(content)
        seal, _ = newest_verified(home.seals)
        ends = wanted != msgspec.structs.replace(locked, max_length=wanted.max_length)
        record = BackupRecord(
            made_at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            reason=f"unlock {key}: {getattr(locked, key.rpartition('.')[2])} -> {value}",
            locked=locked,
            seal=seal.folder.name if seal else None,
            ends_campaign=ends,
        )
        backup = (_begun(home) if ends else None) or _free_name(home, record)
        if ends:
            settings.write(content)
            _move_campaign(home, backup, record)
        else:
            _copy_seal(backup, record, seal)
            settings.write(content)
            write_locked(home.current_model, wanted)
    return backup


@contextmanager
def _no_trainer(home: Home) -> Iterator[None]:
    """Whoever holds the trainer's lock owns current_model/."""
    lock = InstanceLock("trainer", home.locks)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _free_name(home: Home, record: BackupRecord) -> Path:
    step = record.seal.partition("-")[0] if record.seal else "0"
    stamp = record.made_at.replace("-", "").replace(":", "")
    backup = home.vault / "backups" / f"{stamp}-{record.locked.model_name}-step-{step}"
    while backup.exists():
        backup = backup.with_name(f"{backup.name}-again")
    return backup


def _begun(home: Home) -> Path | None:
    """A backup into which a campaign was to be moved when a kill came."""
    for file in (home.vault / "backups").glob(f"[!.]*/{RECORD}"):
        ends = msgspec.json.decode(file.read_bytes()).get("ends_campaign")
        if ends and not (file.parent / "current_model").exists():
            return file.parent
    return None


def _sweep(home: Home) -> None:
    """Removes backups that a kill left half copied."""
    for leftover in (home.vault / "backups").glob(".*-step-*"):
        rmtree(leftover)


def _staged(backup: Path, record: BackupRecord) -> Path:
    staging = backup.with_name(f".{backup.name}")
    staging.mkdir()
    write_whole(staging / RECORD, msgspec.json.encode(record))
    return staging


def _copy_seal(backup: Path, record: BackupRecord, seal: Seal | None) -> None:
    """A whole copy, so that nothing that befalls the original befalls it too."""
    staging = _staged(backup, record)
    if seal:
        copytree(seal.folder, staging / "current_model" / "seals" / seal.folder.name)
    publish_folder(staging, backup)


def _move_campaign(home: Home, backup: Path, record: BackupRecord) -> None:
    """The journey lies aside as it was, its curves with it; the home is ready for a new one."""
    if not backup.exists():
        publish_folder(_staged(backup, record), backup)
    fsync_directory(backup.parent)  # one that a kill left may not be durable, and the campaign moves into it
    for folder in (home.metrics, home.current_model):  # the model last: until then the campaign is still here
        if not (backup / folder.name).exists():  # a kill may have come between the two
            folder.rename(backup / folder.name)
        fsync_directory(backup)
        fsync_directory(folder.parent)
    home.create()
