"""Dropping as a careful person would: checked first, copied under a dot name, synced, then named; sidecar first."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import click

from realm.cli import figures, quest_wait
from realm.cli.failures import sentence
from realm.cli.quest_wait import Drop
from realm.cli.terminal import printable
from realm.core.files import fsync_directory
from realm.core.paths import Home
from realm.core.quests import Priority, QuestQueue
from realm.core.rename import rename_new

PLAIN, SUFFIXES = ".jsonl", (".jsonl", ".jsonl.gz", ".jsonl.zst")
SIDECAR = ".meta.json"
MODE = 0o664  # the daemons are of the inbox's group
BLOCK = 1 << 20


def drop(home: Home, files: Sequence[Path], priority: Priority | None, *, wait: bool) -> None:
    """Checks all before it copies one. Raises click.ClickException, OSError; SystemExit(1) if one is refused."""
    quests = [file for file in files if not _travels_with_another(file, files)]
    for file in quests:
        check(file)
    folder = home.inbox / priority if priority else home.inbox
    queue = QuestQueue(home)
    drops = []
    for file in quests:
        try:
            drops.append(copy(file, folder, priority or "normal", queue.latest()))
        except OSError as error:
            raise click.ClickException(f"{printable(str(file))} was not dropped: {sentence(error)}") from None
        click.echo(f"📥 {drops[-1].shown} ({figures.size(drops[-1].size)})")
    if not wait:
        click.echo(quest_wait.what_next(queue, priority or "normal"))
        return
    admitted = [quest_wait.wait_for(queue, one) for one in drops]
    if not all(admitted):
        raise SystemExit(1)


def check(file: Path) -> None:
    """Raises click.ClickException with a sentence that says how to mend it."""
    name = printable(str(file))
    if file.is_dir():
        raise click.ClickException(f"{name} is a folder: name the files in it")
    if not file.exists():
        raise click.ClickException(f"{name} does not exist")
    if not file.is_file():
        raise click.ClickException(f"{name} is no regular file: write it to one first")
    if not file.name.endswith(SUFFIXES):
        raise click.ClickException(f"{name}: a quest's name ends in {', '.join(SUFFIXES)}; anything else is left alone")
    if file.name.startswith("."):
        raise click.ClickException(f"{name}: a name that begins with a dot is left alone; rename it")
    if file.stat().st_size == 0:
        raise click.ClickException(f"{name} is empty: there is nothing to learn from it")
    sidecar = sidecar_of(file)
    if sidecar and not sidecar.is_file():
        raise click.ClickException(f"{printable(str(sidecar))} is no regular file: a sidecar is one")


# Copying


def copy(file: Path, folder: Path, priority: Priority, after: str | None) -> Drop:
    """Raises click.ClickException if the file changes meanwhile, OSError."""
    sidecar = sidecar_of(file)
    hidden: list[Path] = []
    try:
        size, sha256 = _copied(file, folder, hidden)
        if sidecar:
            _copied(sidecar, folder, hidden)
        path = next(place for name in _names(file.name) if (place := _placed(folder / name, *hidden)))
    finally:
        for left in hidden:
            left.unlink(missing_ok=True)
    fsync_directory(folder)
    return Drop(path, size, None if path.suffix != PLAIN else sha256, priority, after)


def sidecar_of(file: Path) -> Path | None:
    """X.jsonl.gz may have that of X.jsonl, unless X.jsonl lies there too."""
    for owner in _owners(file.name):
        sidecar = file.with_name(owner + SIDECAR)
        if sidecar.exists() and (owner == file.name or not file.with_name(owner).exists()):
            return sidecar
    return None


def _owners(name: str) -> list[str]:
    return list(dict.fromkeys([name, name.removesuffix(".gz").removesuffix(".zst")]))


def _travels_with_another(file: Path, files: Sequence[Path]) -> bool:
    return file.name.endswith(SIDECAR) and any(sidecar_of(other) == file for other in files)


def _copied(file: Path, folder: Path, hidden: list[Path]) -> tuple[int, str]:
    """Size and SHA-256 of a durable copy under a dot name, which is added to `hidden`."""
    whole = folder / f".{os.urandom(8).hex()}.part"
    digest, size = hashlib.sha256(), 0
    with file.open("rb") as source, whole.open("xb") as target:
        hidden.append(whole)
        seen = os.fstat(source.fileno())
        while piece := source.read(BLOCK):
            target.write(piece)
            digest.update(piece)
            size += len(piece)
        now = os.fstat(source.fileno())
        if (size, now.st_mtime_ns) != (seen.st_size, seen.st_mtime_ns):
            raise click.ClickException(f"{printable(str(file))} is still being written: drop it when it is finished")
        target.flush()
        os.fchmod(target.fileno(), MODE)
        os.fsync(target.fileno())
    return size, digest.hexdigest()


def _names(name: str) -> Iterator[str]:
    """x.jsonl, x-2.jsonl, x-3.jsonl, ..."""
    yield name
    stem, dot, suffix = name.rpartition(PLAIN)
    number = 2
    while True:
        yield f"{stem}-{number}{dot}{suffix}"
        number += 1


def _placed(target: Path, whole: Path, sidecar: Path | None = None) -> Path | None:
    """Gives the copies their names; None if a name is taken. A sidecar that lies there would be taken for ours."""
    beside = target.with_name(target.name + SIDECAR)
    if any(os.path.lexists(target.with_name(owner + SIDECAR)) for owner in _owners(target.name)):
        return None
    if os.path.lexists(target):  # looked at first: our sidecar must not appear beside somebody's quest
        return None
    with suppress(FileExistsError):
        if sidecar:
            rename_new(sidecar, beside)
        try:
            rename_new(whole, target)
        except FileExistsError:
            if sidecar:
                rename_new(beside, sidecar)
            raise
        return target
    return None
