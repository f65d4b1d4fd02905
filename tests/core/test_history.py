import os
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

import realm
from realm.core.history import DamagedHistory, EndedQuest, History, read_history

CHECKOUT = Path(realm.__file__).parents[1]
STRACE = shutil.which("strace")
NOON = datetime(2025, 11, 22, 12, 0, 0, tzinfo=UTC)


def ended(claim: int | None = 1, quest: str = "q1", **fields: Any) -> EndedQuest:
    return EndedQuest(**{"claim": claim, "quest": quest, "outcome": "completed", "ended_at": NOON, **fields})


def claims(folder: Path) -> list[int | None]:
    return [quest.claim for quest in read_history(folder / "trainer.jsonl")]


def test_an_ended_quest_is_read_as_it_was_written(tmp_path: Path) -> None:
    quest = ended(outcome="skipped", steps=4, seal="4-1", reason="a person skipped it", data={"skill": "bin"})
    assert History(tmp_path, "trainer").append(quest)
    assert list(read_history(tmp_path / "trainer.jsonl")) == [quest]


def test_no_quest_has_ended_where_there_is_no_file(tmp_path: Path) -> None:
    assert claims(tmp_path) == []


def test_a_claim_ends_once_however_often_a_crash_repeats_it(tmp_path: Path) -> None:
    history = History(tmp_path, "trainer")
    assert [history.append(ended()), history.append(ended())] == [True, False]
    history = History(tmp_path, "trainer")
    assert not history.append(ended(outcome="failed"))
    assert history.append(ended(claim=2))  # the same quest, retried
    assert history.append(ended(claim=1, quest="q2"))  # another campaign's first claim
    assert history.append(ended(claim=None, quest="refused"))
    assert not history.append(ended(claim=None, quest="refused"))
    assert claims(tmp_path) == [1, 2, 1, None]


def test_a_torn_last_line_is_ignored_cut_off_and_can_be_written_again(tmp_path: Path) -> None:
    file = tmp_path / "trainer.jsonl"
    History(tmp_path, "trainer").append(ended(1))
    whole = file.read_bytes()
    History(tmp_path, "trainer").append(ended(2))
    file.write_bytes(file.read_bytes()[:-10])
    assert claims(tmp_path) == [1]
    history = History(tmp_path, "trainer")
    assert history.append(ended(2))
    assert claims(tmp_path) == [1, 2]
    assert file.read_bytes().startswith(whole)


def test_a_last_line_whose_beginning_a_power_cut_took_was_never_acknowledged(tmp_path: Path) -> None:
    file = tmp_path / "trainer.jsonl"
    for claim in (1, 2):
        History(tmp_path, "trainer").append(ended(claim))
    first, second = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(first + b"\0" * 20 + second[20:])
    assert claims(tmp_path) == [1]
    assert History(tmp_path, "trainer").append(ended(2))
    assert file.read_bytes() == first + second


def test_a_damaged_line_is_named_not_skipped(tmp_path: Path) -> None:
    file = tmp_path / "trainer.jsonl"
    for claim in (1, 2, 3):
        History(tmp_path, "trainer").append(ended(claim))
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0] + b"\0\0\0\n" + lines[2])
    with pytest.raises(DamagedHistory, match=r"trainer\.jsonl, line 2"):
        claims(tmp_path)
    with pytest.raises(DamagedHistory):
        History(tmp_path, "trainer")


@pytest.mark.parametrize("fields", [{"outcome": "eaten"}, {"claim": -1}, {"ended_at": NOON.replace(tzinfo=None)}])
def test_a_bad_field_is_refused(tmp_path: Path, fields: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        History(tmp_path, "trainer").append(ended(**fields))
    assert claims(tmp_path) == []


def test_a_full_disk_is_the_callers_to_wait_for(tmp_path: Path) -> None:
    history = History(tmp_path, "trainer")
    (tmp_path / "trainer.jsonl").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        history.append(ended())
    (tmp_path / "trainer.jsonl").unlink()
    assert history.append(ended())


APPEND = """
import itertools, sys
from pathlib import Path
from tests.core.test_history import History, ended
history = History(Path(sys.argv[1]), "trainer")
for claim in itertools.count(1):
    if history.append(ended(claim)):
        print(claim, flush=True)
"""


def test_what_was_acknowledged_survives_kills_and_nothing_is_there_twice(tmp_path: Path) -> None:
    for _ in range(3):
        command = [sys.executable, "-c", APPEND, str(tmp_path)]
        child = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
        assert child.stdout
        acknowledged = [int(child.stdout.readline()) for _ in range(20)]
        os.kill(child.pid, signal.SIGKILL)
        acknowledged += [int(line) for line in child.stdout if line.endswith("\n")]
        child.wait()
        assert set(acknowledged) <= set(claims(tmp_path))
    assert claims(tmp_path) == list(range(1, len(claims(tmp_path)) + 1))


ACKNOWLEDGE = """
import os, sys
from pathlib import Path
from tests.core.test_history import History, ended
history = History(Path(sys.argv[1]), "trainer")
for claim in (1, 2):
    history.append(ended(claim))
    os.write(1, b"acknowledged")
"""


@pytest.mark.skipif(STRACE is None, reason="strace is not installed: the order of calls cannot be seen")
def test_a_line_and_a_new_files_name_are_on_the_disk_before_they_are_acknowledged(tmp_path: Path) -> None:
    log = tmp_path / "strace"
    command = [str(STRACE), "-y", "-qq", "-o", str(log), "-e", "trace=write,fsync", sys.executable, "-B"]
    subprocess.run([*command, "-c", ACKNOWLEDGE, str(tmp_path)], cwd=CHECKOUT, check=True, stdout=subprocess.DEVNULL)
    calls = [(line.split("(")[0], line.split("<")[1].split(">")[0]) for line in log.read_text().splitlines()]
    file, folder, told = str(tmp_path / "trainer.jsonl"), str(tmp_path), ("write", "/dev/null")
    line_is_durable = [("write", file), ("fsync", file)]
    assert calls == [*line_is_durable, ("fsync", folder), told, *line_is_durable, told]


TRY_AGAIN = """
import sys
from pathlib import Path
from tests.core.test_history import History, ended
history = History(Path(sys.argv[1]), "trainer")
try:
    history.append(ended())
except OSError as error:
    print(error.strerror)
history.append(ended())
"""


@pytest.mark.skipif(STRACE is None, reason="strace is not installed: no sync can be made to fail")
@pytest.mark.parametrize("number", [1, 2], ids=["the file's", "the folder's"])
def test_a_line_whose_sync_failed_is_written_anew_and_stands_there_once(tmp_path: Path, number: int) -> None:
    fault = ["-e", "trace=fsync", "-e", f"inject=fsync:error=ENOSPC:when={number}"]
    command = [str(STRACE), "-qq", "-o", "/dev/null", *fault, sys.executable, "-B", "-c", TRY_AGAIN, str(tmp_path)]
    child = subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True, text=True)
    assert child.stdout == "No space left on device\n"
    assert claims(tmp_path) == [1]
