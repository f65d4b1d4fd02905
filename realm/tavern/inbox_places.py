"""Names in the inbox: which a drop may have, and how a finished file gets one without replacing anything."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bottle
import msgspec

from realm.arena.intake.inbox import QUEST_SUFFIXES
from realm.arena.intake.sidecars import SUFFIX as SIDECAR
from realm.arena.intake.sidecars import names_for
from realm.core.files import fsync_directory, write_pieces
from realm.core.loopback import refusal
from realm.core.quests import PRIORITIES
from realm.core.rename import rename_new

LONGEST_NAME = 200  # bytes: with a number and a sidecar's suffix it is a file's name still
PLAIN = ".jsonl"
MODE = 0o664  # the daemons are of the inbox's group


def asked_name() -> str:
    """Of the query. Raises a refusal."""
    name = str(bottle.request.query.getunicode("name") or "")
    if not name:
        raise refusal(400, "name is missing: POST /api/quests?name=x.jsonl")
    check_name(name)
    return name


def check_name(name: str) -> None:
    """Raises a refusal."""
    if "/" in name or name.startswith(".") or not name.isprintable() or len(os.fsencode(name)) > LONGEST_NAME:
        raise refusal(400, f"name is {name[:80]!r}: at most {LONGEST_NAME} bytes, no slash, no dot in front")
    if not name.removesuffix(SIDECAR).endswith(QUEST_SUFFIXES):
        raise refusal(400, f"name is {name[:80]!r}: a quest's name ends in {', '.join(QUEST_SUFFIXES)}")


def asked_priority() -> str:
    """Of the query; normal if none is stated. Raises a refusal."""
    priority = bottle.request.query.get("priority", "normal")
    if priority not in PRIORITIES:
        raise refusal(400, f"priority is {priority[:40]!r}: choose {', '.join(PRIORITIES)}")
    return str(priority)


def placed(hidden: Path, folder: Path, name: str) -> Path:
    """Under the first name that is free, and that no sidecar waits for."""
    return next(file for file in free_places(folder, name) if _took(hidden, file))


def placed_as_named(hidden: Path, folder: Path, name: str) -> Path:
    """Raises a refusal with 409."""
    if not _took(hidden, folder / name):
        raise refusal(409, f"{name} lies in {folder.name} already: give your file and its sidecar another name")
    return folder / name


def placed_with_sidecar(hidden: Path, sidecar: dict[str, Any], folder: Path, name: str) -> Path:
    """The sidecar first, as the drop is taken as soon as it is there. An empty one is left out."""
    for file in free_places(folder, name):
        if os.path.lexists(file):
            continue
        if sidecar:
            write_pieces(file.with_name(file.name + SIDECAR), (msgspec.json.encode(sidecar),), mode=MODE)
        rename_new(hidden, file)
        fsync_directory(folder)
        return file
    raise AssertionError("there is always a higher number")


def free_places(folder: Path, name: str) -> Iterator[Path]:
    """x.jsonl, x-2.jsonl, x-3.jsonl, ...: those that have no sidecar yet."""
    stem, dot, suffix = name.rpartition(PLAIN)
    number = 1
    while True:
        file = folder / (name if number == 1 else f"{stem}-{number}{dot}{suffix}")
        if not has_sidecar(file):
            yield file
        number += 1


def has_sidecar(drop: Path) -> bool:
    return any(os.path.lexists(drop.with_name(one)) for one in names_for(drop.name))


def _took(hidden: Path, file: Path) -> bool:
    try:
        rename_new(hidden, file)
    except FileExistsError:
        return False
    return True
