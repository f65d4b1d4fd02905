"""Which ended quests leave the disk."""

import os
from pathlib import Path

import msgspec
import pytest

from realm.arena.pruning import prune_ended
from realm.core.config import Retention
from realm.core.paths import Home
from realm.core.quests import QuestQueue
from tests.arena.realm_home import put_quest

LINE = b'{"messages": [{"role": "user", "content": "1+1"}, {"role": "assistant", "content": "2"}]}\n'


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.create()
    return made


def ended(home: Home, *seals: str | None) -> list[str]:
    """Completed quests, the first ended longest ago, each covered first by the seal named."""
    queue = QuestQueue(home)
    names = []
    for age, seal in enumerate(seals):
        name = put_quest(home, LINE * (age + 1), f"q{age}.jsonl")
        queue.claim(name)
        folder = queue.complete(name, msgspec.json.encode({"seal": seal} if seal else {}))
        os.utime(folder / "result.json", (1000 + age, 1000 + age))
        names.append(name)
    return names


def test_the_newest_stay(home: Home) -> None:
    first, second, third, fourth = ended(home, "10-1", "20-2", "20-2", "30-3")
    gone = prune_ended(QuestQueue(home), "recently_completed", Retention(ended_quests=2), oldest_seal=3)
    assert sorted(gone) == sorted([first, second])
    assert QuestQueue(home).names("recently_completed") == sorted([third, fourth])


def test_one_that_only_a_newer_seal_covers_stays(home: Home) -> None:
    first, second, third = ended(home, "10-1", "20-2", "30-3")
    limits = Retention(ended_quests=1)
    assert prune_ended(QuestQueue(home), "recently_completed", limits, oldest_seal=1) == [first]
    assert QuestQueue(home).names("recently_completed") == sorted([second, third])
    assert prune_ended(QuestQueue(home), "recently_completed", limits, oldest_seal=0) == []


def test_bytes_count_too_and_the_newest_stays_however_large(home: Home) -> None:
    first, second, third = ended(home, "10-1", "10-1", "10-1")
    limits = Retention(ended_gb=0.0)
    assert sorted(prune_ended(QuestQueue(home), "recently_completed", limits, oldest_seal=1)) == sorted([first, second])
    assert QuestQueue(home).names("recently_completed") == [third]


def test_what_was_never_claimed_needs_no_seal_and_a_verdict_by_hand_is_no_fault(home: Home) -> None:
    unclaimed, broken, newest = ended(home, None, None, None)
    (home.completed / broken / "result.json").write_text("{")
    os.utime(home.completed / broken / "result.json", (1001, 1001))
    gone = prune_ended(QuestQueue(home), "recently_completed", Retention(ended_quests=1), oldest_seal=0)
    assert sorted(gone) == sorted([unclaimed, broken])
    assert QuestQueue(home).names("recently_completed") == [newest]


def test_nothing_is_done_below_the_limits(home: Home) -> None:
    names = ended(home, "10-1", None)
    assert prune_ended(QuestQueue(home), "recently_completed", Retention(), oldest_seal=9) == []
    assert QuestQueue(home).names("recently_completed") == sorted(names)
