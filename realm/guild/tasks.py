"""Tasks that need the accelerator, as a directory queue: a task is a folder, its state is the folder it lies in.

    tasks/{critical,high,normal,low,idle}/T -> tasks/running/T -> tasks/{done,failed,cancelled}/T

Whoever carries a task out holds an open-file-description lock on its task.json, from before it lies in running/ until
its process ends, however it ends. So a task in running/ without a lock has lost its process, and waits again.
"""

import fcntl
import hashlib
import os
import shutil
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from realm.core.files import fsync_directory, publish_folder, write_whole
from realm.core.paths import Home
from realm.core.quests import new_name, valid_name
from realm.core.rename import rename_new

Urgency = Literal["critical", "high", "normal", "low", "idle"]
Ending = Literal["done", "failed", "cancelled"]
URGENCIES: tuple[Urgency, ...] = get_args(Urgency)  # in the order in which they are begun
ENDINGS: tuple[Ending, ...] = get_args(Ending)
RUNNING = "running"
STATES = (*URGENCIES, RUNNING, *ENDINGS)

TASK_FILE, RESULT_FILE, ATTEMPTS_FILE, LOG_FILE = "task.json", "result.json", "attempts", "log"
MOST_ATTEMPTS = 3
KEPT_ENDED = 200  # of each ending
_FLOCK = "hhqqi4x"  # struct flock of 64-bit Linux


class TaskError(ValueError):
    """A task that cannot be: an unknown kind or urgency, wrong arguments, or no such task."""


class TaskText(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What task.json holds."""

    kind: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,31}\Z")]
    urgency: Urgency = "normal"
    arguments: dict[str, Any] = {}
    submitted_by: Literal["scheduler", "person"] = "scheduler"
    submitted_at: str = ""


class TaskResult(Struct, frozen=True, kw_only=True):
    """What result.json holds. `error` says why there is nothing else."""

    error: str | None = None
    data: dict[str, Any] = {}


@dataclass(frozen=True)
class Task:
    id: str
    state: str
    path: Path
    text: TaskText

    @property
    def attempts(self) -> int:
        """How often it was begun."""
        try:
            return (self.path / ATTEMPTS_FILE).stat().st_size
        except FileNotFoundError:
            return 0

    @property
    def last_words(self) -> str:
        """The last line that its process wrote, with a colon before it; empty if it wrote nothing."""
        try:
            lines = (self.path / LOG_FILE).read_text(errors="replace").split("\n")
        except FileNotFoundError:
            return ""
        return next((f": {line[:200]}" for line in reversed(lines) if line.strip()), "")

    @property
    def result(self) -> TaskResult | None:
        try:
            return msgspec.json.decode((self.path / RESULT_FILE).read_bytes(), type=TaskResult)
        except FileNotFoundError:
            return None


class TaskQueue:
    """The folders below tasks/. Every call may be killed between any two of its steps, and made again."""

    def __init__(self, home: Home):
        self.root = home.tasks

    def make_folders(self) -> None:
        for state in STATES:
            (self.root / state).mkdir(exist_ok=True)

    # Looking

    def all(self, *states: str) -> Iterator[Task]:
        """Tasks of these states (default: all), each state's oldest first."""
        for state in states or STATES:
            for name in sorted(self._names(state)):
                if task := self._read(state, name):
                    yield task

    def counts(self) -> dict[str, int]:
        """State -> tasks in it."""
        return {state: len(self._names(state)) for state in STATES}

    def find(self, task_id: str) -> Task:
        """Raises TaskError."""
        if valid_name(task_id):
            for state in STATES:
                if task := self._read(state, task_id):
                    return task
        raise TaskError(f"there is no task {task_id[:80]!r}")

    def next_waiting(self) -> Task | None:
        return next(self.all(*URGENCIES), None)

    # Transitions

    def submit(self, text: TaskText) -> Task:
        """Durable when it returns. Raises OSError."""
        stamped = msgspec.structs.replace(text, submitted_at=_now())
        content = msgspec.json.encode(stamped)
        name = new_name(text.kind, hashlib.sha256(content).hexdigest(), self._latest())
        staging = self.root / text.urgency / f".{name}"
        staging.mkdir()
        write_whole(staging / TASK_FILE, content)
        final = self.root / text.urgency / name
        publish_folder(staging, final)
        return Task(name, text.urgency, final, stamped)

    def begin(self, task: Task) -> int:
        """Waiting -> running; returns the locked descriptor that the task's process must inherit, and we must close.

        Raises BlockingIOError if another process carries it out, FileNotFoundError if it has moved on.
        """
        descriptor = os.open(task.path / TASK_FILE, os.O_RDWR | os.O_CLOEXEC)
        try:
            _lock(descriptor)
            running = self._move(task, RUNNING)
            with (running.path / ATTEMPTS_FILE).open("ab") as attempts:
                attempts.write(b".")
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def end(self, task: Task) -> Task | None:
        """A running task whose process is gone: done or failed by its result; without one it waits again, or failed.

        None while its process lives.
        """
        descriptor = os.open(task.path / TASK_FILE, os.O_RDWR | os.O_CLOEXEC)
        try:
            _lock(descriptor)
        except BlockingIOError:
            return None
        else:
            return self._ended(task)
        finally:
            os.close(descriptor)

    def cancel(self, task_id: str) -> Task:
        """A waiting task. Raises TaskError for one that does not wait."""
        task = self.find(task_id)
        if task.state not in URGENCIES:
            raise TaskError(f"task {task_id} is {task.state}: only a waiting one can be cancelled")
        return self._move(task, "cancelled")

    def tidy(self) -> None:
        """At start: removes what a kill left half made."""
        for state in STATES:
            for leftover in (self.root / state).glob(".*"):
                shutil.rmtree(leftover, ignore_errors=True)

    def trim(self) -> None:
        """Removes the oldest of more than KEPT_ENDED that ended alike. Raises OSError."""
        for ending in ENDINGS:
            for name in sorted(self._names(ending))[:-KEPT_ENDED]:
                doomed = self.root / ending / f".{name}"
                (self.root / ending / name).rename(doomed)
                shutil.rmtree(doomed)

    # How

    def _ended(self, task: Task) -> Task:
        result = task.result
        if result is not None:
            return self._move(task, "failed" if result.error else "done")
        if task.attempts < MOST_ATTEMPTS:
            return self._move(task, task.text.urgency)
        error = TaskResult(error=f"its process ended {task.attempts} times without a result{task.last_words}")
        write_whole(task.path / RESULT_FILE, msgspec.json.encode(error))
        return self._move(task, "failed")

    def _move(self, task: Task, state: str) -> Task:
        final = self.root / state / task.id
        rename_new(task.path, final)
        fsync_directory(final.parent)
        fsync_directory(task.path.parent)
        return Task(task.id, state, final, task.text)

    def _names(self, state: str) -> list[str]:
        with os.scandir(self.root / state) as entries:
            return [entry.name for entry in entries if valid_name(entry.name) and entry.is_dir(follow_symlinks=False)]

    def _read(self, state: str, name: str) -> Task | None:
        """None if it is not there (any more)."""
        path = self.root / state / name
        with suppress(FileNotFoundError, NotADirectoryError):
            return Task(name, state, path, msgspec.json.decode((path / TASK_FILE).read_bytes(), type=TaskText))
        return None

    def _latest(self) -> str | None:
        return max((name for state in STATES for name in self._names(state)), default=None)


def _lock(descriptor: int) -> None:
    """Raises BlockingIOError if another open file description holds it."""
    whole_file = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, whole_file)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
