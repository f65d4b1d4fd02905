"""The frame, tried on real processes: killed, stopped, hung, started twice."""

import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

import realm
from realm.core.daemon import Frame, boot_id
from realm.core.status import Status, TrainingStatus, freshness, is_locked, read_status, write_status
from tests.arena.watcher import immutable, needs_root

CHECKOUT = Path(realm.__file__).parents[1]
PATIENCE = 60.0  # a test that waits longer fails

# What every child begins with: a frame whose heartbeat also numbers itself in STATUS=, so that one stream orders all.
PRELUDE = """
import itertools, sys, threading
from pathlib import Path
from realm.core.daemon import Frame
from realm.core.status import TrainingStatus, write_status
LOCKS = Path(sys.argv[1])
LIMITS = {"step": 0.05, "load": 1000.0, "compile": 1000.0, "seal": 1000.0, "waiting": 1000.0}
beats = itertools.count(1)
def beat(frame):
    write_status(LOCKS, TrainingStatus(**frame.header("working")))
    frame.status(f"beat {next(beats)}")
frame = Frame("trainer", LOCKS, interval_s=0.01, on_heartbeat=beat, phase_limits=LIMITS)
"""
IDLE = """
with frame:
    frame.ready("waits for quests ⚔️")
    while not frame.stopping.is_set():
        frame.wait(3600, wake=threading.Event())
"""
DEAF = """
with frame:
    frame.ready("hears no stop")
    threading.Event().wait()
"""
Start = Callable[[str], "Child"]


class Child:
    """A daemon in its own process; `notifications` is the socket that systemd would hold."""

    def __init__(self, code: str, folder: Path):
        self.folder = folder
        self.errors = folder / f"stderr-{uuid.uuid4().hex}"
        address = f"realm-{uuid.uuid4().hex}"
        self.notifications = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notifications.bind(f"\0{address}")
        self.notifications.settimeout(PATIENCE)
        environment = {name: value for name, value in os.environ.items() if name != "JOURNAL_STREAM"}
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PRELUDE + code, folder],
                cwd=CHECKOUT,
                env={**environment, "NOTIFY_SOCKET": f"@{address}"},
                stdin=subprocess.PIPE,
                stderr=errors,
            )

    def hear(self) -> str:
        return self.notifications.recv(4096).decode()

    def hear_until(self, *wanted: str) -> list[str]:
        """Every message up to the first that is one of `wanted`."""
        heard: list[str] = []
        while not heard or heard[-1] not in wanted:
            assert len(heard) < 1000, heard[-20:]
            heard.append(self.hear())
        return heard

    def go_on(self) -> None:
        """Lets it read a line."""
        assert self.process.stdin
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def end(self) -> int:
        """The exit status, once it has ended by itself. Until then its messages are taken: a full socket blocks it."""
        ended = os.pidfd_open(self.process.pid)
        try:
            for _ in range(5000):
                ready, _, _ = select.select([ended, self.notifications.fileno()], [], [], PATIENCE)
                if ended in ready:
                    return self.process.wait()
                self.hear()
            raise AssertionError("it does not end")
        finally:
            os.close(ended)

    def log(self) -> str:
        return self.errors.read_text()

    def starts(self) -> int:
        count: int = orjson.loads((self.folder / "trainer.starts").read_bytes())["starts"]
        return count

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.notifications.close()
        if self.process.stdin:
            self.process.stdin.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    children: list[Child] = []

    def begin(code: str) -> Child:
        children.append(Child(code, tmp_path))
        return children[-1]

    yield begin
    for child in children:
        child.kill()


# one instance


def test_a_second_instance_is_refused_and_told_who_holds_the_lock(start: Start, tmp_path: Path) -> None:
    first = start(IDLE)
    first.hear_until("READY=1")
    second = start(IDLE)
    assert second.end() == 75
    assert re.search(
        rf"trainer runs already: \S+trainer\.lock is held by pid {first.process.pid}, started 20\S+Z; ", second.log()
    )
    assert second.log().count("\n") == 1
    assert first.process.poll() is None
    assert is_locked(tmp_path / "trainer.lock")


@needs_root
def test_without_leave_to_write_to_the_home_it_says_so_in_one_sentence(start: Start, tmp_path: Path) -> None:
    lock = tmp_path / "trainer.lock"
    lock.touch()
    with immutable(lock):
        child = start(IDLE)
        assert child.end() == 78
    assert f'event=cannot-start reason="{lock}: Operation not permitted; start the daemon as' in child.log()
    assert child.log().count("\n") == 1


