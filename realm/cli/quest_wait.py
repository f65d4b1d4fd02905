"""What becomes of a drop: how it goes on, and waiting for it."""

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec
from msgspec import Struct

from realm.cli.terminal import printable
from realm.core.quests import (
    ERROR_FILE,
    PRIORITIES,
    STATES,
    Priority,
    Quest,
    QuestMeta,
    QuestMetaError,
    QuestQueue,
    read_meta,
)
from realm.core.status import QueueWatcherStatus, StatusError, is_locked, read_status

POLL = 0.1  # seconds between two looks


@dataclass(frozen=True)
class Drop:
    """A file that was dropped."""

    path: Path  # in the inbox
    size: int
    sha256: str | None  # of the quest's bytes; of an archive's we know nothing
    priority: Priority
    after: str | None  # the newest quest when it was dropped

    @property
    def shown(self) -> str:
        """inbox/high/x.jsonl"""
        inbox = next(folder for folder in self.path.parents if folder.name == "inbox")
        return printable(str(self.path.relative_to(inbox.parent)))


class _Refusal(Struct):
    """What we read of an error.json."""

    reason: str = "see its error.json"


def what_next(queue: QuestQueue, priority: Priority) -> str:
    """One sentence."""
    if not _watcher_runs(queue):
        return "It stays there until the queue-watcher runs: `realm run queue-watcher`"
    urgent = PRIORITIES[: PRIORITIES.index(priority) + 1]
    before = sum(quest.priority in urgent for quest in queue.waiting())
    turn = f"behind {before:,} other{'s' if before > 1 else ''}" if before else "as the next one"
    return f"The queue-watcher checks it and puts it into queue/{priority}, {turn}; `realm quest ls` shows it there"


def wait_for(queue: QuestQueue, drop: Drop) -> bool:
    """Waits until a drop is a quest, and tells; False if it was refused. Raises click.ClickException."""
    told: list[str] = []
    while True:
        is_gone = not drop.path.exists()  # asked first: the quest appears before the drop goes
        if became := _quest_of(queue, drop):
            return _tell(drop, *became)
        if is_gone:
            raise click.ClickException(f"{drop.shown} was taken away, and no quest was made of it")
        obstacles = _obstacles(queue)
        for obstacle in obstacles:
            if obstacle not in told:
                click.echo(printable(obstacle), err=True)
        told = obstacles
        time.sleep(POLL)


def _tell(drop: Drop, quest: Quest, meta: QuestMeta) -> bool:
    name = printable(drop.path.name)
    try:
        refusal = msgspec.json.decode((quest.path / ERROR_FILE).read_bytes(), type=_Refusal)
    except FileNotFoundError:
        click.echo(f"⏳ {name} is in queue/{quest.state} as {quest.name}: {meta.lines:,} lines")
        for warning in meta.warnings:
            click.echo(f"   warning: {printable(warning)}")
        return True
    click.echo(f"🚫 {name} is refused: {printable(refusal.reason)}")
    click.echo(f"   realm quest show {quest.name}")
    return False


def _quest_of(queue: QuestQueue, drop: Drop) -> tuple[Quest, QuestMeta] | None:
    """The quest that was made of a drop."""
    wanted = printable(drop.path.name), drop.priority
    for name in (name for state in STATES for name in queue.names(state) if drop.after is None or name > drop.after):
        quest = queue.find(name)
        try:
            meta = read_meta(quest.path) if quest else None
        except (FileNotFoundError, QuestMetaError):
            continue
        if quest and meta and (meta.original_name, meta.priority) == wanted and drop.sha256 in (None, meta.sha256):
            return quest, meta
    return None


def _obstacles(queue: QuestQueue) -> list[str]:
    """What may keep drops in the inbox; nothing while the queue-watcher is busy or idle."""
    if not _watcher_runs(queue):
        return ["waits for the queue-watcher, which is not running: `realm run queue-watcher`"]
    with suppress(StatusError):  # of another version: nothing is known
        said = read_status(queue.home.status / QueueWatcherStatus.FILE, QueueWatcherStatus)
        return said.problems[:1] if said and said.state == "waiting" else []  # the first is what it waits for
    return []


def _watcher_runs(queue: QuestQueue) -> bool:
    return is_locked(queue.home.locks / "queue-watcher.lock")
