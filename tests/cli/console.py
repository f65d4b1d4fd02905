"""A realm's home for the CLI's tests, and the CLI as a person meets it: a pipe, a process, a terminal."""

import fcntl
import hashlib
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from realm.cli.main import main
from realm.core.control import Control
from realm.core.events import EventLog
from realm.core.history import EndedQuest, History
from realm.core.instance import InstanceLock
from realm.core.paths import Home
from realm.core.quests import QuestQueue
from realm.core.status import (
    BattleStatus,
    LastSeal,
    QueueWatcherStatus,
    Totals,
    TrainingStatus,
    Writer,
    write_status,
)
from tests.arena.realm_home import put_quest

REALM = [sys.executable, "-c", "from realm.cli.main import main; main(prog_name='realm')"]
LINE = b'{"messages": [{"role": "user", "content": "1+1"}, {"role": "assistant", "content": "2"}]}\n'
QUEST = "20251127T143000.000001Z-bin-level-1-0a1b2c3d"


def realm(home: Home, *words: object, stdin: str = "", ends_with: int = 0) -> Result:
    """What the CLI says in a pipe; an exception that it does not turn into a sentence fails the test."""
    result = CliRunner().invoke(
        main, [str(word) for word in words], env={"REALM_HOME": str(home.root)}, input=stdin, catch_exceptions=False
    )
    assert result.exit_code == ends_with, result.output
    return result


def start(home: Home, *words: object, encoding: str = "utf-8") -> subprocess.Popen[str]:
    """The CLI as a process of its own."""
    environment = {**os.environ, "REALM_HOME": str(home.root), "PYTHONIOENCODING": encoding}
    pipe = subprocess.PIPE
    return subprocess.Popen([*REALM, *map(str, words)], env=environment, stdout=pipe, stderr=pipe, encoding=encoding)


@contextmanager
def started(home: Home, *words: object) -> Iterator[subprocess.Popen[str]]:
    """Killed when the block is left, whatever happened in it."""
    process = start(home, *words)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def in_terminal(home: Home, *words: object, width: int) -> str:
    """What it writes to a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    environment = {**os.environ, "REALM_HOME": str(home.root), "TERM": "xterm-256color"}
    environment.pop("COLUMNS", None)
    process = subprocess.Popen([*REALM, *map(str, words)], env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    written = b""
    while piece := _read(ours):
        written += piece
    os.close(ours)
    assert process.wait() == 0, written
    return written.decode().replace("\r\n", "\n")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # EIO: the last process has closed the terminal
        return b""


def until(look: Callable[[], Any], seconds: float = 60.0) -> Any:
    """The first truthy thing that `look` finds; fails after a time that only a broken program takes."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.01)
    return found


def picture(home: Home) -> dict[str, tuple[int, int, str]]:
    """Everything in a home, by path: mode, time of change, content."""
    return {str(path): _looks(path) for path in sorted([home.root, *home.root.rglob("*")])}


def _looks(path: Path) -> tuple[int, int, str]:
    found = path.lstat()
    content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    return found.st_mode, found.st_mtime_ns, content


# A home with news in it


def header(daemon: str, *, age: float = 1.0, **changes: Any) -> dict[str, Any]:
    said_at = datetime.now(UTC) - timedelta(seconds=age)
    writer = Writer(daemon=daemon, pid=1, boot_id="b", started_at=said_at, version="0.1.0", config_hash="c")
    fields = {
        "writer": writer,
        "heartbeat_at": said_at,
        "interval_s": 5.0,
        "seq": 7,
        "ticked_at": said_at,
        "phase": "step",
        "phase_limit_s": 120.0,
        "state": "working",
    }
    return {**fields, **changes}


def say_training(home: Home, *, age: float = 1.0, **changes: Any) -> TrainingStatus:
    """The trainer's status, as it is in the middle of a quest."""
    numbers = {
        "step": 12_345,
        "quest": QUEST,
        "quest_step": 640,
        "quest_progress": 0.625,
        "loss": 0.4123,
        "loss_ema": 0.4201,
        "validation_loss": 0.455,
        "validation_step": 12_300,
        "learning_rate": 0.003,
        "tokens_per_second": 16_123.4,
        "mfu": 0.3121,
        "eta_seconds": 250.0,
        "unsealed_minutes": 4.2,
        "last_seal": LastSeal(
            name="12000-41",
            step=12_000,
            at=datetime.now(UTC) - timedelta(seconds=185),
            bytes=9_969_793,
            seconds=0.1,
        ),
        "totals": Totals(steps=12_345, tokens=1_234_567, examples=45_678, quests=3),
    }
    known = {key: changes.pop(key) for key in list(changes) if key in TrainingStatus.__struct_fields__[9:]}
    said = TrainingStatus(**header("trainer", age=age, **changes), **{**numbers, **known})
    assert write_status(home.status, said) is None
    return said


def say_rest(home: Home) -> None:
    """What the others write."""
    battle = BattleStatus(
        **header("trainer"), battle_state="fighting", hero_checkpoint="checkpoint-12000-20251127-1430"
    )
    watcher = QueueWatcherStatus(
        **header("queue-watcher", state="idle", phase="waiting"), inbox_files=2, inbox_being_written=1
    )
    assert write_status(home.status, battle) is None
    assert write_status(home.status, watcher) is None


@contextmanager
def alive(home: Home, *daemons: str) -> Iterator[None]:
    """Holds the instance locks of daemons, as they do themselves."""
    locks = [InstanceLock(daemon, home.locks) for daemon in daemons]
    for lock in locks:
        lock.acquire()
    try:
        yield
    finally:
        for lock in locks:
            lock.release()


def end_quest(home: Home, claim: int, outcome: str) -> None:
    ended_at = datetime(2025, 11, 27, tzinfo=UTC)
    quest = EndedQuest(claim=claim, quest=QUEST, outcome=outcome, ended_at=ended_at)  # type: ignore[arg-type]
    assert History(home.history, "trainer").append(quest)


def furnish(home: Home) -> None:
    """A home in which everything the CLI reads is there."""
    say_training(home)
    say_rest(home)
    queue = QuestQueue(home)
    for number, priority in enumerate(("high", "normal", "normal", "low", "low"), start=1):
        put_quest(home, LINE * number, f"wörter-{number}.jsonl", priority)
    claimed = queue.waiting()[0].name
    queue.claim(claimed)
    failed = put_quest(home, LINE * 9, "日本語.jsonl")
    queue.claim(failed)
    queue.fail(failed, b'{"reason": "line 3: not valid JSON", "findings": [], "total": 0}')
    for claim, outcome in enumerate(("completed", "skipped", "completed", "failed"), start=1):
        end_quest(home, claim, outcome)
    Control(home).raise_flag("pause", "lunch")
    log = EventLog(home.events, "trainer")
    for number in range(3):
        log.emit("seal.written", f"sealed at step {number}", step=number)
    EventLog(home.events, "queue-watcher").emit("quest.refused", "日本語.jsonl was turned away: " + "a reason " * 20)


def interrupt(process: subprocess.Popen[str]) -> int:
    process.send_signal(signal.SIGINT)
    return process.wait(60)
