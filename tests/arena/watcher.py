"""A real queue-watcher on a real home, and words to talk about both."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

import realm
from realm.core.paths import Home
from realm.core.quests import PRIORITIES, STATES, QuestQueue, State
from realm.core.status import QueueWatcherStatus, is_locked, read_status

CHECKOUT = Path(realm.__file__).parents[1]
PATIENCE = 60.0  # a test that waits longer fails

Found = TypeVar("Found")


def until(look: Callable[[], Found | None], what: str = "") -> Found:
    """The first truthy thing that `look` finds."""
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.005)  # between two looks, not instead of one
    return found


def chat(question: str, answer: str = "yes", **columns: Any) -> bytes:
    """One line of a quest."""
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return json.dumps({"messages": turns, **columns}).encode() + b"\n"


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user, mount and chattr")


@contextmanager
def immutable(path: Path) -> Iterator[None]:
    """Even root may not write to it meanwhile."""
    if subprocess.run(["chattr", "+i", path]).returncode:
        pytest.skip(f"the file system of {path} knows no immutable files")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", path], check=True)


@contextmanager
def small_disk(folder: Path, *options: str) -> Iterator[Path]:
    """A disk of its own, in memory."""
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", folder]).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def mounted_apart(folder: Path) -> Iterator[None]:
    """The same files, on a mount of their own."""
    if subprocess.run(["mount", "--bind", folder, folder]).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


class Watcher:
    """The daemon in its own process, and what it did to its home."""

    def __init__(self, home: Home, *python_options: str, tracer: tuple[str, ...] = ()):
        self.home = home
        self.queue = QuestQueue(home)
        self._command = [*tracer, sys.executable, *python_options, "-m", "realm.arena.queue_watcher"]
        self.log_file = home.root.with_name(f"{home.root.name}.log")
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {name: value for name, value in os.environ.items() if name != "JOURNAL_STREAM"}
        with self.log_file.open("ab") as log:
            return subprocess.Popen(
                self._command, cwd=CHECKOUT, stderr=log, env={**environment, "REALM_HOME": str(self.home.root)}
            )

    def start_again(self) -> None:
        assert self.process.poll() is not None
        (self.home.locks / "queue-watcher.starts").unlink(missing_ok=True)  # no back-off: the kills were ours
        self.process = self._start()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def kill_traced(self) -> None:
        """A killed tracer leaves the daemon behind; while it lives, its pid stands in the lock it holds."""
        self.kill()
        lock = self.home.locks / "queue-watcher.lock"
        if is_locked(lock):
            os.kill(int(re.findall(r"pid (\d+)", lock.read_text())[0]), signal.SIGKILL)

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(PATIENCE)

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    @property
    def status(self) -> QueueWatcherStatus | None:
        return read_status(self.home.status / QueueWatcherStatus.FILE, QueueWatcherStatus)

    @property
    def problems(self) -> str:
        return "\n".join(self.status.problems) if self.status else ""

    def quests(self, *states: State) -> list[Path]:
        """Folders of quests, in the order of their names."""
        found = [self.home.queue / state / name for state in states or STATES for name in self.queue.names(state)]
        return sorted(found, key=lambda folder: folder.name)

    def quest_of(self, original_name: str) -> Path | None:
        return next((quest for quest in self.quests() if meta(quest)["original_name"] == original_name), None)

    def wait_for(self, original_name: str) -> Path:
        """The quest that was made of a drop of this name, when the drop is gone."""
        quest = until(lambda: self.quest_of(original_name), f"{original_name}\n{self.log}")
        until(lambda: not list(self.home.inbox.rglob(original_name)), f"{original_name} still lies in the inbox")
        return quest

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in lines_of(self.home.events / "queue-watcher.jsonl") if event["kind"] == kind]

    def history(self) -> list[dict[str, Any]]:
        return lines_of(self.home.history / "queue-watcher.jsonl")


WAITING = PRIORITIES
FAILED: State = "failed"


def meta(quest: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((quest / "meta.json").read_bytes())
    return found


def error(quest: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((quest / "error.json").read_bytes())
    return found


def plain(quest: Path) -> bytes:
    return (quest / "quest.jsonl").read_bytes()


def lines_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_bytes().splitlines()] if file.exists() else []


def write_elsewhere(home: Home, name: str, content: bytes) -> Path:
    """A file outside the inbox, on the same disk."""
    file = home.root.with_name(f"{home.root.name}-files") / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file