def test_a_kill_frees_the_lock_and_its_status_no_longer_counts_as_alive(start: Start, tmp_path: Path) -> None:
    first = start(IDLE)
    first.hear_until("STATUS=beat 3")
    first.process.kill()
    first.process.wait()
    status = read_status(tmp_path / "training_status.json", TrainingStatus)
    assert status
    assert status.writer.pid == first.process.pid
    locked = is_locked(tmp_path / "trainer.lock")
    assert not locked
    assert not freshness(status, status.heartbeat_at, locked).alive
    assert first.starts() == 1
    second = start(IDLE)
    second.hear_until("READY=1")
    assert str(second.process.pid) in (tmp_path / "trainer.lock").read_text()
    assert str(first.process.pid) not in (tmp_path / "trainer.lock").read_text()


# the end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_waiting_daemon_cleanly(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    child = start(IDLE)
    child.hear_until("READY=1")
    child.hear_until("STATUS=waits for quests ⚔️")
    child.hear_until("WATCHDOG=1")
    assert child.starts() == 1
    child.process.send_signal(number)
    child.hear_until("STOPPING=1")
    assert child.end() == 0
    assert child.starts() == 0
    assert f"event=stop signal={number.name}\n" in child.log()
    assert child.log().endswith("event=end\n")
    assert not is_locked(tmp_path / "trainer.lock")
    assert (tmp_path / "trainer.lock").exists()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_second_signal_ends_the_process_at_once(start: Start, number: signal.Signals, status: int) -> None:
    child = start(DEAF)
    child.hear_until("READY=1")
    child.process.send_signal(signal.SIGTERM)
    child.hear_until("STOPPING=1")
    child.process.send_signal(number)
    assert child.end() == status
    assert f"event=stop-now signal={number.name}\n" in child.log()
    assert child.starts() == 1


CRASHES = {
    "thread": "threading.Thread(target=lambda: 1 / 0, name='seal').start(); threading.Event().wait()",
    "exit in a thread": "threading.Thread(target=sys.exit, args=['ZeroDivisionError']).start(); frame.stopping.wait()",
    "main": "1 / 0",
    "finalizer": "Bad = type('Bad', (), {'__del__': lambda self: 1 / 0}); Bad(); threading.Event().wait()",
    "main beside a thread that never ends": "threading.Thread(target=threading.Event().wait).start(); 1 / 0",
}


@pytest.mark.parametrize("how", CRASHES)
def test_an_exception_nobody_catches_ends_the_process_with_a_traceback(start: Start, how: str) -> None:
    child = start(f"\nwith frame:\n    frame.ready('')\n    {CRASHES[how]}\n")
    assert child.end() == 70
    assert "event=crash error=" in child.log()
    assert "  Traceback (most recent call last):" in child.log()
    assert "ZeroDivisionError" in child.log()
    assert child.starts() == 1


def test_a_heartbeat_that_raises_ends_the_process(start: Start) -> None:
    child = start("\nframe = Frame('trainer', LOCKS, interval_s=1, on_heartbeat=lambda frame: 1 / 0)" + DEAF)
    assert child.end() == 70
    assert "thread=heartbeat" in child.log()


def test_an_exit_with_an_error_is_not_clean(start: Start) -> None:
    child = start("\nwith frame:\n    raise SystemExit(3)\n")
    assert child.end() == 3
    assert child.starts() == 1
    assert "event=end" not in child.log()


# the heartbeat

HANGS = """
with frame:
    for phase in ("step", "load"):
        sys.stdin.readline()
        frame.tick(phase)
    sys.stdin.readline()
"""


def hear_beats(child: Child, count: int) -> list[list[str]]:
    """The messages between `count` successive beats."""
    between: list[list[str]] = [[]]
    while len(between) <= count:
        message = child.hear()
        if message.startswith("STATUS=beat"):
            between.append([])
        else:
            between[-1].append(message)
    return between[:count]


def test_a_hung_work_loop_gets_no_watchdog_until_it_ticks_again(start: Start) -> None:
    child = start(HANGS)
    child.hear_until("WATCHDOG=1")
    child.go_on()
    for _ in range(1000):
        if not any("WATCHDOG=1" in messages for messages in hear_beats(child, 5)):
            break
    assert not any("WATCHDOG=1" in messages for messages in hear_beats(child, 20))
    assert child.log().count("event=hung phase=step seq=1\n") == 1
    assert 'File "<string>"' in child.log()  # where it hangs
    child.go_on()
    child.hear_until("WATCHDOG=1")
    assert child.log().count("event=ticking phase=load seq=2\n") == 1


STARTS_AND_STOPS = """
with frame:
    sys.stdin.readline()
    frame.ready("")
    frame.stopping.wait()
    frame.tick("seal")
    sys.stdin.readline()
"""


def test_systemd_is_asked_for_time_while_loading_and_while_sealing_at_the_end(start: Start) -> None:
    child = start(STARTS_AND_STOPS)
    asks = "EXTEND_TIMEOUT_USEC=30000000"
    child.hear_until(asks)
    child.hear_until(asks)
    child.go_on()
    child.hear_until("READY=1")
    hear_beats(child, 2)  # one may have been under way
    assert not any(asks in messages for messages in hear_beats(child, 20))
    child.process.terminate()
    child.hear_until("STOPPING=1")
    child.hear_until(asks)
    child.hear_until(asks)


