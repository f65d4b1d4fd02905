"""A file that a page drops in parts, and goes on sending where it broke off, also when the tavern was killed meanwhile.

GET  /api/uploads?name=&size=&key=&priority=          {"bytes": how many are here}
POST /api/uploads?name=&size=&key=&priority=&from=    body: the bytes from there on -> 202 {"bytes"}, 201 {"file"}

`key` is the page's word for this version of this file (its time of change): who states the same four goes on with the
same bytes. They lie under a dot name in the inbox until the last one came; what an hour brings nothing
to is removed when the next file begins. What a power cut may have torn has another name than what is sent after it.
"""

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import bottle

from realm.arena.intake.sidecars import SUFFIX as SIDECAR
from realm.core.daemon import boot_id
from realm.core.files import fsync_directory, sweep_temporary
from realm.core.loopback import answer, number, refusal
from realm.core.paths import Home
from realm.tavern.inbox_places import asked_name, asked_priority, placed
from realm.tavern.uploads import check_encoding, receive
from realm.tavern.wishes import body_length, writing

KEY = re.compile(r"[A-Za-z0-9._-]{1,64}")
LARGEST = 10**15 - 1  # bytes


def add_routes(app: bottle.Bottle, home: Home) -> None:
    """The drop zone, part by part."""
    app.get("/api/uploads", callback=lambda: _look(home))
    app.post("/api/uploads", callback=lambda: _add(home))


def _look(home: Home) -> bottle.HTTPResponse:
    """Raises a refusal."""
    return answer({"bytes": _size_of(_hidden_place(home))})


def _add(home: Home) -> bottle.HTTPResponse:
    """Raises a refusal."""
    length, hidden = body_length(), _hidden_place(home)
    size, begin = number("size", None, 1, LARGEST), number("from", None, 0, LARGEST)
    check_encoding()
    if length == 0 or begin + length > size:
        raise refusal(400, f"{length:,} bytes from byte {begin:,} on are no part of a file of {size:,} bytes")
    if begin == 0:
        sweep_temporary(hidden.parent)
    with writing(), _opened(hidden) as file:
        if (here := os.fstat(file.fileno()).st_size) != begin:
            raise answer({"error": f"{here:,} bytes are here: go on from there", "bytes": here}, 409)
        receive(file, length, ahead=size - begin - length)
        here = file.tell()
        if here < size:
            return answer({"bytes": here}, 202)
        drop = placed(hidden, hidden.parent, asked_name())
        fsync_directory(hidden.parent)
    return answer({"file": str(drop.relative_to(home.root))}, 201)


def _hidden_place(home: Home) -> Path:
    """Nobody can name another writer's file: it is a digest of what was asked. Raises a refusal."""
    name, key = asked_name(), bottle.request.query.get("key", "")
    if name.endswith(SIDECAR):
        raise refusal(400, f"{name[:80]!r} is a sidecar: it is sent whole, to /api/quests")
    if not KEY.fullmatch(key):
        raise refusal(400, f"key is {key[:40]!r}: 1 to 64 letters, digits, dots, hyphens or underscores")
    said = "\n".join((boot_id(), name, key, str(number("size", None, 1, LARGEST))))
    return home.inbox / asked_priority() / f".{hashlib.sha256(said.encode()).hexdigest()[:16]}.tmp"


def _size_of(hidden: Path) -> int:
    try:
        return hidden.lstat().st_size
    except FileNotFoundError:
        return 0


@contextmanager
def _opened(hidden: Path) -> Iterator[BinaryIO]:
    """For appending, by one sender at a time. Raises a refusal with 409 for a second one."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(hidden, "ab", opener=lambda path, _: os.open(path, flags, 0o600)) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            here = _size_of(hidden)
            raise answer({"error": "another page sends this file just now", "bytes": here}, 409) from None
        yield file
