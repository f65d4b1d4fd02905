import math
import os
from datetime import UTC
from pathlib import Path

import orjson
import pytest

from realm.core.events import KEEP_ROTATED, KINDS, EventLog, UnknownKind, events_after, tail
from realm.core.jsonl import rotated


def texts(folder: Path, daemon: str = "trainer") -> list[str]:
    return [event.text for event in tail([folder / f"{daemon}.jsonl"], 1000)]


def test_an_event_says_what_happened_to_what_and_when(tmp_path: Path) -> None:
    assert EventLog(tmp_path, "trainer").emit("quest.claimed", "⚔️ bin-2", claim=3, step=90, data={"lines": 5})
    line = orjson.loads((tmp_path / "trainer.jsonl").read_bytes())
    assert list(line) == ["id", "at", "daemon", "kind", "text", "claim", "step", "data"]
    assert line["at"].endswith("Z")
    (event,) = tail([tmp_path / "trainer.jsonl"], 5)
    assert (event.daemon, event.kind, event.text) == ("trainer", "quest.claimed", "⚔️ bin-2")
    assert (event.claim, event.step, event.data) == (3, 90, {"lines": 5})
    assert event.at.tzinfo == UTC


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownKind, match=r"'quest\.eaten'.*KINDS.*events\.py"):
        EventLog(tmp_path, "trainer").emit("quest.eaten", "yum")
    assert list(tmp_path.iterdir()) == []


def test_every_kind_has_an_icon_of_its_own_and_a_meaning() -> None:
    assert len({kind.icon for kind in KINDS.values()}) == len(KINDS)
    assert all(kind.icon and kind.meaning for kind in KINDS.values())


def replay(log: EventLog) -> list[bool]:
    return [
        log.emit("quest.claimed", "claimed", claim=3, step=90),
        log.emit("hero.level", "level 1", step=1000),
        log.emit("step.dropped", "pack 1", claim=3, step=95, key="1"),
        log.emit("step.dropped", "pack 2", claim=3, step=95, key="2"),
        log.emit("quest.refused", "refused", key="x.jsonl"),
    ]


def test_a_replay_after_a_crash_repeats_no_event(tmp_path: Path) -> None:
    assert replay(EventLog(tmp_path, "trainer")) == [True] * 5
    log = EventLog(tmp_path, "trainer")
    assert replay(log) == [False] * 5
    assert log.emit("hero.level", "level 2", step=2000)
    assert texts(tmp_path) == ["claimed", "level 1", "pack 1", "pack 2", "refused", "level 2"]


def test_a_replay_right_after_a_rotation_repeats_no_event(tmp_path: Path) -> None:
    log = EventLog(tmp_path, "trainer", rotate_bytes=400)
    replay(log)
    assert rotated(tmp_path / "trainer.jsonl")
    assert replay(log) == [False] * 5
    assert replay(EventLog(tmp_path, "trainer", rotate_bytes=400)) == [False] * 5


def test_another_campaign_or_daemon_has_events_of_its_own(tmp_path: Path) -> None:
    assert EventLog(tmp_path, "trainer", campaign="first").emit("hero.level", "1", step=1000)
    assert EventLog(tmp_path, "trainer", campaign="second").emit("hero.level", "1 again", step=1000)
    assert EventLog(tmp_path, "guardian").emit("hero.level", "1", step=1000)
    ids = {event.id for event in tail([tmp_path / "trainer.jsonl", tmp_path / "guardian.jsonl"], 9)}
    assert len(ids) == 3


def test_events_about_nothing_that_could_be_replayed_are_all_recorded(tmp_path: Path) -> None:
    log = EventLog(tmp_path, "trainer")
    assert [log.emit("config.changed", str(n)) for n in range(3)] == [True] * 3
    assert texts(tmp_path) == ["0", "1", "2"]


def test_files_are_rotated_from_birth_and_only_the_newest_kept(tmp_path: Path) -> None:
    log = EventLog(tmp_path, "trainer", rotate_bytes=1000)
    for step in range(100):
        log.emit("hero.level", f"level {step}", step=step)
    assert len(rotated(tmp_path / "trainer.jsonl")) == KEEP_ROTATED
    assert all(file.stat().st_size < 1300 for file in tmp_path.iterdir())
    kept = texts(tmp_path)
    assert kept == [f"level {step}" for step in range(100 - len(kept), 100)]


def test_a_torn_last_line_is_ignored_then_cut_off(tmp_path: Path) -> None:
    file = tmp_path / "trainer.jsonl"
    EventLog(tmp_path, "trainer").emit("hero.level", "one", step=1)
    with file.open("ab") as writer:
        writer.write(file.read_bytes()[:40])
    assert texts(tmp_path) == ["one"]
    assert EventLog(tmp_path, "trainer").emit("hero.level", "two", step=2)
    assert texts(tmp_path) == ["one", "two"]
    assert file.read_bytes().count(b"\n") == 2


def test_garbage_left_by_a_power_cut_hides_no_event(tmp_path: Path) -> None:
    file = tmp_path / "trainer.jsonl"
    EventLog(tmp_path, "trainer").emit("hero.level", "one", step=1)
    with file.open("ab") as writer:
        writer.write(b"\0" * 99 + b"\n" + b"\xff\n[]\n")
    EventLog(tmp_path, "trainer").emit("hero.level", "two", step=2)
    assert texts(tmp_path) == ["one", "two"]


def test_an_event_that_cannot_be_written_is_counted_and_may_come_again(tmp_path: Path) -> None:
    log = EventLog(tmp_path, "trainer")
    (tmp_path / "trainer.jsonl").symlink_to("/dev/full")  # every write: no space left on device
    assert not log.emit("hero.level", "one", step=1)
    assert log.failed_writes == 1
    (tmp_path / "trainer.jsonl").unlink()
    assert log.emit("hero.level", "one", step=1)
    assert texts(tmp_path) == ["one"]


def test_what_json_cannot_hold_is_null_with_a_reason_or_escaped(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jsonl")
    EventLog(tmp_path, "trainer").emit("step.dropped", name, claim=name, key=name, data={"loss": math.nan})
    (event,) = tail([tmp_path / "trainer.jsonl"], 1)
    assert event.text == "caf\\udce9.jsonl"
    assert event.data == {"loss": None, "problems": ["data.loss is nan"]}


def test_the_tail_merges_daemons_by_time(tmp_path: Path) -> None:
    trainer, watcher = EventLog(tmp_path, "trainer"), EventLog(tmp_path, "queue-watcher")
    for step in range(6):
        (trainer if step % 2 else watcher).emit("hero.level", str(step), step=step)
    paths = [tmp_path / "trainer.jsonl", tmp_path / "queue-watcher.jsonl", tmp_path / "absent.jsonl"]
    assert [event.text for event in tail(paths, 4)] == ["2", "3", "4", "5"]
    assert tail(paths, 0) == []


def test_a_follower_gets_events_as_they_come(tmp_path: Path) -> None:
    log, file = EventLog(tmp_path, "trainer", rotate_bytes=300), tmp_path / "trainer.jsonl"
    events, position = events_after(file)
    assert events == []
    for step in range(10):
        log.emit("hero.level", str(step), step=step)
        events, position = events_after(file, position)
        assert [event.text for event in events] == [str(step)]
