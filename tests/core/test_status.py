import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

import realm
from realm.core.status import (
    PHASE_LIMITS,
    STATES,
    BattleStatus,
    QueueWatcherStatus,
    Status,
    StatusError,
    StepSeconds,
    TrainingStatus,
    Writer,
    finite,
    freshness,
    is_locked,
    json_schema,
    read_status,
    write_status,
)

CHECKOUT = Path(realm.__file__).parents[1]
NOON = datetime(2025, 11, 22, 12, 0, 0, tzinfo=UTC)


def header(**changes: Any) -> dict[str, Any]:
    writer = Writer(daemon="trainer", pid=1, boot_id="b", started_at=NOON, version="0.1.0", config_hash="c")
    fields = {
        "writer": writer,
        "heartbeat_at": NOON,
        "interval_s": 5.0,
        "seq": 7,
        "ticked_at": NOON,
        "phase": "step",
        "phase_limit_s": 120.0,
        "state": "working",
    }
    return {**fields, **changes}


def written(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = orjson.loads((folder / "training_status.json").read_bytes())
    return content


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# write and read


@pytest.mark.parametrize("schema", [TrainingStatus, BattleStatus, QueueWatcherStatus])
def test_what_was_written_is_read(
    tmp_path: Path, schema: type[TrainingStatus] | type[BattleStatus] | type[QueueWatcherStatus]
) -> None:
    document = schema(**header(problems=["the disk is slow"]))
    assert write_status(tmp_path, document) is None
    assert read_status(tmp_path / schema.FILE, schema) == document
    assert names(tmp_path) == [schema.FILE]


def test_the_header_stands_beside_the_fields_and_times_are_utc(tmp_path: Path) -> None:
    write_status(tmp_path, TrainingStatus(**header(), step=3))
    content = written(tmp_path)
    assert content["schema"] == "training_status@1"
    assert content["writer"]["daemon"] == "trainer"
    assert content["heartbeat_at"] == "2025-11-22T12:00:00Z"
    assert (content["seq"], content["state"], content["phase"], content["step"]) == (7, "working", "step", 3)
    assert content["loss"] is None


def test_there_is_no_document_where_there_is_no_file(tmp_path: Path) -> None:
    assert read_status(tmp_path / "training_status.json", TrainingStatus) is None


def test_a_reader_ignores_newer_fields_and_does_without_older_ones(tmp_path: Path) -> None:
    write_status(tmp_path, TrainingStatus(**header(), step=3, loss=0.5))
    content = written(tmp_path)
    content["invented_later"] = 1
    content["state"] = "dreaming"
    del content["loss"], content["problems"], content["failed_writes"]
    (tmp_path / "training_status.json").write_bytes(orjson.dumps(content))
    document = read_status(tmp_path / "training_status.json", TrainingStatus)
    assert document
    assert (document.step, document.loss, document.problems, document.state) == (3, None, [], "dreaming")


def test_any_document_can_be_read_for_its_header_alone(tmp_path: Path) -> None:
    write_status(tmp_path, QueueWatcherStatus(**header(), inbox_files=2))
    document = read_status(tmp_path / "queue-watcher.json", Status)
    assert document
    assert document.seq == 7


@pytest.mark.parametrize("content", [b"", b"\0" * 512, b'{"schema": "training_status@1"', b"\xff\xfe", b"[]"])
def test_a_damaged_document_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "training_status.json"
    file.write_bytes(content)
    with pytest.raises(StatusError, match=r"training_status\.json is not a training_status@1"):
        read_status(file, TrainingStatus)


def test_another_schema_is_refused(tmp_path: Path) -> None:
    write_status(tmp_path, QueueWatcherStatus(**header()))
    with pytest.raises(StatusError, match="queue_watcher_status@1"):
        read_status(tmp_path / "queue-watcher.json", TrainingStatus)


# what never reaches the file


def test_a_number_that_is_none_becomes_null_with_its_reason(tmp_path: Path) -> None:
    seconds = StepSeconds(data=0.1, optimizer=math.inf)
    document = TrainingStatus(**header(problems=["first"]), loss=math.nan, step_seconds=seconds)
    assert write_status(tmp_path, document) is None
    content = written(tmp_path)
    assert (content["loss"], content["step_seconds"]["optimizer"], content["step_seconds"]["data"]) == (None, None, 0.1)
    assert content["problems"] == ["first", "loss is nan", "step_seconds.optimizer is inf"]


def test_finite_lets_numbers_through_and_nothing_else() -> None:
    assert [finite(x) for x in (1.5, 0, None, math.nan, -math.inf)] == [1.5, 0, None, None, None]


def test_a_file_name_that_is_not_utf_8_does_not_silence_the_status(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jsonl")
    assert write_status(tmp_path, TrainingStatus(**header(), quest=name)) is None
    assert written(tmp_path)["quest"] == "caf\\udce9.jsonl"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        (header(state="dreaming"), "state 'dreaming'"),
        (header(phase="lunch"), "phase 'lunch'"),
        (header(seq=-1), r"\$\.seq"),
        (header(heartbeat_at=NOON.replace(tzinfo=None)), "timezone"),
        ({**header(), "quest_progress": 1.5}, "quest_progress"),
        ({**header(), "step": "many"}, r"\$\.step"),
        ({**header(), "loss": object()}, "object"),
    ],
)
def test_a_bad_field_is_named_counted_and_not_written(tmp_path: Path, fields: dict[str, Any], named: str) -> None:
    write_status(tmp_path, TrainingStatus(**header(), step=1))
    failure = write_status(tmp_path, TrainingStatus(**fields))
    assert failure
    assert re.search(named, failure)
    assert (written(tmp_path)["seq"], written(tmp_path)["step"]) == (7, 1)
    write_status(tmp_path, TrainingStatus(**header()))
    assert written(tmp_path)["failed_writes"] == 1


