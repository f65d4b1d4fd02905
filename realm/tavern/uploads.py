"""A file that a page drops: streamed to a dot name in the inbox, made durable, then named. Any size, constant memory.

POST /api/quests?name=x.jsonl&priority=normal    body: the file -> 201 {"file": "inbox/normal/x.jsonl"}

A name that is taken gets -2, -3, ... A sidecar is posted first, as x.jsonl.meta.json; then x.jsonl with &meta, which
must get its very name. What breaks off leaves nothing; what a kill leaves, `Home.sweep` removes an hour later.
A file that shall go on where it broke off is sent in parts: realm/tavern/upload_parts.py.
"""

import os
from pathlib import Path
from typing import BinaryIO

import bottle

from realm.arena.intake.copying import Shortage, require_space
from realm.arena.intake.sidecars import LONGEST as LONGEST_SIDECAR
from realm.arena.intake.sidecars import SUFFIX as SIDECAR
from realm.core.files import fsync_directory, temporary_in
from realm.core.loopback import answer, header, refusal
from realm.core.paths import Home
from realm.tavern.inbox_places import MODE, asked_name, asked_priority, has_sidecar, placed, placed_as_named
from realm.tavern.wishes import body_length, writing

BLOCK = 2**18  # bytes


def add_routes(app: bottle.Bottle, home: Home) -> None:
    """The drop zone."""
    app.post("/api/quests", callback=lambda: _upload(home))


def _upload(home: Home) -> bottle.HTTPResponse:
    """Raises a refusal."""
    length = body_length()
    name, folder, has_pair = asked_name(), home.inbox / asked_priority(), "meta" in bottle.request.query
    check_encoding()
    _check_length(name, length)
    if name.endswith(SIDECAR) or has_pair:
        _check_pair(folder, name)
    hidden = temporary_in(folder)
    try:
        with writing():
            with hidden.open("xb") as file:
                received = receive(file, length, ahead=0)
            if received < length:
                raise refusal(400, f"the file broke off after {received:,} of {length:,} bytes: send it again")
            place = placed_as_named if name.endswith(SIDECAR) or has_pair else placed
            drop = place(hidden, folder, name)
            fsync_directory(folder)
    finally:
        hidden.unlink(missing_ok=True)
    return answer({"file": str(drop.relative_to(home.root))}, 201)


def check_encoding() -> None:
    """Raises a refusal unless the body is the file's own bytes."""
    if bottle.request.content_type.lower().startswith("multipart/"):
        raise refusal(415, "Content-Type is a multipart form: send the file itself as the body")
    if encoding := header("Content-Encoding"):
        raise refusal(415, f"Content-Encoding is {encoding[:40]!r}: send the file's bytes as they are")


def receive(file: BinaryIO, length: int, *, ahead: int) -> int:
    """Appends the body, durably, and returns how many of its `length` bytes came: fewer if the sender is gone.

    `ahead`: bytes that will follow this body. Raises a refusal while the disk is too full; OSError.
    """
    stream = bottle.request.environ["wsgi.input"]
    received = 0
    try:
        require_space(Path(file.name).parent, ahead=length + ahead)
        while piece := stream.read(BLOCK):
            file.write(piece)
            received += len(piece)
            require_space(Path(file.name).parent, ahead=length + ahead - received)
    except Shortage as shortage:
        raise refusal(507, str(shortage)) from None
    except TimeoutError:
        pass  # nothing comes any more
    finally:
        file.flush()
        os.fchmod(file.fileno(), MODE)
        os.fsync(file.fileno())
    return received


def _check_length(name: str, length: int) -> None:
    if length == 0:
        raise refusal(400, f"{name} is empty: there is nothing to learn from it")
    if name.endswith(SIDECAR) and length > LONGEST_SIDECAR:
        raise refusal(413, f"{name} has {length:,} bytes: a sidecar has at most {LONGEST_SIDECAR:,}")


def _check_pair(folder: Path, name: str) -> None:
    """A sidecar must not come to lie beside somebody else's drop, nor a drop beside somebody else's sidecar."""
    drop = name.removesuffix(SIDECAR)
    if os.path.lexists(folder / drop):
        raise refusal(409, f"{drop} lies in {folder.name} already: give your file and its sidecar another name")
    if name == drop and not has_sidecar(folder / name):
        raise refusal(409, f"{name} has no sidecar in {folder.name}: post {name}{SIDECAR} first, or leave out &meta")
