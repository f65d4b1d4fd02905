"""The pulse: small, without memory, and it misses nothing that a page shows."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from realm.core.control import Control
from realm.core.events import EventLog
from realm.core.instance import InstanceLock
from realm.core.paths import Home
from tests.arena.realm_home import put_quest
from tests.tavern.conftest import SERVED, Door

LINE = b'{"messages": [{"role": "user", "content": "1+1"}, {"role": "assistant", "content": "2"}]}\n'


def pulse(door: Door, known: str = "") -> dict[str, Any]:
    said = door(f"/api/pulse?known={known}").json
    assert isinstance(said, dict)
    return said


def test_it_tells_the_time_and_the_tags_of_files(door: Door) -> None:
    said = pulse(door)
    assert abs(datetime.fromisoformat(said["at"]) - datetime.now(UTC)) < timedelta(minutes=1)
    for name in set(SERVED) & set(said["files"]):
        assert door(f"/{name}").headers["etag"] == f'"{said["files"][name]}"'
    assert {"control", "queue", "inbox", "exams", "events/trainer.jsonl", "metrics/trainer.jsonl"} <= set(said["files"])


def test_it_is_small_when_nothing_changed(door: Door) -> None:
    names = ("trainer", "queue-watcher", "scheduler", "tavern", "watchtower")
    locks = [InstanceLock(name, door.home.locks) for name in names]
    for lock in locks:
        lock.acquire()
    known = pulse(door)["hash"]
    reply = door(f"/api/pulse?known={known}")
    assert len(reply.body) <= 200
    assert b"files" not in reply.body
    assert pulse(door, known)["alive"] == sorted(names)


def pause(home: Home) -> None:
    (home.control / ".pause").touch()


def order(home: Home) -> None:
    Control(home).place_order("queue-watcher", "move", {"quest": "x", "priority": "low"})


CHANGES: dict[str, tuple[str, Callable[[Home], object]]] = {
    "a flag": ("control", pause),
    "an order": ("control", order),
    "a drop": ("inbox", lambda home: (home.inbox / "high" / "x.jsonl").write_bytes(LINE)),
    "a quest": ("queue", lambda home: put_quest(home, LINE)),
    "a setting": ("config.json", lambda home: home.config_file.write_bytes(b"{}")),
    "an event": ("events/tavern.jsonl", lambda home: EventLog(home.events, "tavern").emit("daemon.started", "x")),
    "an exam": ("exams", lambda home: (home.exams / "bin" / "checkpoint-9-20261123-0031-l1-v1").mkdir()),
    "a row": ("metrics/trainer.jsonl", lambda home: (home.metrics / "trainer.jsonl").write_bytes(b"")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_it_tells_of(door: Door, change: str) -> None:
    name, act = CHANGES[change]
    before = pulse(door)
    assert "files" not in pulse(door, before["hash"])
    act(door.home)
    after = pulse(door, before["hash"])
    changed = {key for key in after["files"] if after["files"][key] != before["files"].get(key)}
    assert changed == {name}


def test_half_written_files_are_nobodys_business(door: Door) -> None:
    before = pulse(door)["hash"]
    Path(door.home.status, ".x.json.tmp").write_bytes(b"")
    assert "files" not in pulse(door, before)
