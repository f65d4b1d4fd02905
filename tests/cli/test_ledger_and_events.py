"""`realm ledger` and `realm events`, on real records and real event files."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from realm.cli.events import news
from realm.core.checkpoint_ledger import CheckpointRecord, canonical_name, record_checkpoint
from realm.core.events import KINDS, EventLog, tail
from realm.core.files import publish_folder
from realm.core.jsonl import end_of
from realm.core.paths import Home
from tests.cli.console import interrupt, realm, started

NOON = datetime(2025, 11, 27, 12, 0, 30, tzinfo=UTC)
MEASURED: dict[str, Any] = {
    "train_loss": 0.5,
    "val_loss": 0.6,
    "learning_rate": 4e-4,
    "epoch": 1.0,
    "accuracy": None,
    "training_files": ["20251127T120000.000001Z-bin-0a1b2c3d"],
    "skill_name": "bin",
    "skill_level": 1,
    "total_examples": 640,
    "total_tokens": 51_200,
    "hero": "squire",
    "config_hash": "c0ffee",
    "fingerprint": {"torch": "2.13.0", "threads": 2, "exact": True},
}


def save(home: Home, step: int, **changes: Any) -> CheckpointRecord:
    """Writes a small checkpoint as the trainer does: staged, recorded, published."""
    final = home.current_model / canonical_name(step, NOON)
    staging = final.with_name(f".{final.name}.tmp")
    staging.mkdir()
    (staging / "model.safetensors").write_bytes(b"weights of %d" % step)
    record = record_checkpoint(staging, step=step, saved_at=NOON, **(MEASURED | changes))
    publish_folder(staging, final)
    return record


def parsed(home: Home, *words: object) -> Any:
    return orjson.loads(realm(home, *words, "--json").stdout)


def on_disk(home: Home, record: CheckpointRecord) -> Any:
    return orjson.loads((home.current_model / record.canonical_name / ".ledger.json").read_bytes())


# The ledger


def test_checkpoints_are_listed_newest_first_and_equal_their_files(home: Home) -> None:
    records = [save(home, step) for step in (1000, 3000, 2000)]
    listed = parsed(home, "ledger", "ls")
    assert listed == {"checkpoints": [on_disk(home, records[n]) for n in (1, 2, 0)], "unreadable": {}}
    lines = realm(home, "ledger", "ls").stdout.splitlines()
    assert [line.split()[0].split("-")[1] for line in lines[1:]] == ["3000", "2000", "1000"]


def test_the_best_by_each_metric_bear_a_star(home: Home) -> None:
    save(home, 1000, train_loss=0.3, val_loss=0.7)
    save(home, 2000, train_loss=0.4, val_loss=0.5, accuracy=0.925)
    newest, oldest = realm(home, "ledger", "ls").stdout.splitlines()[1:]
    assert newest.split()[1:7] == ["0.4000", "★", "0.5000", "★", "92.5", "%"]
    assert oldest.split()[1:5] == ["★", "0.3000", "0.7000", "–"]


def test_a_list_can_be_shortened_and_be_of_one_skill(home: Home) -> None:
    for step in (1000, 2000, 3000):
        save(home, step, skill_name="sy" if step == 2000 else "bin")
    shown = realm(home, "ledger", "ls", "--limit", 1).stdout.splitlines()
    assert (len(shown), shown[-1]) == (3, "and 2 older ones: --limit 3 shows them")
    assert [one["step"] for one in parsed(home, "ledger", "ls", "--limit", 2)["checkpoints"]] == [3000, 2000]
    assert [one["step"] for one in parsed(home, "ledger", "ls", "--skill", "sy")["checkpoints"]] == [2000]
    assert "no checkpoint of skill xy" in realm(home, "ledger", "ls", "--skill", "xy").stdout


def test_what_cannot_be_read_is_named(home: Home) -> None:
    save(home, 1000)
    (home.current_model / "checkpoint-7").mkdir()
    assert "checkpoint-7 has no .ledger.json" in parsed(home, "ledger", "ls")["unreadable"]["checkpoint-7"]
    assert "unreadable: " in realm(home, "ledger", "ls").stdout


def test_a_checkpoint_is_shown_by_step_and_by_name(home: Home) -> None:
    record = save(home, 190_000)
    for wanted in ("190000", record.canonical_name):
        assert parsed(home, "ledger", "show", wanted) == on_disk(home, record)
    shown = realm(home, "ledger", "show", 190_000).stdout
    for words in (record.canonical_name, "190,000", "0.5000", "4.00e-04", *record.manifest.values()):
        assert words in shown


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ("8", "no checkpoint of step 8"),
        ("checkpoint-1000-20200101-0000", "of step 1000: `realm ledger show 1000`"),
        ("checkpoint-1000/../checkpoint-1000-20251127-1200", "neither a step nor a checkpoint's name"),
        ("../../etc", "neither a step nor a checkpoint's name"),
        ("-5", "No such option"),
        ("", "neither a step nor a checkpoint's name"),
    ],
)
def test_what_is_no_checkpoint_is_refused(home: Home, wanted: str, sentence: str) -> None:
    save(home, 1000)
    assert sentence in realm(home, "ledger", "show", wanted, ends_with=2 if wanted == "-5" else 1).stderr


def test_the_best_is_found_by_metric(home: Home) -> None:
    assert parsed(home, "ledger", "best") is None
    assert realm(home, "ledger", "best").stdout == "no checkpoint has train_loss yet\n"
    low, high = save(home, 1000, train_loss=0.1, val_loss=0.9), save(home, 2000, train_loss=0.2, val_loss=0.8)
    assert parsed(home, "ledger", "best") == on_disk(home, low)
    assert parsed(home, "ledger", "best", "--metric", "val_loss") == on_disk(home, high)
    assert "is not one of 'train_loss'" in realm(home, "ledger", "best", "--metric", "luck", ends_with=2).stderr


# Events


def emit(home: Home, daemon: str, kind: str, text: str) -> None:
    assert EventLog(home.events, daemon).emit(kind, text)


def lines_of(file: Path) -> list[Any]:
    return [orjson.loads(line) for line in file.read_bytes().splitlines()]


def test_events_of_all_daemons_are_told_in_the_order_of_time(home: Home) -> None:
    assert realm(home, "events").stdout == "nothing has happened here yet\n"
    emit(home, "trainer", "quest.claimed", "first")
    emit(home, "queue-watcher", "quest.admitted", "second")
    emit(home, "trainer", "hero.level", "third")
    lines = realm(home, "events").stdout.splitlines()
    assert [line.split()[-1] for line in lines] == ["first", "second", "third"]
    assert all("0 s ago  " in line for line in lines)
    for line, kind in zip(lines, ("quest.claimed", "quest.admitted", "hero.level"), strict=True):
        assert f"  {KINDS[kind].icon}" in line
    assert len(realm(home, "events", "-n", 2).stdout.splitlines()) == 2


def test_times_can_be_absolute(home: Home) -> None:
    emit(home, "trainer", "seal.written", "sealed")
    [event] = lines_of(home.events / "trainer.jsonl")
    assert realm(home, "events", "--utc").stdout.startswith(f"{event['at'][:19]}Z  ")


def test_json_lines_equal_those_in_the_files_across_rotations(home: Home) -> None:
    log = EventLog(home.events, "trainer", rotate_bytes=400)
    for number in range(9):
        log.emit("seal.written", f"sealed at step {number}", step=number, data={"n": number})
    assert len(list(home.events.iterdir())) > 1
    shown = [orjson.loads(line) for line in realm(home, "events", "--json", "-n", 8).stdout.splitlines()]
    files = sorted(home.events.glob("trainer.0*")) + [home.events / "trainer.jsonl"]
    assert shown == [event for file in files for event in lines_of(file)][-8:]


def test_an_event_of_a_later_version_is_still_told(home: Home) -> None:
    emit(home, "trainer", "seal.written", "sealed")
    line = (home.events / "trainer.jsonl").read_bytes()
    (home.events / "trainer.jsonl").write_bytes(line.replace(b"seal.written", b"moon.landed\\u001b"))
    assert "·  moon.landed\\x1b" in realm(home, "events").stdout


def test_what_was_read_beyond_the_position_is_not_told_twice(home: Home) -> None:
    emit(home, "trainer", "quest.claimed", "old")
    positions = {home.events / "trainer.jsonl": end_of(home.events / "trainer.jsonl")}
    emit(home, "trainer", "seal.written", "read already")
    told = {event.id for event in tail(positions, 1)}
    emit(home, "trainer", "checkpoint.saved", "new")
    emit(home, "oracle", "oracle.loaded", "of another")
    assert [event.text for event in news(home.events, positions, told)] == ["new", "of another"]
    assert news(home.events, positions, told) == []


def test_follow_tells_each_new_event_once_until_it_is_interrupted(home: Home) -> None:
    emit(home, "trainer", "quest.claimed", "an old one")
    emit(home, "trainer", "seal.written", "the newest old one")
    with started(home, "events", "--follow", "--json", "-n", 1) as process:
        assert process.stdout

        def next_text() -> str:
            event = msgspec.json.decode(process.stdout.readline())  # type: ignore[union-attr]
            return str(event["text"])

        assert next_text() == "the newest old one"
        emit(home, "trainer", "checkpoint.saved", "a new one")
        assert next_text() == "a new one"
        emit(home, "queue-watcher", "daemon.started", "from a daemon that had not spoken")
        assert next_text() == "from a daemon that had not spoken"
        assert interrupt(process) == 0
        assert process.stdout.read() == ""
        assert process.stderr
        assert process.stderr.read() == ""
