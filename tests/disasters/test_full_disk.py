"""The disk of the home is full: training goes on for a while, says what it lacks, and loses nothing."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from realm.arena.battle.snapshot import OPTIMIZER
from realm.core.checkpoint_ledger import CheckpointLedger
from realm.core.paths import Home
from realm.core.quests import QuestQueue
from tests.arena.realm_home import eventually, log_of, running, start
from tests.disasters.conftest import QUESTS, Told
from tests.disasters.hooks import fill, hook
from tests.disasters.records import (
    check_each_is_somewhere_once,
    copy_of,
    finish,
    history,
    kinds,
    needs_root,
    problems,
    set_config,
    small_disk,
    state,
    step_now,
    story,
    weights,
)

pytestmark = needs_root
MB = 2**20


@pytest.fixture
def home(before: Home, tmp_path: Path) -> Iterator[Home]:
    """Six quests wait on a small disk; the log lies on another."""
    with small_disk(tmp_path / "disk", megabytes=56) as disk:
        home = copy_of(before, disk / "home")
        shutil.rmtree(home.logs)
        (tmp_path / "logs").mkdir()
        home.logs.symlink_to(tmp_path / "logs")
        yield home


def ballast(home: Home) -> Path:
    return home.root.parent / "ballast"


def all_claimed(home: Home) -> bool:
    return f"number={QUESTS} " in log_of(home)


def test_in_the_middle_of_a_seal_decisions_go_on_and_with_space_all_is_made_up_for(home: Home, calm: Told) -> None:
    """Not a byte is free: the claims go into the space that the journal took before."""
    set_config(home, training={"checkpoint_steps": 10})
    full = hook(f"fill_in_seal({str(ballast(home))!r}, {OPTIMIZER!r})", "seal_at(4)", "run_fast(60)")
    with running("trainer", home, full) as trainer:
        eventually(lambda: all_claimed(home) or trainer.poll() is not None, 120, "all are claimed")
        assert list(home.seals.iterdir()) == []  # also not half of one
        assert shutil.disk_usage(home.root).free == 0
        assert history(home) == []
        ballast(home).unlink()
        eventually(lambda: len(history(home)) == QUESTS, 120, "all are filed")
        eventually(lambda: CheckpointLedger(home.current_model).list_all(), 60, "the checkpoint is made")
        eventually(lambda: "metrics rows" not in problems(home), 60, "rows that waited are written")
    assert trainer.returncode == 0
    assert Told.of(home) == calm
    check_each_is_somewhere_once(home)


def test_in_the_middle_of_a_checkpoint_it_stays_due_and_is_made_once_there_is_space(home: Home, calm: Told) -> None:
    """The seal is there; the checkpoint is not, and comes with a later step's weights."""
    due = calm.steps - 12  # the only one
    set_config(home, training={"checkpoint_steps": due})
    ledger = CheckpointLedger(home.current_model)
    full = hook(f"fill_in_checkpoint({str(ballast(home))!r})", "run_fast(60)")
    with running("trainer", home, full) as trainer:
        eventually(lambda: "a checkpoint is due and waits" in problems(home) or trainer.poll() is not None, 120)
        eventually(lambda: step_now(home) == calm.steps, 120, "training goes on")
        assert ledger.list_all() == []
        assert list(home.current_model.glob(".*checkpoint*")) == []
        ballast(home).unlink()
        eventually(lambda: ledger.list_all(), 60, "it is made")
        eventually(lambda: len(history(home)) == QUESTS, 120, "all are filed")
        eventually(lambda: problems(home) == "", 60)
    assert trainer.returncode == 0
    assert Told.of(home) == calm
    [record] = ledger.list_all()
    assert record.step > due
    assert ledger.verify(record) == []
    assert kinds(home).count("resource.back") >= 1


def test_a_checkpoint_whose_maker_was_killed_is_made_again_and_leaves_no_half_of_one(
    before: Home, calm: Told, tmp_path: Path
) -> None:
    home = copy_of(before, tmp_path / "home")
    set_config(home, training={"checkpoint_steps": 20})
    assert start("trainer", home, hook("die_in_checkpoint()")).wait(120) == 9
    assert len(list(home.current_model.glob(".checkpoint-20-*"))) == 1
    finish(home, QUESTS)
    assert list(home.current_model.glob(".*checkpoint*")) == []
    assert [record.step for record in CheckpointLedger(home.current_model).list_all()] == [40, 20]
    assert Told.of(home) == calm


@pytest.mark.parametrize("limit", ["max_unsealed_minutes", "max_open_claims"])
def test_unsealed_for_too_long_training_waits_says_why_and_goes_on_by_itself(
    home: Home, calm: Told, limit: str
) -> None:
    set_config(home, seals={"first_minutes": 0.0, limit: 1})
    fill(ballast(home), leave=2 * MB)
    with running("trainer", home, hook("run_fast(600)", "count_snapshots()")) as trainer:
        eventually(lambda: state(home) == "waiting" or trainer.poll() is not None, 120, "it waits")
        assert "a seal needs" in problems(home)
        assert f"are free in {home.seals}" in problems(home)
        stands_at, looked = step_now(home), log_of(home).count("a snapshot is taken")
        eventually(lambda: log_of(home).count("a snapshot is taken") > looked, 60, "it is tried again")
        assert step_now(home) == stands_at < calm.steps
        assert log_of(home).count("event=wait") == 1
        ballast(home).unlink()
        eventually(lambda: len(history(home)) == QUESTS, 120, "it goes on")
    assert trainer.returncode == 0
    assert Told.of(home) == calm
    assert (kinds(home).count("seal.late"), kinds(home).count("resource.back")) == (1, 1)


def test_when_a_seal_took_the_last_byte_what_it_covers_is_filed_later_also_by_another_life(
    home: Home, calm: Told
) -> None:
    """The seal after the last quest: a full disk has no room for a verdict, nor for a line of history."""
    full = hook(f"fill_after_seal({str(ballast(home))!r})")
    trainer = start("trainer", home, full)
    eventually(lambda: "ended quests wait in queue/processing" in log_of(home) or trainer.poll() is not None, 120)
    assert trainer.poll() is None, log_of(home)
    assert len(QuestQueue(home).names("processing")) == QUESTS
    trainer.kill()
    trainer.wait()
    with running("trainer", home, hook("run_fast(60)")) as trainer:
        eventually(lambda: log_of(home).count("event=ready") == 2 or trainer.poll() is not None, 120)
        assert trainer.poll() is None, log_of(home)
        assert history(home) == []
        ballast(home).unlink()
        eventually(lambda: len(history(home)) == QUESTS, 120, "all are filed")
    assert trainer.returncode == 0
    assert (weights(home), story(home)) == (calm.weights, calm.story)
    check_each_is_somewhere_once(home)


def test_while_space_is_short_no_snapshot_is_taken_at_every_step(home: Home, calm: Told) -> None:
    """One costs a copy of everything; the clock stands still nearly, so that no retry comes due."""
    set_config(home, seals={"first_minutes": 0.0})
    fill(ballast(home), leave=2 * MB)
    with running("trainer", home, hook("run_fast(0.001)", "count_snapshots()")) as trainer:
        eventually(lambda: step_now(home) == calm.steps or trainer.poll() is not None, 120, "training goes on unsealed")
        assert log_of(home).count("a snapshot is taken") == 1
    assert trainer.returncode == 0
