"""GET /api/pulse?known=<hash>: what changed, in one small answer. Nothing is kept between two of them."""

import hashlib
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import bottle
import msgspec

from realm.core.loopback import answer
from realm.core.paths import DAEMONS, Home
from realm.core.status import is_locked
from realm.tavern.served_files import etag_of

FILES = ("status/*.json", "events/*.jsonl", "history/*.jsonl", "metrics/trainer.jsonl", "metrics/pyramid/index.json")


def add_routes(app: bottle.Bottle, home: Home) -> None:
    """The pulse."""
    app.get("/api/pulse", callback=lambda: _pulse(home))


def _pulse(home: Home) -> bottle.HTTPResponse:
    files = {**dict(_files(home)), **{folder: _hash(list(look(home))) for folder, look in LOOKS.items()}}
    alive = [daemon for daemon in sorted(DAEMONS) if is_locked(home.locks / f"{daemon}.lock")]
    known = _hash([files, alive])
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    said = {"at": at, "hash": known, "alive": alive}
    return answer(said if bottle.request.query.get("known") == known else {**said, "files": files})


def _files(home: Home) -> Iterator[tuple[str, str]]:
    """(name below the home, ETag without its quotes)"""
    for path in [*(path for pattern in FILES for path in home.root.glob(pattern)), home.config_file, home.champion]:
        if path.name.count(".") > 1:  # hidden, or rotated
            continue
        try:
            yield path.relative_to(home.root).as_posix(), etag_of(path.stat())
        except FileNotFoundError:  # replaced just now
            continue


# What tells that a folder changed: (name, number) pairs


def _folders(folder: Path) -> Iterator[tuple[str, int]]:
    yield folder.name, folder.stat().st_mtime_ns
    for inside in sorted(folder.iterdir()):
        yield inside.name, inside.stat().st_mtime_ns


def _below(folder: Path) -> Iterator[tuple[str, int]]:
    """Every file there, by the time of its last change."""
    for inside, folders, files in os.walk(folder):  # which forgives what vanishes meanwhile
        folders.sort()
        for name in sorted(files):
            path = Path(inside, name)
            try:
                yield path.relative_to(folder).as_posix(), path.lstat().st_ctime_ns
            except FileNotFoundError:
                continue


LOOKS: dict[str, Callable[[Home], Iterator[tuple[str, int]]]] = {
    "control": lambda home: _below(home.control),
    "queue": lambda home: _folders(home.queue),
    "inbox": lambda home: _below(home.inbox),
    "exams": lambda home: _folders(home.exams),
}


def _hash(content: object) -> str:
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()[:16]
