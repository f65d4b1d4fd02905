"""A realm whose trainer and queue-watcher run as a person runs them: `realm run`, in a home of its own."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from realm.core.metrics import read_metrics
from realm.core.paths import Home
from realm.core.status import TrainingStatus, read_status
from tests.arena.realm_home import eventually
from tests.benchmarks import subject
from tests.benchmarks.workers import environment

PATIENCE = 300.0  # seconds
DAEMONS = ("trainer", "queue-watcher")
NO_SEALS = {"minutes": 240.0, "first_minutes": 240.0, "dry_minutes": 240.0}  # they are measured elsewhere

Row = dict[str, Any]


class LivingRealm:
    """Seconds are those of time.time(): rows and names of quests hold no others."""

    def __init__(self, root: Path, model: Path, **config: object):
        self.home = Home(root)
        self.home.create()
        shutil.copytree(model, self.home.models / subject.HERO)
        settings = {"model_name": subject.HERO, "seals": NO_SEALS, "threads": len(os.sched_getaffinity(0)), **config}
        self.home.config_file.write_bytes(msgspec.json.encode(settings))
        self.lives: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        for daemon in DAEMONS:
            self.start(daemon)
        for daemon in DAEMONS:
            eventually(lambda daemon=daemon: self.is_ready(daemon), PATIENCE)  # type: ignore[misc]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for life in self.lives.values():
            life.terminate()
        for life in self.lives.values():
            life.wait(PATIENCE)

    def start(self, daemon: str) -> None:
        with (self.home.logs / f"{daemon}.log").open("wb") as log:
            command = [sys.executable, "-m", "realm", "run", daemon]
            place = {**environment(), "REALM_HOME": str(self.home.root)}
            self.lives[daemon] = subprocess.Popen(command, env=place, stdout=log, stderr=log)

    def kill(self, daemon: str) -> None:
        """With SIGKILL, and without the back-off of who was killed several times in a row."""
        self.lives[daemon].kill()
        self.lives[daemon].wait(PATIENCE)
        (self.home.locks / f"{daemon}.starts").unlink(missing_ok=True)

    def is_ready(self, daemon: str) -> bool:
        said = (self.home.logs / f"{daemon}.log").read_text()
        assert self.lives[daemon].poll() is None, said
        return "event=ready" in said

    def drop(self, name: str, content: bytes) -> float:
        """The moment at which `<name>.jsonl` appeared in the inbox."""
        hidden = self.home.inbox / f".{name}"
        hidden.write_bytes(content)
        moment = time.time()
        hidden.rename(self.home.inbox / f"{name}.jsonl")
        return moment

    def trained(self, name: str) -> list[Row]:
        """The rows of a dropped quest, once the trainer has come to the end of all that waited."""
        self.wait_for(lambda: self._rests_since(name), name)
        return self._rows_of(name)

    def wait_for(self, condition: Callable[[], object], what: str) -> None:
        eventually(condition, PATIENCE, what)

    def rows(self) -> list[Row]:
        return read_metrics(self.home.metrics)

    def _rests_since(self, name: str) -> bool:
        rows, shown = self._rows_of(name), read_status(self.home.status / TrainingStatus.FILE, TrainingStatus)
        if not rows or shown is None:
            return False
        return shown.state == "idle" and shown.heartbeat_at > datetime.fromisoformat(rows[-1]["at"])

    def _rows_of(self, name: str) -> list[Row]:
        return [row for row in self.rows() if f"-{name}-" in row["quest"]]
