"""Keeps the queue fed: batches of the curriculum become drops in inbox/low, each exactly once.

A batch is a line of the annals first, then a drop whose bytes follow from that line. After a kill or a full disk in
between, the last line's drop is looked for wherever a drop can be by then, and made again if it is nowhere.
"""

import hashlib
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from realm.core.files import write_whole
from realm.core.history import ENDERS, read_history
from realm.core.paths import Home
from realm.core.quests import STATES, QuestQueue, read_meta
from realm.guild.annals import Annals, Dispatched
from realm.guild.batches import batch_lines, batch_sidecar, main_level
from realm.guild.curriculum import Decision
from realm.guild.skills import get_trainer, list_skills

DROPS = (".jsonl", ".jsonl.gz", ".jsonl.zst")


def quests_ahead(home: Home) -> int:
    """Quests that wait, and drops that will."""
    drops = sum(path.name.endswith(DROPS) and not path.name.startswith(".") for path in home.inbox.rglob("*"))
    return drops + QuestQueue(home).count_waiting()


def dispatch(home: Home, annals: Annals, decision: Decision) -> Dispatched:
    """Decides on the batch for good, and drops it. Raises OSError; SkillError, and then nothing is decided."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    trainer = get_trainer(decision.skill)
    lines = batch_lines(trainer, decision.parts)
    line = Dispatched(
        number=decision.number,
        skill=decision.skill,
        version=trainer.VERSION,
        parts=decision.parts,
        reason=decision.reason,
        at=now,
    )
    annals.append(line)
    _drop(home, line, lines)
    return line


def recover(home: Home, annals: Annals) -> Dispatched | None:
    """Makes the last batch's drop if something came before it; returns it then. Raises OSError, SkillError.

    Not if its skill is gone, or of another version now: what it held cannot be made again.
    """
    last = annals.dispatched[-1] if annals.dispatched else None
    if last is None or (home.inbox / "low" / drop_name(last)).exists() or last.skill not in list_skills():
        return None
    trainer = get_trainer(last.skill)
    if last.version != trainer.VERSION:
        return None
    lines = batch_lines(trainer, last.parts)
    if _was_admitted(home, hashlib.sha256(lines).hexdigest()):
        return None
    _drop(home, last, lines)
    return last


def drop_name(line: Dispatched) -> str:
    return f"curriculum-{line.number:06d}-{line.skill}-l{main_level(line.parts)}.jsonl"


def _drop(home: Home, line: Dispatched, lines: bytes) -> None:
    """The sidecar first: a drop that has one is taken with it."""
    file = home.inbox / "low" / drop_name(line)
    sidecar = batch_sidecar(line.skill, line.version, line.parts, line.at, batch=line.number, reason=line.reason)
    write_whole(file.with_name(file.name + ".meta.json"), sidecar, mode=0o664)
    write_whole(file, lines, mode=0o664)


def _was_admitted(home: Home, sha256: str) -> bool:
    """In the order of a quest's life, so that one that moves on meanwhile is not missed."""
    queue = QuestQueue(home)
    waiting = (_sha256(home.queue / state / name) for state in STATES for name in reversed(queue.names(state)))
    ended = (quest.sha256 for daemon in ENDERS for quest in read_history(home.history / f"{daemon}.jsonl"))
    return sha256 in chain(waiting, ended)


def _sha256(folder: Path) -> str | None:
    """None if it has moved on."""
    try:
        return read_meta(folder).sha256
    except (FileNotFoundError, ValueError):
        return None
