"""Which ended quests leave the disk: the oldest beyond the settings' limits. History keeps a line of each for ever."""

from pathlib import Path
from typing import NamedTuple

import msgspec

from realm.core.config import Retention
from realm.core.quests import VERDICTS, Ended, QuestQueue

GIB = 2**30


class _Verdict(msgspec.Struct):
    """What of result.json or error.json counts here."""

    seal: str | None = None  # `<step>-<number>`, the first that covers the claim; none for what was never claimed


def prune_ended(queue: QuestQueue, end: Ended, limits: Retention, oldest_seal: int) -> list[str]:
    """Removes ended quests beyond the limits; returns their names.

    One that only a seal newer than number `oldest_seal` covers stays: falling back to that one would train it again.
    """
    surplus = _surplus(queue, end, limits)
    doomed = {name for name in surplus if _seal_number(queue.home.queue / end / name) <= oldest_seal}
    return queue.prune(end, keep=lambda name: name not in doomed) if doomed else []


def _surplus(queue: QuestQueue, end: Ended, limits: Retention) -> list[str]:
    """Names from the end that ended longest ago; the newest always stays."""
    looks = [look for name in queue.names(end) if (look := _look(queue.home.queue / end / name))]
    looks.sort(key=lambda look: look.ended_at, reverse=True)
    size = 0
    for index, look in enumerate(looks):
        size += look.size
        if index and (index >= limits.ended_quests or size > limits.ended_gb * GIB):
            return [one.name for one in looks[index:]]
    return []


class _Look(NamedTuple):
    name: str
    ended_at: int  # nanoseconds since 1970
    size: int  # bytes


def _look(folder: Path) -> _Look | None:
    """None if a person removes it just now."""
    try:
        size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
        return _Look(folder.name, (_verdict(folder) or folder).stat().st_mtime_ns, size)
    except FileNotFoundError:
        return None


def _verdict(folder: Path) -> Path | None:
    return next((file for name in VERDICTS if (file := folder / name).exists()), None)


def _seal_number(folder: Path) -> int:
    """0 for a quest that no seal has to cover."""
    verdict = _verdict(folder)
    try:
        seal = msgspec.json.decode(verdict.read_bytes(), type=_Verdict).seal if verdict else None
        return int(seal.rpartition("-")[2]) if seal else 0
    except (FileNotFoundError, msgspec.DecodeError, ValueError):  # a hand removed it, or wrote it
        return 0
