"""A hand removes, moves or changes a quest: while it is trained, waits for its seal, or another is trained."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from realm.core.paths import Home
from realm.core.quests import QUEST_FILE, QuestQueue
from tests.arena.realm_home import eventually, log_of, put_quest, running, start
from tests.disasters.hooks import hook
from tests.disasters.records import (
    check_each_is_somewhere_once,
    curve,
    finish,
    history,
    kinds,
    lines,
    set_config,
    small_home,
    status,
    verdict,
)


@pytest.fixture
def home(tmp_path: Path, squire: Path) -> Home:
    return small_home(tmp_path / "home", squire)


@contextmanager
def held(home: Home, step: int) -> Iterator[None]:
    """The trainer stands still at a step while the block does its deed; then two quests are brought to their end."""
    gate = home.root.with_name("gate")
    with running("trainer", home, hook(f"hold_at({step}, {str(gate)!r})")) as trainer:
        eventually(lambda: f"held at step {step}" in log_of(home) or trainer.poll() is not None, 60)
        yield
        gate.touch()
        eventually(lambda: len(history(home)) == 2 or trainer.poll() is not None, 120, "both have ended")
    assert trainer.returncode == 0, log_of(home)


def change(file: Path) -> None:
    """In place, the same size, as an editor that overwrites."""
    with file.open("r+b") as open_file:
        open_file.write(lines(1, first=999))


def two(home: Home) -> tuple[str, str]:
    first = put_quest(home, lines(20), name="first.jsonl", priority="high")
    return first, put_quest(home, lines(20, first=500), name="second.jsonl")


def ends(home: Home) -> list[tuple[str, str]]:
    return [(one.quest, one.outcome) for one in history(home)]


def trained(home: Home) -> int:
    """Quests, sealed or not."""
    shown = status(home)
    return shown.totals.quests if shown and shown.totals else 0


def test_removed_while_it_is_trained_it_is_lost_and_the_next_one_is_trained(home: Home) -> None:
    first, second = two(home)
    with held(home, 3):
        shutil.rmtree(home.processing / first)
    assert ends(home) == [(first, "lost"), (second, "completed")]
    assert "quest.lost" in kinds(home)


def test_changed_while_it_is_trained_it_fails_at_its_end(home: Home) -> None:
    """Nobody can say what was trained: the bytes that were admitted, or others."""
    first, second = two(home)
    with held(home, 3):
        change(home.processing / first / QUEST_FILE)
    assert ends(home) == [(first, "failed"), (second, "completed")]
    assert "quest.jsonl was changed while it was trained" in str(verdict(home, first)["reason"])
    check_each_is_somewhere_once(home)


@pytest.mark.parametrize("deed", ["changed", "removed"])
def test_its_file_changed_or_removed_before_it_is_trained_again_it_fails_and_the_next_one_is_trained(
    home: Home, deed: str
) -> None:
    """A replay of other lines would come to other weights in silence; one of no lines would never end."""
    first, second = two(home)
    assert start("trainer", home, hook("seal_at(2)", "die_at(4)")).wait(60) == 9
    file = home.processing / first / QUEST_FILE
    change(file) if deed == "changed" else file.unlink()
    finish(home, 2)
    assert ends(home) == [(first, "failed"), (second, "completed")]
    assert history(home)[0].steps == 2
    assert f"quest.jsonl was {deed} while it was trained" in str(verdict(home, first)["reason"])
    check_each_is_somewhere_once(home)


def test_changed_between_two_epochs_it_fails_there(home: Home) -> None:
    first = put_quest(home, lines(20), name="first.jsonl", priority="high", epochs=3)
    second = put_quest(home, lines(20, first=500), name="second.jsonl")
    with held(home, 3):
        change(home.processing / first / QUEST_FILE)
    assert ends(home) == [(first, "failed"), (second, "completed")]
    assert history(home)[0].steps < 10
    check_each_is_somewhere_once(home)


def test_touched_without_being_changed_it_is_completed(home: Home) -> None:
    first, second = two(home)
    with held(home, 3):
        (home.processing / first / QUEST_FILE).touch()
    assert ends(home) == [(first, "completed"), (second, "completed")]


def test_what_waits_for_its_seal_may_be_removed_moved_and_changed_it_is_trained_once(home: Home) -> None:
    set_config(home, seals={"dry_minutes": 200.0})
    names = [put_quest(home, lines(20, first=500 * number), name=f"q{number}.jsonl") for number in range(4)]
    removed, moved, changed, left = names
    with running("trainer", home) as trainer:
        eventually(lambda: trained(home) == 4, 60)
        assert QuestQueue(home).names("processing") == names
        steps = len(curve(home))
        shutil.rmtree(home.processing / removed)
        (home.processing / moved).rename(home.queue / "high" / moved)
        change(home.processing / changed / QUEST_FILE)
        put_quest(home, lines(20, first=9000), name="another.jsonl", priority="low")
        eventually(lambda: trained(home) == 5, 60, "another one is trained")
    assert trainer.returncode == 0
    assert [outcome for _, outcome in ends(home)] == ["completed"] * 5
    assert sum(one.steps for one in history(home)[:4]) == steps
    assert sorted(QuestQueue(home).names("recently_completed")) == sorted(
        {moved, changed, left, history(home)[-1].quest}
    )
    check_each_is_somewhere_once(home)


def test_while_another_is_trained_waiting_ones_may_go_and_change_their_place(home: Home) -> None:
    first = put_quest(home, lines(20), name="first.jsonl", priority="high")
    gone = put_quest(home, lines(20, first=500), name="gone.jsonl")
    last = put_quest(home, lines(20, first=900), name="last.jsonl", priority="low")
    with held(home, 3):
        shutil.rmtree(home.queue / "normal" / gone)
        (home.queue / "low" / last).rename(home.queue / "high" / last)
    assert ends(home) == [(first, "completed"), (last, "completed")]
    assert history(home)[1].priority == "high"
    check_each_is_somewhere_once(home)
