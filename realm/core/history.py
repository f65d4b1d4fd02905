"""History: one line for every quest that ever ended. Gold, audit and progression are counted from it.

Never pruned, never rotated, durable line by line. Each daemon that ends quests has its own file.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import orjson
from msgspec import Meta, Struct

from realm.core.files import settle
from realm.core.json_safe import json_safe
from realm.core.jsonl import append_lines, numbered_lines

ENDERS = ("queue-watcher", "trainer")  # who ends quests; others keep histories of other things

Outcome = Literal["completed", "skipped", "failed", "refused", "lost"]
Count = Annotated[int, Meta(ge=0)]


class DamagedHistory(ValueError):
    """A line that is no ended quest, and is not the last: the file was edited or the disk is bad."""


class EndedQuest(Struct, frozen=True, kw_only=True):
    """One line. A drop that was refused has no claim; a quest that was retried has one line per claim."""

    claim: Count | None
    campaign: str | None = None  # whose claim it is: the next campaign counts from 1 again
    quest: str
    outcome: Outcome
    ended_at: Annotated[datetime, Meta(tz=True)]
    priority: str | None = None
    sha256: str | None = None  # of the plain bytes
    bytes: Count | None = None
    steps: Count = 0
    examples: Count = 0
    tokens: Count = 0
    seal: str | None = None  # the first that covers it
    reason: str | None = None  # why it did not complete
    data: dict[str, Any] = {}  # lineage, skill and level, as the quest's sidecar had them


class History:
    """Appends to one daemon's file."""

    def __init__(self, folder: Path, daemon: str):
        """Reads the file once. Raises DamagedHistory, OSError."""
        self._path = folder / f"{daemon}.jsonl"
        settle(self._path)  # whoever asks `holds` relies on the answer
        self._ended = {_key(quest) for quest in read_history(self._path)}

    def holds(self, campaign: str | None, claim: int | None, quest: str) -> bool:
        """Whether this claim of this quest (None: a quest that was never claimed) is there already."""
        unnamed = (None, claim, quest)  # as the lines of earlier versions are: they name no campaign
        return (campaign, claim, quest) in self._ended or (claim is not None and unnamed in self._ended)

    def append(self, ended: EndedQuest) -> bool:
        """Durable when it returns; False if this claim of this quest is there already, from before a crash.

        Raises msgspec.ValidationError for a bad field. Raises OSError, and then the file is as it was.
        """
        if self.holds(ended.campaign, ended.claim, ended.quest):
            return False
        fields, lost = json_safe(msgspec.to_builtins(ended))
        if lost:
            fields["data"]["problems"] = lost
        msgspec.convert(fields, EndedQuest)
        append_lines(self._path, orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE), durable=True)
        self._ended.add(_key(ended))
        return True


def _key(ended: EndedQuest) -> tuple[str | None, int | None, str]:
    return ended.campaign, ended.claim, ended.quest


def read_history(path: Path) -> Iterator[EndedQuest]:
    """Every ended quest, oldest first; none if there is no file. A torn last line is left out, as it was never
    acknowledged. Raises DamagedHistory for any other line that cannot be read.
    """
    for number, line in numbered_lines(path):
        yield _ended_quest(line, path, number)


def _ended_quest(line: bytes, path: Path, number: int) -> EndedQuest:
    try:
        return msgspec.json.decode(line, type=EndedQuest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DamagedHistory(
            f"{path}, line {number}: {error}. Gold and audit are counted from this file: "
            "mend the line by hand from a backup, or delete it and lose that quest's record"
        ) from error
