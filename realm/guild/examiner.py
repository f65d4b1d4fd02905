"""Which exams are due, and the one that is being sat. Only one at a time: they share a machine with the trainer."""

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from realm.core.checkpoint_ledger import CheckpointRecord
from realm.core.paths import Home
from realm.guild.annals import Graded
from realm.guild.exam_book import exam_name
from realm.guild.memory import exam_shortage
from realm.guild.progression import Ladder, Standing
from realm.guild.tasks import LOG_FILE, URGENCIES, Task, TaskError, TaskQueue, TaskText, Urgency

EXAM = "exam"
WORKER = (sys.executable, "-m", "realm.scrolls.exam_task")
LOOK = (sys.executable, "-m", "realm.scrolls.exam_elsewhere")
BETWEEN_LOOKS = 60.0  # seconds, at the Oracles of other machines
GRACE = 10.0  # seconds between SIGTERM and SIGKILL


class Due(NamedTuple):
    """An exam that nobody has sat."""

    checkpoint: str
    skill: str
    level: int
    urgency: Urgency

    @property
    def text(self) -> TaskText:
        arguments = {"checkpoint": self.checkpoint, "skill": self.skill, "level": self.level}
        return TaskText(kind=EXAM, urgency=self.urgency, arguments=arguments)


def due_exams(
    newest: CheckpointRecord, skills: Iterable[Ladder], standings: Mapping[str, Standing], graded: Sequence[Graded]
) -> list[Due]:
    """Of the newest checkpoint: each skill's training level, and the mastered one that waits longest for another look.

    What an older one would have shown, the newest shows better.
    """
    sat = {one.exam for one in graded}
    found = []
    for skill in skills:
        now = standings[skill.id]

        def is_open(level: int, skill: Ladder = skill) -> bool:
            return exam_name(skill.id, newest.canonical_name, level, skill.version) not in sat

        if is_open(now.training_level):
            found.append(Due(newest.canonical_name, skill.id, now.training_level, "normal"))
        mastered = list(filter(is_open, range(1, now.mastered_level + 1)))
        if mastered and not _looked_again(newest.canonical_name, skill.id, graded):
            last = {one.level: place for place, one in enumerate(graded) if one.skill == skill.id}
            longest = min(mastered, key=lambda level: last.get(level, -1))
            found.append(Due(newest.canonical_name, skill.id, longest, "low"))
    return found


def _looked_again(checkpoint: str, skill: str, graded: Sequence[Graded]) -> bool:
    return any((one.checkpoint, one.skill, one.role) == (checkpoint, skill, "mastered") for one in graded)


class Look(NamedTuple):
    """At the Oracles of other machines."""

    checkpoint: str
    process: subprocess.Popen[bytes]


class Examiner:
    """The worker process, if one runs; and while memory is short here, a look at who else could answer."""

    def __init__(self, home: Home, tasks: TaskQueue, worker: Sequence[str] = WORKER, look: Sequence[str] = LOOK):
        """`look`, named by the home and a checkpoint, exits with 0 if another machine can answer for it."""
        self._home, self._tasks, self._worker, self._look_command = home, tasks, worker, look
        self._process: subprocess.Popen[bytes] | None = None
        self._look: Look | None = None
        self._look_due = 0.0  # monotonic

    def submit(self, due: Sequence[Due]) -> None:
        """Each exam once: one that waits, runs, or ended without a grade is not asked for again."""
        if not due:
            return
        known = {_key(task.text.arguments) for task in self._tasks.all() if task.text.kind == EXAM}
        for one in due:
            if _key(one.text.arguments) not in known:
                self._tasks.submit(one.text)

    def withdraw_older(self, newest: str) -> None:
        """Cancels what waits for an older checkpoint, unless a person asked for it.

        Else, where exams take longer than checkpoints, each would come when its checkpoint is gone.
        """
        for task in self._tasks.all(*URGENCIES):
            is_mine = (task.text.kind, task.text.submitted_by) == (EXAM, "scheduler")
            if is_mine and task.text.arguments.get("checkpoint") != newest:
                with suppress(TaskError, FileNotFoundError):  # a person was faster
                    self._tasks.cancel(task.id)

    def begin_next(self, device: str = "auto") -> str | None:
        """Begins the most urgent task if none runs and memory allows; returns why not, if something is short.

        An exam on another machine needs no memory of this one. `device` is config.json's: under auto and cuda the
        worker itself sees what the accelerator has to spare.
        """
        if self.is_busy or (task := self._tasks.next_waiting()) is None:
            return None
        if (shortage := self._shortage(task)) and not self._has_elsewhere(task):
            return shortage
        with suppress(BlockingIOError, FileNotFoundError):  # another process has it, or a person cancelled it just now
            self._begin(task, device)
        return None

    @property
    def is_busy(self) -> bool:
        return next(self._tasks.all("running"), None) is not None

    def ended(self) -> list[Task]:
        """Tasks whose process has gone: done, failed, or waiting again."""
        if self._process and self._process.poll() is not None:
            self._process = None
        looks = [self._tasks.end(task) for task in self._tasks.all("running")]
        return [task for task in looks if task]

    def stop(self) -> None:
        """Ends the worker; its task waits again at the next start."""
        for process in filter(None, (self._process, self._look and self._look.process)):
            process.terminate()
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _begin(self, task: Task, device: str) -> None:
        lock = self._tasks.begin(task)
        try:
            running = self._tasks.root / "running" / task.id
            command = [*self._worker, str(self._home.root), str(running), device]
            with (running / LOG_FILE).open("ab") as log:
                self._process = subprocess.Popen(
                    command, pass_fds=(lock,), stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
        finally:
            os.close(lock)

    def _shortage(self, task: Task) -> str | None:
        try:
            return exam_shortage(self._home.current_model / _checkpoint(task) / "model.safetensors")
        except OSError:
            return None  # the worker says what is wrong with it

    def _has_elsewhere(self, task: Task) -> bool:
        """What a look found. It is a process of its own, as other machines may be slow, and loads the model there."""
        look, self._look = self._look, None
        if look is None:
            if time.monotonic() >= self._look_due:
                self._look = self._looking(_checkpoint(task))
            return False
        if (found := look.process.poll()) is None:
            self._look = look
            return False
        self._look_due = time.monotonic() + BETWEEN_LOOKS if found else 0.0
        return found == 0 and look.checkpoint == _checkpoint(task)

    def _looking(self, checkpoint: str) -> Look:
        command = [*self._look_command, str(self._home.root), checkpoint]
        quiet = subprocess.DEVNULL
        return Look(checkpoint, subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet))


def _checkpoint(task: Task) -> str:
    return str(task.text.arguments.get("checkpoint"))


def _key(arguments: Mapping[str, object]) -> tuple[object, ...]:
    return tuple(arguments.get(name) for name in ("checkpoint", "skill", "level"))
