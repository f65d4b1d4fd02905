"""A realm's home for tests, with real quests in it and real daemons beside it."""

import hashlib
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from realm.core.paths import Home
from realm.core.quests import QUEST_FILE, QuestMeta, QuestQueue, new_name, write_meta
from tests.arena.preloaded import Life

FAST = {
    "batch_size": 2,
    "max_length": 256,
    "warmup_steps": 5,
    "eval_steps": 7,
    "checkpoint_steps": 25,
    "learning_rate": 0.002,
}

RUN = (
    "import realm.cli.main; from pathlib import Path; from realm.arena.{daemon} import main; "
    "{before}main(Path({home!r}))"
)


def make_home(root: Path, squire: Path, *, seal_seconds: float = 600.0, **training: object) -> Home:
    home = Home(root)
    home.create()
    shutil.copytree(squire, home.models / "squire")
    seals = {"minutes": max(0.01, seal_seconds / 60), "first_minutes": seal_seconds / 60, "dry_minutes": 0.0}
    config = {"training": {**FAST, **training}, "seals": seals, "threads": 1}
    home.config_file.write_bytes(msgspec.json.encode(config))
    return home


def put_quest(
    home: Home,
    content: bytes,
    name: str = "quest.jsonl",
    priority: str = "normal",
    epochs: int = 1,
    schema_id: str = "chat_sft_v1",
) -> str:
    """Publishes a quest as the queue-watcher does; returns its name."""
    digest = hashlib.sha256(content).hexdigest()
    queue = QuestQueue(home)
    quest = new_name(name, digest, queue.latest())
    staging = home.staging / f".{quest}"
    staging.mkdir()
    (staging / QUEST_FILE).write_bytes(content)
    meta = QuestMeta(
        name=quest,
        original_name=name,
        sha256=digest,
        bytes=len(content),
        lines=content.count(b"\n"),
        schema_id=schema_id,
        priority=priority,  # type: ignore[arg-type]
        admitted_at=datetime.now(UTC),
        epochs=epochs,
    )
    write_meta(staging, meta)
    queue.publish(staging, quest, priority)  # type: ignore[arg-type]
    return quest


def start(daemon: str, home: Home, before: str = "") -> Life:
    """The daemon as a process of its own; `before` is Python that injects a fault into it."""
    code = RUN.format(daemon=daemon, home=str(home.root), before=before)
    with (home.logs / f"{daemon}.log").open("ab") as log:
        return Life(code, log.fileno())


def log_of(home: Home, daemon: str = "trainer") -> str:
    return (home.logs / f"{daemon}.log").read_text()


@contextmanager
def running(daemon: str, home: Home, before: str = "") -> Iterator[Life]:
    """The daemon, ended with SIGTERM (and with SIGKILL if that does not help) when the block is left."""
    process = start(daemon, home, before)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def eventually(condition: Callable[[], object], seconds: float = 180.0, what: str = "") -> None:
    """Looks until the condition holds; fails after a time that only a broken program takes."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or condition}"
        time.sleep(0.02)
