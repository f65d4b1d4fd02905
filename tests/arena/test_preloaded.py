"""A forked life is what a spawned process is, ends as one, and is over when the session is."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from realm.arena.battle.seal import newest_verified
from realm.core.metrics import read_metrics
from realm.core.paths import Home
from realm.core.quests import QuestQueue
from tests.arena.preloaded import CHECKOUT, Life
from tests.arena.realm_home import eventually, log_of, make_home, put_quest, running
from tests.arena.watcher import chat

FACTS = """
import os, signal, sys, threading
print({name: value for name, value in os.environ.items() if name != "LC_CTYPE"}, os.getcwd())
print(sys.argv, __name__, [signal.getsignal(number) for number in signal.valid_signals()])
print(signal.pthread_sigmask(0, ()), threading.active_count(), len(os.listdir("/proc/self/task")))
print([os.readlink(f"/proc/self/fd/{number}") for number in (0, 1, 2)], sys.stdout.line_buffering)
print(len(os.listdir("/proc/self/fd")))
"""


def life(code: str, log: Path) -> Life:
    with log.open("ab") as file:
        return Life(code, file.fileno())


def test_it_begins_as_a_fresh_process_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASKED_FOR", "yes")
    monkeypatch.chdir(tmp_path)
    forked, spawned = tmp_path / "forked", tmp_path / "spawned"
    with spawned.open("ab") as log:
        command = [sys.executable, "-c", FACTS]
        subprocess.run(command, env=os.environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True)
    assert life(FACTS, forked).wait(60) == 0
    assert forked.read_text().replace("forked", "spawned") == spawned.read_text()
    assert "'ASKED_FOR': 'yes'" in forked.read_text()


def test_it_ends_as_a_process_does(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert life("import sys; sys.exit(75)", log).wait(60) == 75
    assert life("raise ValueError('said on stderr')", log).wait(60) == 1
    assert log.read_text().endswith("\nValueError: said on stderr\n")
    assert life("import os; os.abort()", log).wait(60) == -signal.SIGABRT
    assert life("import atexit; atexit.register(print, 'at exit')", log).wait(60) == 0
    assert log.read_text().endswith("at exit\n")


def test_it_is_waited_for_and_signalled_like_one(tmp_path: Path) -> None:
    sleeper, other = life("import time; time.sleep(600)", tmp_path / "log"), life("pass", tmp_path / "log")
    assert other.wait(60) == 0
    assert sleeper.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        sleeper.wait(0.01)
    sleeper.terminate()
    assert sleeper.wait(60) == sleeper.poll() == sleeper.returncode == -signal.SIGTERM
    sleeper.kill()  # as with Popen, harmless now


SESSION = """
import os, signal
from tests.arena.preloaded import Life
print(Life("import time; time.sleep(600)", 2).pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_it_is_over_when_the_session_is() -> None:
    session = subprocess.run([sys.executable, "-c", SESSION], cwd=CHECKOUT, capture_output=True, text=True)
    state = Path(f"/proc/{int(session.stdout)}/stat")
    eventually(lambda: not state.exists() or state.read_text().split()[2] == "Z", what="the end of what it began")


def test_a_forked_trainer_and_the_command_a_person_types_come_to_the_same_weights(tmp_path: Path, squire: Path) -> None:
    """The command's process has its own imports, hash seed and torch."""
    forked = make_home(tmp_path / "forked", squire)
    put_quest(forked, b"".join(chat(f"{n} + {n}", f"{n} and {n} make {2 * n}") for n in range(60)))
    spawned = Home(shutil.copytree(forked.root, tmp_path / "spawned"))
    with running("trainer", forked):
        eventually(lambda: QuestQueue(forked).names("recently_completed"), what=log_of(forked))
    command = [sys.executable, "-m", "realm", "--home", str(spawned.root), "run", "trainer"]
    with (spawned.logs / "trainer.log").open("ab") as log, subprocess.Popen(command, cwd=CHECKOUT, stderr=log) as real:
        eventually(lambda: QuestQueue(spawned).names("recently_completed") or real.poll() is not None)
        real.terminate()
    assert real.returncode == 0, log_of(spawned)
    assert parts(forked) == parts(spawned)
    assert losses(forked) == losses(spawned)
    assert len(losses(forked)) > 3


def parts(home: Home) -> list[str]:
    """SHA-256 of weights and optimizer."""
    seal, _ = newest_verified(home.seals)
    assert seal
    return [part.sha256 for name, part in seal.manifest.parts.items() if name.endswith(".safetensors")]


def losses(home: Home) -> list[float]:
    return [row["loss"] for row in read_metrics(home.metrics)]
