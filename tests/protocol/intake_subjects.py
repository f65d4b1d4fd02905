"""A drop becomes a quest, or is turned away: as the queue-watcher's work loop does it, without its clock."""

import gzip
import math
from itertools import count

import msgspec

from realm.arena.intake.admission import Admission
from realm.arena.intake.gate import Gate
from realm.arena.intake.inbox import Inbox
from realm.arena.intake.register import Register
from realm.core.config import Gatekeepers
from realm.core.events import events_after
from realm.core.history import read_history
from realm.core.log import Log
from realm.core.paths import Home
from realm.core.quests import QUEST_FILE, STATES, QuestQueue, read_meta
from tests.protocol.subject import Complaint, Complaints, Subject

LINE = b'{"messages":[{"role":"user","content":"1+1"},{"role":"assistant","content":"2"}]}\n'
GOOD, BAD = LINE * 50, LINE * 20 + b"oops\n"
SIDECAR = b'{"generator_id": "g", "epochs": 2}'


def lay(home: Home, name: str, content: bytes) -> None:
    (home.inbox / "high" / name).write_bytes(content)
    (home.inbox / "high" / f"{name}.meta.json").write_bytes(SIDECAR)


def let_in(home: Home) -> None:
    """One start, and looks until the inbox is worked through once."""
    register = Register(home, "queue-watcher", Log("queue-watcher"))
    admission = Admission(home, Gatekeepers, lambda: None)
    admission.recover()
    gate = Gate(admission, register, on_tick=lambda: None, is_stopping=lambda: False, on_copied=lambda: None)
    seconds = count(step=30)
    inbox = Inbox(home.inbox, clock=lambda: float(next(seconds)))
    inbox.look()
    for drop in inbox.look().finished:
        gate.let_in(drop)
    register.write_lineage()
    if gate.problems or not math.isinf(register.lineage_due):
        raise OSError("it waits, and is tried again")


def is_quest(home: Home, content: bytes, *, is_refused: bool) -> Complaints:
    rest = [path.name for path in home.inbox.rglob("*") if path.is_file()]
    quests = [home.queue / state / name for state in STATES for name in QuestQueue(home).names(state)]
    if rest:
        yield Complaint("stuck", f"in the inbox lies {rest}")
    if len(quests) != 1:
        yield Complaint("twice" if quests else "lost", f"the drop is {len(quests)} quests")
    for quest in quests:
        if quest.parent.name != ("failed" if is_refused else "high"):
            yield Complaint("stuck", f"the quest lies in {quest.parent.name}")
        if (quest / QUEST_FILE).read_bytes() != content:
            yield Complaint("torn", "the quest has other bytes than the drop")
        meta = read_meta(quest)
        if (meta.generator_id, meta.epochs) != ("g", 2):
            yield Complaint("lost", "its sidecar is not heard")
    outcome = "refused" if is_refused else "admitted"
    told = [event.kind for event in events_after(home.events / "queue-watcher.jsonl")[0]]
    if told.count(f"quest.{outcome}") > 1:  # one that a full disk swallowed is gone: nothing rests on events
        yield Complaint("twice", f"the events tell {told}")
    entered = [line.outcome for line in read_history(home.history / "queue-watcher.jsonl")]
    if entered != (["refused"] if is_refused else []):
        yield Complaint("twice" if len(entered) > 1 else "lost", f"the history has {entered}")
    lineage = msgspec.json.decode((home.status / "data_lineage.json").read_bytes())
    if lineage["total_validations"] != 1:
        yield Complaint("twice", f"lineage counts {lineage['total_validations']} drops")


SUBJECTS = {
    "admission": Subject(
        prepare=lambda home: lay(home, "good.jsonl", GOOD),
        act=let_in,
        check=lambda home: is_quest(home, GOOD, is_refused=False),
    ),
    "admission of .gz": Subject(
        prepare=lambda home: lay(home, "good.jsonl.gz", gzip.compress(GOOD)),
        act=let_in,
        check=lambda home: is_quest(home, GOOD, is_refused=False),
    ),
    "refusal of a drop": Subject(
        prepare=lambda home: lay(home, "bad.jsonl", BAD),
        act=let_in,
        check=lambda home: is_quest(home, BAD, is_refused=True),
    ),
}
