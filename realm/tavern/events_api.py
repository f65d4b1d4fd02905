"""GET /api/events: what happened, of all daemons; with `after`, only what is new since that answer."""

import base64
import binascii
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import bottle
import msgspec
from msgspec import to_builtins

from realm.core.events import KINDS, Event, events_after, tail
from realm.core.jsonl import Position, end_of
from realm.core.loopback import answer, number, refusal
from realm.core.paths import DAEMONS, Home

MOST = 5000  # events of one answer

Cursor = dict[str, Position]  # a position in each daemon's file


def add_routes(app: bottle.Bottle, home: Home) -> None:
    """The chronicle."""
    app.get("/api/events", callback=lambda: _events(home))


def _events(home: Home) -> bottle.HTTPResponse:
    limit = number("limit", 200, 1, MOST)
    files = {daemon: path for daemon in DAEMONS if (path := home.events / f"{daemon}.jsonl").exists()}
    after = bottle.request.query.get("after")
    if after is not None:
        found, cursor = _after(files, _cursor_of(after))
    else:
        cursor = dict(_ends(files))  # first: what happens meanwhile comes again, and is known by its id
        found = [event for event in tail(files.values(), limit) if event.at >= _since()]
    return answer({"events": [_shown(event) for event in found[-limit:]], "cursor": _said(cursor)})


def _after(files: dict[str, Path], before: Cursor) -> tuple[list[Event], Cursor]:
    found: list[Event] = []
    cursor: Cursor = {}
    for daemon, path in files.items():
        new, cursor[daemon] = events_after(path, before.get(daemon))
        found += new
    return sorted(found, key=lambda event: event.at), cursor


def _ends(files: dict[str, Path]) -> Iterator[tuple[str, Position]]:
    for daemon, path in files.items():
        try:
            yield daemon, end_of(path)
        except FileNotFoundError:  # rotated just now: all of it comes again
            continue


def _since() -> datetime:
    stated = bottle.request.query.get("since", "0001-01-01T00:00:00Z")
    try:
        return msgspec.convert(stated, datetime)
    except msgspec.ValidationError:
        raise refusal(400, f"since is {stated[:40]!r}: state a time as 2026-01-31T12:00:00Z") from None


def _shown(event: Event) -> dict[str, Any]:
    kind = KINDS.get(event.kind)
    return {**to_builtins(event), "icon": kind.icon if kind else "·"}


# The cursor as the page carries it


def _said(cursor: Cursor) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(cursor)).decode()


def _cursor_of(stated: str) -> Cursor:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(stated.encode("ascii")), type=Cursor)
    except (binascii.Error, UnicodeError, msgspec.MsgspecError):
        raise refusal(400, f"after is {stated[:40]!r}: it is the cursor of an earlier answer, or left out") from None