def test_an_unknown_battle_state_is_refused(tmp_path: Path) -> None:
    failure = write_status(tmp_path, BattleStatus(**header(), battle_state="dancing"))
    assert failure
    assert "battle_state 'dancing'" in failure


# trouble


def test_a_missing_folder_is_reported_not_raised(tmp_path: Path) -> None:
    failure = write_status(tmp_path / "gone", TrainingStatus(**header()))
    assert failure
    assert "gone" in failure


FULL_DISK = """
import resource, sys
from pathlib import Path
from tests.core.test_status import TrainingStatus, header, write_status
folder = Path(sys.argv[1])
assert write_status(folder, TrainingStatus(**header(), step=1)) is None
resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
assert "File too large" in write_status(folder, TrainingStatus(**header(), step=2))
assert "File too large" in write_status(folder, TrainingStatus(**header(), step=3))
print(folder.joinpath("training_status.json").read_text())
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert write_status(folder, TrainingStatus(**header(), step=4)) is None
"""


def test_a_write_that_fails_keeps_the_last_document_and_is_counted_in_the_next(tmp_path: Path) -> None:
    child = subprocess.run([sys.executable, "-c", FULL_DISK, tmp_path], cwd=CHECKOUT, check=True, capture_output=True)
    assert orjson.loads(child.stdout)["step"] == 1
    assert (written(tmp_path)["step"], written(tmp_path)["failed_writes"]) == (4, 2)


def test_what_a_killed_process_left_does_not_block_the_next(tmp_path: Path) -> None:
    (tmp_path / ".training_status.json.tmp").symlink_to("/nowhere/at/all")
    assert write_status(tmp_path, TrainingStatus(**header())) is None
    assert names(tmp_path) == ["training_status.json"]


def test_a_status_that_is_a_link_is_written_where_it_points(tmp_path: Path) -> None:
    status, run = tmp_path / "status", tmp_path / "run"
    status.mkdir()
    run.mkdir()
    link = status / "training_status.json"
    link.symlink_to(run / "training_status.json")
    assert write_status(status, TrainingStatus(**header(), step=5)) is None
    assert link.is_symlink()
    assert written(run)["step"] == 5
    assert names(status) == ["training_status.json"]


WRITE_FOR_EVER = """
import itertools, sys
from pathlib import Path
from tests.core.test_status import TrainingStatus, header, write_status
for seq in itertools.count():
    write_status(Path(sys.argv[1]), TrainingStatus(**header(seq=seq, problems=[f"number {seq}"] * 60)))
"""


@pytest.fixture
def busy_writer(tmp_path: Path) -> Iterator[Path]:
    writer = subprocess.Popen([sys.executable, "-c", WRITE_FOR_EVER, tmp_path], cwd=CHECKOUT)
    while not (tmp_path / "training_status.json").exists():
        assert writer.poll() is None
    yield tmp_path / "training_status.json"
    writer.kill()
    writer.wait()


def test_no_reader_ever_sees_a_torn_or_older_document(busy_writer: Path) -> None:
    reads, seen, last = 0, 0, -1
    while reads < 20_000 or seen < 50:
        document = read_status(busy_writer, TrainingStatus)
        assert document
        assert set(document.problems) == {f"number {document.seq}"}
        assert len(document.problems) == 60
        assert document.seq >= last
        reads, seen, last = reads + 1, seen + (document.seq > last), document.seq


# freshness


@pytest.mark.parametrize(
    ("heartbeat_age", "tick_age", "locked", "alive", "progressing"),
    [
        (1, 2, True, True, True),
        (15, 16, True, True, True),
        (16, 17, True, True, False),  # the heartbeat stopped
        (1, 122, True, True, False),  # the work loop hangs, the heartbeat does not
        (1, 121, True, True, True),
        (1, 2, False, False, False),  # the process is dead, whatever its last word was
        (-3600, -3600, True, True, False),  # the clock was set back
    ],
)
def test_freshness_is_judged_by_the_reader(
    heartbeat_age: int, tick_age: int, locked: bool, alive: bool, progressing: bool
) -> None:
    document = Status(
        **header(heartbeat_at=NOON - timedelta(seconds=heartbeat_age), ticked_at=NOON - timedelta(seconds=tick_age))
    )
    found = freshness(document, NOON, locked)
    assert (found.alive, found.progressing, found.age_s) == (alive, progressing, heartbeat_age)


def test_a_lock_file_that_is_not_there_or_not_held_is_not_locked(tmp_path: Path) -> None:
    assert not is_locked(tmp_path / "trainer.lock")
    (tmp_path / "trainer.lock").touch()
    assert not is_locked(tmp_path / "trainer.lock")


# for the docs


def test_the_schema_names_states_phases_and_every_field() -> None:
    schema = json_schema(TrainingStatus)["$defs"]["TrainingStatus"]
    assert set(schema["properties"]) == {"schema", *TrainingStatus.__struct_fields__}
    assert schema["properties"]["state"]["enum"] == list(STATES)
    assert schema["properties"]["phase"]["enum"] == list(PHASE_LIMITS)
    assert msgspec.json.encode(schema)


def test_reading_a_status_imports_little() -> None:
    code = (
        "import sys, realm.core.status, realm.core.events, realm.core.history, realm.core.metrics; print(*sys.modules)"
    )
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"click", "filelock", "sdnotify", "torch", "transformers", "logging", "subprocess"} & set(modules)
    assert "realm.core.status" in modules
