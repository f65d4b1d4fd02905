"""Unlocking through a real trainer: the backup is whole, and training goes on, or begins anew."""

from pathlib import Path

import orjson
import pytest

from realm.arena.battle.seal import newest_verified
from realm.arena.unlocking import RECORD, NotLocked, unlock
from realm.armory.settings import Settings
from realm.core.history import read_history
from realm.core.instance import AlreadyRunning, InstanceLock
from realm.core.metrics import read_metrics
from realm.core.paths import Home
from realm.core.quests import RESULT_FILE
from tests.arena.realm_home import log_of, make_home, put_quest, start
from tests.arena.test_trainer import finish, lines


@pytest.fixture
def home(tmp_path: Path, squire: Path) -> Home:
    """One quest was trained here."""
    made = make_home(tmp_path / "home", squire)
    put_quest(made, lines(60))
    finish(made, 1)
    return made


def test_another_max_length_goes_on_with_the_campaign_after_a_copy_of_its_seal(home: Home) -> None:
    sealed, _ = newest_verified(home.seals)
    assert sealed
    backup = unlock(Settings.read(home), "training.max_length", 128)
    assert orjson.loads((backup / RECORD).read_bytes())["ends_campaign"] is False
    copy, problems = newest_verified(backup / "current_model" / "seals")
    assert copy
    assert (copy.manifest, problems) == (sealed.manifest, [])
    second = put_quest(home, lines(60, first=900))
    finish(home, 2)
    result = orjson.loads((home.completed / second / RESULT_FILE).read_bytes())
    assert (result["number"], result["training"]["max_length"]) == (2, 128)
    steps = [row["step"] for row in read_metrics(home.metrics)]
    assert steps == list(range(1, len(steps) + 1))  # one campaign


def test_another_base_model_moves_the_whole_journey_aside_and_a_new_one_begins(home: Home) -> None:
    before = {path.name for path in home.current_model.iterdir()}
    steps = len(read_metrics(home.metrics))
    [quest] = [path.name for path in home.completed.iterdir()]
    backup = unlock(Settings.read(home), "base_model", "elsewhere")
    assert {path.name for path in (backup / "current_model").iterdir()} == before
    assert len(read_metrics(backup / "metrics")) == steps
    assert home.missing() == []
    assert start("trainer", home).wait(60) == 78
    assert "was made from random weights, but base_model in config.json is elsewhere" in log_of(home)
    (home.models / "squire" / "base_model.txt").write_text("elsewhere\n")
    (home.completed / quest).rename(home.queue / "normal" / quest)
    finish(home, 1)
    first, again = read_history(home.history / "trainer.jsonl")
    assert (first.claim, first.quest, first.steps) == (again.claim, again.quest, again.steps) == (1, quest, steps)
    assert first.campaign != again.campaign  # so the second one's gold counts too
    assert [row["step"] for row in read_metrics(home.metrics)] == list(range(1, steps + 1))


def test_a_locked_key_that_was_edited_by_hand_stops_the_trainer_with_the_way_out(home: Home) -> None:
    settings = Settings.read(home)
    settings.write({**settings.raw, "base_model": "elsewhere"})
    (home.models / "squire" / "base_model.txt").write_text("elsewhere\n")
    assert start("trainer", home).wait(60) == 78
    assert "realm config unlock base_model elsewhere" in log_of(home)
    backup = unlock(Settings.read(home), "base_model", "elsewhere")
    assert (backup / "current_model" / "seals").is_dir()


def test_nothing_is_touched_while_a_trainer_runs_or_when_nothing_is_locked(home: Home) -> None:
    settings = Settings.read(home)
    with pytest.raises(NotLocked, match="realm config set training.max_length 256"):
        unlock(settings, "training.max_length", 256)  # the value it has
    with pytest.raises(NotLocked, match="retention.last is not locked"):
        unlock(settings, "retention.last", 3)
    lock = InstanceLock("trainer", home.locks)
    lock.acquire()
    try:
        with pytest.raises(AlreadyRunning, match="stop that one first"):
            unlock(settings, "training.max_length", 128)
    finally:
        lock.release()
    assert list((home.vault / "backups").iterdir()) == []
    assert Settings.read(home).version == settings.version
