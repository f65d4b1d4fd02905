"""Somebody sets the clock back, while the daemons run and while they do not."""

from pathlib import Path

import pytest

from realm.core.checkpoint_ledger import CheckpointLedger, parse_name
from realm.core.events import tail
from realm.core.quests import QuestQueue, read_meta
from tests.arena.realm_home import eventually, log_of, running, start
from tests.disasters.hooks import hook
from tests.disasters.records import (
    copy_of,
    curve,
    finish,
    history,
    lines,
    set_config,
    small_home,
    status,
    story,
    weights,
)

HOUR = 3600


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    """Seconds by which the daemons' wall clock is off."""
    file = tmp_path / "clock"
    file.write_text("0")
    return file


def test_names_order_and_checkpoints_hold_and_the_budget_of_seals_stays_sane(
    tmp_path: Path, squire: Path, clock: Path
) -> None:
    home = small_home(tmp_path / "home", squire, checkpoint_steps=12)
    off = f"set_clock({str(clock)!r})"

    def drop(name: str, number: int) -> None:
        (home.inbox / name).write_bytes(lines(20, first=1000 * (number + 1)))
        eventually(lambda: len(QuestQueue(home).names("normal")) == number + 1, 60, name)

    with running("queue_watcher", home, hook(off)):
        drop("a.jsonl", 0)
        clock.write_text(str(-HOUR))
        drop("b.jsonl", 1)
    clock.write_text(str(-2 * HOUR))
    with running("queue_watcher", home, hook(off)):
        drop("c.jsonl", 2)
        drop("d.jsonl", 3)
    waiting = QuestQueue(home).waiting()
    assert [read_meta(quest.path).original_name for quest in waiting] == ["a.jsonl", "b.jsonl", "c.jsonl", "d.jsonl"]
    assert len({quest.name for quest in waiting}) == 4

    calm = copy_of(home, tmp_path / "calm")
    finish(calm, 4)
    clock.write_text("0")
    gate = tmp_path / "gate"
    trainer = start("trainer", home, hook(off, f"hold_at(15, {str(gate)!r})", "die_at(19)"))
    eventually(lambda: "held at step 15" in log_of(home) or trainer.poll() is not None, 60)
    clock.write_text(str(-HOUR))
    gate.touch()
    assert trainer.wait(60) == 9
    clock.write_text(str(-2 * HOUR))
    finish(home, 4, hook(off))

    assert (weights(home), story(home), curve(home)) == (weights(calm), story(calm), curve(calm))
    assert [one.quest for one in history(home)] == [quest.name for quest in waiting]
    ledger = CheckpointLedger(home.current_model)
    newest_first = [(record.step, parse_name(record.canonical_name).saved_at) for record in ledger.list_all()]
    assert [step for step, _ in newest_first] == [24, 12]
    assert newest_first[0][1] < newest_first[-1][1]  # type: ignore[operator]
    latest = ledger.get_latest()
    assert latest
    assert latest.step == newest_first[0][0]
    shown = status(home)
    assert shown
    assert shown.seals_of_a_day
    told = [event for event in tail([home.events / "trainer.jsonl"], 1000) if event.kind == "seal.written"]
    assert shown.seals_of_a_day.written == sum(event.data["bytes"] for event in told) > 0


def test_a_trainer_whose_clock_was_a_day_ahead_seals_as_ever(tmp_path: Path, squire: Path, clock: Path) -> None:
    """What it wrote down as tomorrow's is in nobody's way today."""
    home = small_home(tmp_path / "home", squire, quests=2)
    set_config(home, seals={"gb_per_day": 0.1})
    clock.write_text(str(24 * HOUR))
    trainer = start("trainer", home, hook(f"set_clock({str(clock)!r})", "seal_at(3)", "die_at(8)"))
    assert trainer.wait(60) == 9
    clock.write_text("0")
    finish(home, 2, hook(f"set_clock({str(clock)!r})"))
    assert [one.outcome for one in history(home)] == ["completed", "completed"]
