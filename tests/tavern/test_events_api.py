"""The chronicle over HTTP: the newest first time, then only what is new, across rotations."""

from typing import Any

import pytest

from realm.core.events import EventLog
from tests.tavern.conftest import Door


def events(door: Door, query: str = "") -> dict[str, Any]:
    said = door(f"/api/events{query}").json
    assert isinstance(said, dict)
    return said


def test_what_is_new_comes_once(door: Door) -> None:
    first = events(door)
    assert [event["kind"] for event in first["events"]] == ["daemon.started"]
    assert first["events"][0]["icon"] == "🌅"
    assert events(door, f"?after={first['cursor']}")["events"] == []
    EventLog(door.home.events, "tavern").emit("daemon.ended", "<b>bold</b>")
    second = events(door, f"?after={first['cursor']}")
    assert [event["text"] for event in second["events"]] == ["<b>bold</b>"]
    assert events(door, f"?after={second['cursor']}")["events"] == []


def test_rotation_loses_and_repeats_nothing(door: Door) -> None:
    log = EventLog(door.home.events, "trainer", rotate_bytes=2000)
    cursor, seen = events(door)["cursor"], []
    for number in range(60):
        log.emit("checkpoint.saved", f"{number}", step=number)
        if number % 7 == 0:
            said = events(door, f"?after={cursor}")
            cursor = said["cursor"]
            seen += [event["text"] for event in said["events"]]
    seen += [event["text"] for event in events(door, f"?after={cursor}")["events"]]
    assert seen == [str(number) for number in range(60)]


def test_since_a_time(door: Door) -> None:
    at = events(door)["events"][0]["at"]
    assert len(events(door, f"?since={at.replace('+', '%2B')}")["events"]) == 1
    assert events(door, "?since=2999-01-01T00:00:00Z")["events"] == []


@pytest.mark.parametrize(
    "query", ["?after=x", "?after=e30x", "?since=yesterday", "?limit=0", "?limit=x", "?limit=9999999"]
)
def test_what_cannot_be_meant_is_refused(door: Door, query: str) -> None:
    reply = door(f"/api/events{query}")
    assert reply.status == 400
    assert b"error" in reply.body
