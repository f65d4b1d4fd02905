"""What people and other programs ask for, under a power cut: drops, flags, holds, orders."""

import gzip
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from realm.arena.intake.admission import Admission, Refusal
from realm.arena.intake.gate import Gate
from realm.arena.intake.inbox import Drop, File, Identity
from realm.arena.intake.register import Register
from realm.core.config import Gatekeepers
from realm.core.control import Control
from realm.core.files import sha256_of
from realm.core.history import read_history
from realm.core.paths import Home
from realm.core.quests import ERROR_FILE, QUEST_FILE, read_meta
from tests.protocol.power_loss_subject import Subject, make_places

# Admission: a drop is in the inbox until its quest is durable

GOOD = b'{"prompt": "a question", "completion": "an answer"}\n' * 30
BAD = b'{"prompt": "a question"}\n' * 30
SIDECAR = msgspec.json.encode({"generator_id": "a generator " * 10})


@dataclass
class Watching:
    home: Home
    gate: Gate

    def let_in(self, name: str) -> None:
        """Unless it became a quest before."""
        path = self.home.inbox / name
        if path.exists():
            sidecar = path.with_name(f"{name}.meta.json")
            beside = File(sidecar, Identity.of(sidecar.lstat())) if sidecar.exists() else None
            self.gate.let_in(Drop(path, Identity.of(path.lstat()), name, "normal", is_link=False, sidecar=beside))


def lay_drop(name: str, content: bytes, home: Home) -> None:
    make_places(home, "inbox", ".staging", "queue", "history", "events", "status")
    (home.inbox / name).write_bytes(content)
    (home.inbox / f"{name}.meta.json").write_bytes(SIDECAR)


def start_watching(home: Home) -> Watching:
    admission = Admission(home, Gatekeepers, lambda: None)
    admission.recover()
    register = Register(home, "queue-watcher", lambda *words, **fields: None)
    gate = Gate(admission, register, on_tick=lambda: None, is_stopping=lambda: False, on_copied=lambda: None)
    return Watching(home, gate)


def check_admitted(name: str, content: bytes, plain: bytes, watching: Watching, acknowledged: int) -> None:
    home = watching.home
    assert list(home.staging.iterdir()) == []
    quests = [quest for state in ("normal", "failed") for quest in (home.queue / state).iterdir()]
    drop = home.inbox / name
    assert len(quests) <= 1, f"one drop became {len(quests)} quests"
    assert quests or not acknowledged, "the quest is lost"
    assert quests or drop.exists(), "the drop is lost, and no quest was made of it"
    assert not drop.exists() or drop.read_bytes() == content
    for quest in quests:
        check_quest(quest, plain)
        if acknowledged and plain == BAD:
            ended = [one.quest for one in read_history(home.history / "queue-watcher.jsonl")]
            assert ended == [quest.name], f"its history is {ended}"


def check_quest(quest: Path, plain: bytes) -> None:
    assert (quest / QUEST_FILE).read_bytes() == plain
    meta = read_meta(quest)
    assert meta.sha256 == sha256_of(quest / QUEST_FILE)
    assert meta.generator_id.startswith("a generator") or not (quest / "sidecar.json").exists()
    assert (quest.parent.name == "failed") == (plain == BAD)
    if plain == BAD:
        assert msgspec.json.decode((quest / ERROR_FILE).read_bytes(), type=Refusal).total > 0


DROPS = {
    "x.jsonl": (GOOD, GOOD),
    "x.jsonl.gz": (gzip.compress(GOOD, mtime=0), GOOD),
    "bad.jsonl": (BAD, BAD),
}
ADMISSION = tuple(
    Subject(
        f"admission of {name}",
        partial(lay_drop, name, content),
        start_watching,
        (partial(lambda name, watching: watching.let_in(name), name),),
        partial(check_admitted, name, content, plain),
    )
    for name, (content, plain) in DROPS.items()
)


# Flags and holds

ASKED = "a person asked"


def lay_control(home: Home) -> None:
    make_places(home, "control")


def start_control(home: Home) -> Control:
    return Control(home, wait=lambda seconds: None)


def raise_pause(control: Control) -> None:
    control.raise_flag("pause", ASKED)


def place_hold(control: Control) -> None:
    control.place_hold("guardian", ASKED)


def check_flag(control: Control, acknowledged: int) -> None:
    flag = control.flag("pause")
    assert flag is None or flag.reason == ASKED, f"a torn flag: {flag}"
    assert flag or not acknowledged, "the flag that was raised is gone"


def check_hold(control: Control, acknowledged: int) -> None:
    reasons = [hold.reason for hold in control.holds()]
    assert reasons in ([], [ASKED]), f"a torn hold: {reasons}"
    assert reasons or not acknowledged, "the hold is gone"


def lay_held(home: Home) -> None:
    make_places(home, "control")
    raise_pause(Control(home))
    place_hold(Control(home))


def check_lifted(control: Control, acknowledged: int) -> None:
    assert acknowledged < 1 or not control.flag("pause"), "the flag that was removed is up again"
    assert acknowledged < 2 or not control.holds(), "the hold that was lifted is back"


FLAG = Subject("flag", lay_control, start_control, (raise_pause,), check_flag)
HOLD = Subject("hold", lay_control, start_control, (place_hold,), check_hold)
LIFTED = Subject(
    "flag and hold lifted",
    lay_held,
    start_control,
    (Control.resume, lambda one: one.lift_hold("guardian")),
    check_lifted,
)


def lay_one_shot(home: Home) -> None:
    make_places(home, "control")
    (home.control / ".skip").touch()


def lower(control: Control) -> bool:
    """False if it is down already: then the journal still has its identity."""
    flag = control.flag("skip")
    return flag is not None and control.lower(flag)


def check_lowered(control: Control, acknowledged: int) -> None:
    assert not acknowledged or not control.flag("skip"), "the flag that was obeyed is up again"


ONE_SHOT = Subject("one-shot", lay_one_shot, start_control, (lower,), check_lowered)


# Orders

LOAD = {"step": 7, "why": "because " * 100}


def place_order(control: Control) -> None:
    control.place_order("oracle", "load", LOAD)


def check_order(control: Control, acknowledged: int) -> None:
    order = control.next_order("oracle")
    assert order or not acknowledged, "the order is lost"
    assert not order or order.arguments == LOAD


def lay_order(home: Home) -> None:
    make_places(home, "control")
    place_order(Control(home))


def carry_out(control: Control) -> bool:
    """False if there is nothing to do."""
    order = control.next_order("oracle")
    if order is None:
        return False
    assert order.arguments == LOAD, "a torn order is carried out"
    control.answer(order, LOAD)
    return True


def check_answer(control: Control, acknowledged: int) -> None:
    orders = control.home.orders / "oracle"
    answers = [control.answer_to("oracle", file.stem) for file in orders.glob("done/[!.]*.json")]
    assert all(answer and answer.result == LOAD for answer in answers), f"a torn answer: {answers}"
    assert answers or list(orders.glob("[!.]*.json")), "the order is gone, and nobody has an answer"
    assert not acknowledged or (answers and not list(orders.glob("[!.]*.json"))), "the order is given again"


ORDER = Subject("order", lay_control, start_control, (place_order,), check_order)
ANSWER = Subject("answer to an order", lay_order, start_control, (carry_out,), check_answer)

SUBJECTS = (*ADMISSION, FLAG, HOLD, LIFTED, ONE_SHOT, ORDER, ANSWER)
