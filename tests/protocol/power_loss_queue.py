"""The queue's transitions under a power cut: a quest is in one place, whole, and what was acknowledged is done."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path

from realm.core.paths import SHARED, Home
from realm.core.quests import (
    ERROR_FILE,
    QUEST_FILE,
    RESULT_FILE,
    STATES,
    VERDICTS,
    QuestMeta,
    QuestQueue,
    read_meta,
    write_meta,
)
from tests.protocol.power_loss_subject import Subject, make_places

LINES = b'{"text": "a line of a quest"}\n' * 40  # three sectors
OLD, NEW = (b'{"outcome": "%s", "reason": "%s"}' % (name, b"why " * 200) for name in (b"old", b"new"))
NAME = "20260101T000000.000000Z-quest-0123abcd"
NOWHERE = ""


@dataclass(frozen=True)
class Transition:
    start: str  # the folder that the quest lies in before
    end: str
    act: Callable[[QuestQueue], object]
    before: tuple[str, ...] = ()  # verdicts that lie in it
    after: tuple[str, ...] = ()


def staged(queue: QuestQueue) -> Path:
    """As admission leaves it: the parts written, nothing synced."""
    folder = queue.home.staging / ".staged"
    if not queue.find(NAME):
        lay_quest(folder)
    return folder


def lay_quest(folder: Path, *verdicts: str) -> None:
    folder.mkdir()
    (folder / QUEST_FILE).write_bytes(LINES)
    write_meta(folder, meta_of(folder.name if folder.name[0] != "." else NAME))
    for name in verdicts:
        (folder / name).write_bytes(OLD)


def meta_of(name: str) -> QuestMeta:
    return QuestMeta(
        name=name,
        original_name="quest.jsonl",
        sha256=sha256(LINES).hexdigest(),
        bytes=len(LINES),
        lines=40,
        schema_id="completion_v1",
        priority="normal",
        admitted_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


TRANSITIONS = {
    "publish": Transition(NOWHERE, "normal", lambda q: q.publish(staged(q), NAME, "normal")),
    "refuse": Transition(NOWHERE, "failed", lambda q: q.refuse(staged(q), NAME, NEW), (), (ERROR_FILE,)),
    "claim": Transition("low", "processing", lambda q: q.claim(NAME)),
    "reclaim": Transition("recently_completed", "processing", lambda q: q.reclaim(NAME), (RESULT_FILE,)),
    "release": Transition("processing", "high", lambda q: q.release(NAME, "high")),
    "complete": Transition(
        "processing", "recently_completed", lambda q: q.complete(NAME, NEW), (ERROR_FILE,), (RESULT_FILE,)
    ),
    "fail": Transition("processing", "failed", lambda q: q.fail(NAME, NEW), (RESULT_FILE,), (ERROR_FILE,)),
    "move": Transition("low", "high", lambda q: q.move(NAME, "high")),
    "retry": Transition("failed", "normal", lambda q: q.retry(NAME, "normal"), (ERROR_FILE,)),
    "remove": Transition("low", NOWHERE, lambda q: q.remove(NAME)),
}


def lay(transition: Transition, home: Home) -> None:
    make_places(home, "queue", ".staging")
    if transition.start:
        lay_quest(home.queue / transition.start / NAME, *transition.before)


def start(home: Home) -> QuestQueue:
    queue = QuestQueue(home)
    queue.sweep()
    for leftover in home.staging.iterdir():  # as the queue-watcher does, for all that it finds
        for file in leftover.iterdir():
            file.unlink()
        leftover.rmdir()
    return queue


def check(transition: Transition, queue: QuestQueue, acknowledged: int) -> None:
    places = [state for state in STATES if (queue.home.queue / state / NAME).exists()] or [NOWHERE]
    assert places == [transition.end] or (not acknowledged and places == [transition.start]), f"it lies in {places}"
    assert queue.strangers() == []
    if places != [NOWHERE]:
        check_quest(transition, queue.home.queue / places[0] / NAME, done=bool(acknowledged))


def check_quest(transition: Transition, folder: Path, *, done: bool) -> None:
    check_whole(folder)
    verdicts = {name: (folder / name).read_bytes() for name in VERDICTS if (folder / name).exists()}
    assert set(verdicts.values()) <= {OLD, NEW}, f"a torn verdict: {verdicts}"
    if (transition.end == "normal" and transition.start != NOWHERE) or transition.end == "processing":
        for name in transition.before:  # nothing is lost of what it was set aside for
            kept = [file.read_bytes() for file in (folder / name, folder / f".previous-{name}") if file.exists()]
            assert kept == [OLD], f"{name}: {kept}"
    if done or folder.parent.name == transition.end:
        assert set(verdicts) >= set(transition.after), "it has ended, and nothing says why"
    if done:
        assert tuple(verdicts) == transition.after, f"its verdicts are {tuple(verdicts)}"
    if done and transition.start == NOWHERE:
        assert folder.stat().st_mode & 0o7777 == SHARED, f"people cannot move it: {folder.stat().st_mode:o}"


def check_whole(folder: Path) -> None:
    assert (folder / QUEST_FILE).read_bytes() == LINES, "its lines are torn"
    assert read_meta(folder).name == folder.name


SUBJECTS = tuple(
    Subject(f"queue: {name}", partial(lay, one), start, (one.act,), partial(check, one))
    for name, one in TRANSITIONS.items()
)
