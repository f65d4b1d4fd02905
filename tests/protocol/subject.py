"""What is struck: something that a daemon or a person does to files, and what must be true when it has ended."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

from realm.core.paths import Home
from realm.core.quests import QUEST_FILE, STATES, QuestMeta, State, write_meta

Kind = Literal["lost", "twice", "torn", "stuck", "leftover"]


class Complaint(NamedTuple):
    kind: Kind
    text: str


Complaints = Iterator[Complaint]


@dataclass(frozen=True)
class Subject:
    prepare: Callable[[Home], object]
    act: Callable[[Home], object]  # what is struck; it is done again after a start, until it ends
    check: Callable[[Home], Complaints]  # what must be true whenever `act` has ended
    is_truth: bool = True  # a sync that fails must not be passed over; curves are synced as far as the disk lets them


# Quests for subjects

LINES = b'{"text": "a line"}\n' * 100
DIGEST = hashlib.sha256(LINES).hexdigest()
VERDICT = b'{"outcome": "as told"}'


def name_of(title: str) -> str:
    return f"20260101T000000.000000Z-{title}-{DIGEST[:8]}"


def folder_of(home: Home, state: State | Literal[".staging"], title: str = "quest") -> Path:
    return (home.staging if state == ".staging" else home.queue / state) / name_of(title)


def lay(folder: Path, *verdicts: str) -> None:
    """A quest with its lines, its meta, and its verdicts."""
    folder.mkdir()
    (folder / QUEST_FILE).write_bytes(LINES)
    meta = QuestMeta(
        name=folder.name,
        original_name="quest.jsonl",
        sha256=DIGEST,
        bytes=len(LINES),
        lines=LINES.count(b"\n"),
        schema_id="completion_v1",
        priority="low",
        admitted_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    write_meta(folder, meta)
    for name in verdicts:
        (folder / name).write_bytes(VERDICT)


def lies_only_in(home: Home, state: State | None, title: str = "quest") -> Complaints:
    """Every quest is in exactly one place."""
    found = [one for one in STATES if folder_of(home, one, title).exists()]
    if state and not found:
        yield Complaint("lost", f"{title} is nowhere")
    elif len(found) > 1:
        yield Complaint("twice", f"{title} lies in {' and '.join(found)}")
    elif found != [state] and (found or state):
        yield Complaint("stuck", f"{title} lies in {' '.join(found) or 'no folder'}, not in {state or 'none'}")
