"""Faults made on purpose, in the recorded process only: each must leave a state that the checks find wrong."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from types import SimpleNamespace
from typing import Any

from realm.arena import unlocking
from realm.arena.battle import checkpoint, journal, seal
from realm.arena.intake import admission
from realm.core import control, files, jsonl, quests


@dataclass(frozen=True)
class Mutation:
    subject: str
    module: Any  # or class
    name: str  # of what is replaced in it
    replacement: Any

    def apply(self) -> None:
        setattr(self.module, self.name, self.replacement)


def nothing(*_: object) -> None: ...


def os_with(**others: Callable[..., object]) -> SimpleNamespace:
    """The module os, but for these functions."""
    return SimpleNamespace(**{**vars(os), **others})


def sync_of_folders_only(descriptor: int) -> None:
    if not S_ISREG(os.fstat(descriptor).st_mode):
        os.fsync(descriptor)


def folders_synced_only(path: Path, flags: int = 0, sync: Callable[[Path, int], None] = files._fsync) -> None:
    if flags:
        sync(path, flags)


def named_before_written(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    temporary = path.with_name(".early.tmp")
    temporary.touch(mode)
    temporary.rename(path)
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    files.fsync_directory(path.parent)


def ended_before_its_verdict(queue: quests.QuestQueue, name: str, end: Any, verdict: str, content: bytes) -> Path:
    folder = queue._bring(name, ("processing",), end)
    files.write_whole(folder / verdict, content)
    return folder


MUTATIONS = {
    "a line of the journal is not synced": Mutation("journal", journal, "os", os_with(fdatasync=nothing)),
    "names in the journal are not synced": Mutation("journal", journal, "fsync_directory", nothing),
    "a seal's parts are not synced": Mutation("seals", files, "_fsync", folders_synced_only),
    "a seal's name is not synced": Mutation("seals", seal, "publish_folder", Path.rename),
    "a checkpoint's weights go before its name": Mutation("checkpoints", checkpoint, "fsync_directory", nothing),
    "a quest's files are not synced": Mutation("queue: publish", quests, "_sync_contents", nothing),
    "names in the queue are not synced": Mutation("queue: claim", quests, "fsync_directory", nothing),
    "a quest moves before its verdict": Mutation(
        "queue: complete", quests.QuestQueue, "_end", ended_before_its_verdict
    ),
    "a quest's files go before its name": Mutation("queue: remove", quests, "_delete", shutil.rmtree),
    "a drop goes before its quest is durable": Mutation("admission of x.jsonl", quests, "fsync_directory", nothing),
    "a drop goes before its quest is published": Mutation(
        "admission of x.jsonl", admission, "_require_unchanged", lambda drop: drop.path.unlink()
    ),
    "a file in place of another is not synced": Mutation(
        "config.json", files, "os", os_with(fsync=sync_of_folders_only)
    ),
    "its name is not synced": Mutation("order", files, "fsync_directory", nothing),
    "it is named before it is written": Mutation("hold", control, "write_whole", named_before_written),
    "a line of history is not synced": Mutation("history", jsonl, "os", os_with(fsync=nothing)),
    "the name of history is not synced": Mutation("history", jsonl, "_fsync_names", nothing),
    "a backup's name is not synced": Mutation("unlock model_name", unlocking, "fsync_directory", nothing),
}
