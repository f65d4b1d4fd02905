"""The newest seal is damaged: what it had filed is trained again from the older one, and comes to the same end."""

from pathlib import Path

import pytest

from realm.arena import training
from realm.arena.battle.seal import newest_verified
from realm.arena.training import Trainer
from realm.core.paths import Home
from realm.core.quests import QuestQueue
from realm.sentinels.audit import broken
from tests.arena.chain_lives import all_is_filed, ends, live, make_chain_home
from tests.arena.realm_home import put_quest
from tests.protocol.chain_hero import WEIGHTS
from tests.protocol.chain_life import lines


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr(training, "POLL", 0.0)
    return make_chain_home(tmp_path / "home")


def weights(home: Home) -> bytes:
    seal, _ = newest_verified(home.seals)
    assert seal
    return seal.path(WEIGHTS).read_bytes()


def damage_newest_seal(home: Home) -> None:
    seal, _ = newest_verified(home.seals)
    assert seal
    seal.path(WEIGHTS).write_bytes(b"bad")


def fight_two_seals(home: Home) -> None:
    """One quest in each of two seals."""
    for number in range(2):
        put_quest(home, lines(9, 100 * number), f"{number}.jsonl")
        live(home, all_is_filed)


def test_a_skip_is_refused(home: Home) -> None:
    fight_two_seals(home)
    before, trained = ends(home), weights(home)
    damage_newest_seal(home)

    def skipped_in_the_second(trainer: Trainer) -> bool:
        if trainer.fight.campaign.active and not trainer.fight.replay:
            trainer.control.raise_flag("skip")
        return all_is_filed(trainer)

    live(home, skipped_in_the_second)
    assert "skip.refused" in (home.events / "trainer.jsonl").read_text()
    assert ends(home) == before
    assert weights(home) == trained
    assert not broken(home, deep=True, removed=())


def test_a_skip_before_it_was_filed_is_repeated(home: Home) -> None:
    put_quest(home, lines(9, 0), "0.jsonl")
    live(home, all_is_filed)
    put_quest(home, lines(9, 100), "1.jsonl")

    def skipped(trainer: Trainer) -> bool:
        if trainer.fight.campaign.active and trainer.fight.campaign.claims[-1].steps == 2:
            trainer.control.raise_flag("skip")
        return all_is_filed(trainer)

    live(home, skipped)
    before, trained = ends(home), weights(home)
    assert before[1] == (2, "skipped", 2)
    damage_newest_seal(home)
    live(home, all_is_filed)
    assert ends(home) == before
    assert weights(home) == trained


def moved_by_a_hand_in_the_second(trainer: Trainer) -> bool:
    """Out of processing/, while it is trained again."""
    campaign, queue = trainer.fight.campaign, trainer.board.queue
    if campaign.active and campaign.active.number == 2 and queue.names("processing"):
        name = campaign.active.quest
        (trainer.home.processing / name).rename(trainer.home.queue / "high" / name)
        return True
    return all_is_filed(trainer)


@pytest.mark.parametrize("lives", [1, 2])
def test_a_quest_moved_out_of_processing_is_not_trained_a_third_time(home: Home, lives: int) -> None:
    fight_two_seals(home)
    before, trained = ends(home), weights(home)
    damage_newest_seal(home)
    for _ in range(lives):
        live(home, moved_by_a_hand_in_the_second)
    live(home, all_is_filed)
    assert ends(home) == before
    assert weights(home) == trained
    assert [len(QuestQueue(home).names(state)) for state in ("high", "processing", "recently_completed")] == [0, 0, 2]
    assert not broken(home, deep=True, removed=())


def test_a_quest_asked_for_again_is_trained_again_also_after_its_seal_was_damaged(home: Home) -> None:
    fight_two_seals(home)
    before = ends(home)
    damage_newest_seal(home)
    queue = QuestQueue(home)
    queue.retry(queue.names("recently_completed")[-1], "high")
    live(home, all_is_filed)
    assert ends(home)[:2] == before
    assert ends(home)[2] == (3, *before[1][1:])
    assert not broken(home, deep=True, removed=())


def test_a_pause_is_obeyed_while_it_is_trained_again(home: Home) -> None:
    for numbers in ([0], [1, 2]):
        for number in numbers:
            put_quest(home, lines(9, 100 * number), f"{number}.jsonl")
        live(home, all_is_filed)
    before, trained = ends(home), weights(home)
    damage_newest_seal(home)
    (home.control / ".pause").touch()
    stood: list[int] = []

    def after_a_pause(trainer: Trainer) -> bool:
        if trainer.log.view.state == "paused" and len(stood) < 3:
            assert trainer.fight.replay  # the claim of the third quest is still to come
            stood.append(trainer.fight.campaign.step)
        elif stood:
            (home.control / ".pause").unlink(missing_ok=True)
        return all_is_filed(trainer)

    live(home, after_a_pause)
    assert len(stood) == 3
    assert len(set(stood)) == 1
    assert "battle.resumed" in (home.events / "trainer.jsonl").read_text()
    assert (ends(home), weights(home)) == (before, trained)