def test_beats_too_rare_for_the_units_watchdog_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "10000000")
    Frame("trainer", tmp_path, interval_s=5)
    with pytest.raises(ValueError, match="WatchdogSec=10"):
        Frame("trainer", tmp_path, interval_s=6)


# back-off


def test_a_start_after_many_unclean_ends_waits_says_so_and_can_be_stopped(start: Start, tmp_path: Path) -> None:
    (tmp_path / "trainer.starts").write_bytes(b'{"starts": 9}')
    child = start(IDLE)
    heard = child.hear_until("STATUS=backs off 60 s after 9 unclean ends in a row")
    assert "READY=1" not in heard
    assert "EXTEND_TIMEOUT_USEC=30000000" in heard + child.hear_until("EXTEND_TIMEOUT_USEC=30000000")
    child.process.terminate()
    assert child.end() == 0
    assert "event=back-off seconds=60 unclean_ends=9\n" in child.log()
    assert "event=ready" not in child.log()
    assert child.starts() == 9


def test_after_a_back_off_the_daemon_starts(start: Start, tmp_path: Path) -> None:
    (tmp_path / "trainer.starts").write_bytes(b'{"starts": 2}')
    child = start(IDLE)
    child.hear_until("READY=1")
    assert "event=back-off seconds=1 unclean_ends=2\n" in child.log()
    assert child.starts() == 3


def test_a_damaged_count_of_starts_is_logged_and_keeps_nobody_from_starting(start: Start, tmp_path: Path) -> None:
    (tmp_path / "trainer.starts").write_bytes(b"\0\0\0")
    child = start(IDLE)
    child.hear_until("READY=1")
    assert "event=starts problem=" in child.log()
    assert child.starts() == 1


# ticks, waits, headers


@pytest.fixture
def frame(tmp_path: Path) -> Frame:
    return Frame("trainer", tmp_path, interval_s=5)


def test_a_wait_ends_when_it_is_woken_and_the_next_wake_up_is_not_lost(frame: Frame) -> None:
    wake = threading.Event()
    wake.set()
    assert frame.wait(3600, wake)
    assert not wake.is_set()
    waker = threading.Thread(target=wake.set)
    waker.start()
    assert frame.wait(3600, wake)
    assert not frame.wait(0, wake)
    waker.join()


def test_a_wait_is_over_at_once_when_the_daemon_is_stopping(frame: Frame) -> None:
    frame.stopping.set()
    assert frame.wait(3600, threading.Event())
    assert frame.wait(3600)


def test_a_long_wait_ticks_so_that_it_does_not_look_hung(tmp_path: Path) -> None:
    limits = {"step": 1.0, "load": 1.0, "waiting": 0.004}
    frame = Frame("trainer", tmp_path, interval_s=5, phase_limits=limits)
    wake = threading.Event()

    def wake_after_five_ticks() -> None:
        while frame.header("idle")["seq"] < 5:
            pass
        wake.set()

    threading.Thread(target=wake_after_five_ticks, daemon=True).start()
    assert frame.wait(PATIENCE, wake)


def test_the_header_says_who_writes_and_how_far_the_work_loop_is(frame: Frame, tmp_path: Path) -> None:
    frame.config_hash = "abc"
    frame.tick("step")
    frame.tick("seal")
    assert write_status(tmp_path, TrainingStatus(**frame.header("working", ["slow"]), step=2)) is None
    status = read_status(tmp_path / "training_status.json", TrainingStatus)
    assert status
    assert (status.writer.daemon, status.writer.pid, status.writer.config_hash) == ("trainer", os.getpid(), "abc")
    assert (status.writer.boot_id, status.writer.version) == (boot_id(), realm.__version__)
    assert (status.seq, status.phase, status.phase_limit_s, status.interval_s) == (2, "seal", 1800.0, 5.0)
    assert (status.state, status.problems, status.step) == ("working", ["slow"], 2)
    assert status.writer.started_at <= status.ticked_at <= status.heartbeat_at <= datetime.now(UTC)


def test_a_frame_that_never_ticked_has_a_whole_header(frame: Frame) -> None:
    assert Status(**frame.header("starting")).phase == "load"


def test_an_unknown_phase_is_refused(frame: Frame) -> None:
    with pytest.raises(ValueError, match="'lunch' is none of step, load"):
        frame.tick("lunch")


@pytest.mark.parametrize("name", ["", "Trainer", "../trainer", "train er", "-x", "x-", "x.000001"])
def test_a_name_that_could_be_a_path_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a daemon"):
        Frame(name, tmp_path, interval_s=5)


@pytest.mark.parametrize("interval", [0, -1])
def test_an_impossible_interval_is_refused(tmp_path: Path, interval: float) -> None:
    with pytest.raises(ValueError, match="impossible"):
        Frame("trainer", tmp_path, interval_s=interval)
