"""While a quest ends, the next one is read and tokenised; whatever happens then, the right one is fought."""

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from realm.arena import fight, training
from realm.arena.fight import Fight
from realm.arena.training import Trainer
from realm.core.history import read_history
from realm.core.paths import Home
from realm.core.quests import QUEST_FILE, QuestQueue
from tests.arena.chain_lives import all_is_filed, ends, live, make_chain_home
from tests.arena.realm_home import put_quest
from tests.protocol.chain_life import lines


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr(training, "POLL", 0.0)
    home = make_chain_home(tmp_path / "home")
    for number in range(3):
        put_quest(home, lines(9, 100 * number), f"{number}.jsonl")
    return home


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files of all streams that are begun."""
    begun: list[Path] = []
    made = Fight._streamed

    def noted(self: Fight, file: Path, source: fight.Source) -> object:
        begun.append(file)
        return made(self, file, source)

    monkeypatch.setattr(Fight, "_streamed", noted)
    return begun


def fought(home: Home) -> list[str]:
    return [one.quest for one in read_history(home.history / "trainer.jsonl")]


def once_prepared(act: Callable[[Trainer], None]) -> Callable[[Trainer], bool]:
    """Acts when something is prepared for the first time, and ends when all is filed."""
    acts = [act]

    def until(trainer: Trainer) -> bool:
        if acts and trainer.fight.campaign.active and not trainer.fight.wants_next:
            acts.pop()(trainer)
        return all_is_filed(trainer)

    return until


def test_each_quest_is_opened_once_and_the_next_one_where_it_waits(home: Home, streams: list[Path]) -> None:
    live(home, all_is_filed)
    assert [file.parent.parent.name for file in streams] == ["processing", "normal", "normal"]
    assert [file.parent.name for file in streams] == fought(home)


def test_one_that_overtakes_is_fought_first(home: Home) -> None:
    def overtaken(trainer: Trainer) -> None:
        QuestQueue(home).move(QuestQueue(home).names("normal")[-1], "high")

    names = QuestQueue(home).names("normal")
    live(home, once_prepared(overtaken))
    assert fought(home) == [names[0], names[2], names[1]]
    assert [end[1] for end in ends(home)] == ["completed"] * 3


def test_one_that_is_removed_is_not_fought(home: Home) -> None:
    names = QuestQueue(home).names("normal")
    live(home, once_prepared(lambda trainer: QuestQueue(home).remove(names[1]) or None))
    assert fought(home) == [names[0], names[2]]


def test_one_that_changes_fails_as_it_would_have(home: Home) -> None:
    changed = QuestQueue(home).waiting()[1].path / QUEST_FILE

    def change(trainer: Trainer) -> None:
        changed.write_bytes(lines(3, 500))

    live(home, once_prepared(change))
    assert sorted(end[1] for end in ends(home)) == ["completed", "completed", "failed"]


def test_other_settings_hold_for_the_quest_that_was_prepared(home: Home) -> None:
    def change(trainer: Trainer) -> None:
        config = orjson.loads(home.config_file.read_bytes())
        config["training"]["batch_size"] = 9
        home.config_file.write_bytes(orjson.dumps(config))

    live(home, once_prepared(change))
    first, *others = (end[2] for end in ends(home))
    assert others == [1, 1] < [first]


def test_one_whose_meta_is_broken_fails_when_it_is_claimed(home: Home) -> None:
    (QuestQueue(home).waiting()[1].path / "meta.json").write_bytes(b"{")
    live(home, all_is_filed)
    assert sorted(end[1] for end in ends(home)) == ["completed", "completed", "failed"]
