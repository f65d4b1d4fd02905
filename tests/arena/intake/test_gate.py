"""The gate: what becomes of a drop that is meddled with in the moment between its quest and its removal."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from realm.arena.intake.admission import Admission, Outcome
from realm.arena.intake.copying import Pulse
from realm.arena.intake.gate import Gate
from realm.arena.intake.inbox import Drop, Inbox
from realm.arena.intake.register import Register
from realm.core.config import Gatekeepers
from realm.core.log import Log
from realm.core.paths import Home
from realm.core.quests import STATES, QuestQueue

LINE = b'{"prompt": "1 + 1", "completion": "2"}\n'
Deed = Callable[[Path, Path], object]  # what a person does, given the drop and another name of it


class Meddled(Admission):
    """Once, somebody acts as soon as the quest is there."""

    deed: Callable[[], object] | None = None

    def admit(self, drop: Drop, pulse: Pulse) -> Outcome:
        outcome = super().admit(drop, pulse)
        if self.deed:
            self.deed()
            self.deed = None
        return outcome


def quests_after(home: Home, deed: Deed) -> list[str]:
    """States of the quests that one drop became, once the inbox is empty."""
    home.create()
    source, dropped = home.root / "source.jsonl", home.inbox / "x.jsonl"
    source.write_bytes(LINE)
    dropped.hardlink_to(source)
    admission = Meddled(home, Gatekeepers, lambda: None)
    admission.deed = lambda: deed(dropped, source)
    register = Register(home, "queue-watcher", Log("queue-watcher"))
    gate = Gate(admission, register, on_tick=lambda: None, is_stopping=lambda: False, on_copied=lambda: None)
    seconds = count(step=30)
    inbox = Inbox(home.inbox, clock=lambda: float(next(seconds)))
    for _ in range(4):
        for drop in inbox.look().finished:
            gate.let_in(drop)
    gate.close()
    assert not dropped.exists()
    return [state for state in STATES for _ in QuestQueue(home).names(state)]


HARMLESS: dict[str, Deed] = {
    "its other name goes": lambda dropped, source: source.unlink(),
    "it gets a third name": lambda dropped, source: source.with_name("third").hardlink_to(source),
    "its mode changes": lambda dropped, source: dropped.chmod(0o604),
}


@pytest.mark.parametrize("deed", HARMLESS.values(), ids=list(HARMLESS))
def test_a_drop_with_the_same_bytes_is_not_taken_for_a_twin_of_itself(tmp_path: Path, deed: Deed) -> None:
    assert quests_after(Home(tmp_path / "home"), deed) == ["normal"]


def test_what_was_written_to_it_meanwhile_is_another_drop(tmp_path: Path) -> None:
    assert quests_after(Home(tmp_path / "home"), lambda dropped, source: source.write_bytes(2 * LINE)) == [
        "normal",
        "normal",
    ]
