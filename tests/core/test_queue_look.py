"""A queue that is looked at often: always as the folders are, and without listing them each time."""

import os
import time
from pathlib import Path

import pytest

from realm.core.paths import Home
from realm.core.quests import STATES, QuestQueue, State
from realm.core.queue_look import QueueLook
from tests.arena.realm_home import put_quest
from tests.cli.console import LINE, until


class Counted(QuestQueue):
    """Tells how often it was listed."""

    listed: list[State] = []  # noqa: RUF012 - the queue itself is frozen

    def names(self, state: State) -> list[str]:
        self.listed.append(state)
        return super().names(state)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.create()
    return made


@pytest.fixture
def queue(home: Home) -> QuestQueue:
    Counted.listed.clear()
    return Counted(home)


def settle(folder: Path) -> None:
    """As if it had been changed long ago."""
    then = time.time() - 3600
    os.utime(folder, (then, then))


def test_it_says_what_the_queue_says(home: Home, queue: QuestQueue) -> None:
    for number, priority in enumerate(("low", "normal", "high", "normal", "low"), start=1):
        put_quest(home, LINE * number, priority=priority)
    queue.claim(queue.waiting()[0].name)
    copied = queue.waiting()[-1]
    (home.failed / copied.name).mkdir()  # somebody's copy: the one that is further on counts
    look = QueueLook(queue)
    assert list(look.waiting()) == [(quest.priority, quest.name) for quest in queue.waiting()]
    assert look.next(9) == [quest.name for quest in queue.waiting()]
    assert copied.name not in look.next(9)
    assert look.next(2) == look.next(9)[:2]
    assert {state: look.names(state) for state in STATES} == {state: queue.names(state) for state in STATES}


def test_a_folder_is_listed_again_only_when_it_has_changed(home: Home, queue: QuestQueue) -> None:
    look = QueueLook(queue, share=1e12)  # as often as one likes
    settle(home.queue / "normal")
    for _ in range(3):
        assert look.names("normal") == []
    assert Counted.listed == ["normal"]
    name = put_quest(home, LINE)
    assert look.names("normal") == [name]


def test_a_folder_that_changed_just_now_is_not_trusted(home: Home, queue: QuestQueue) -> None:
    look = QueueLook(queue)
    folder = home.queue / "normal"
    moment = time.time_ns()
    os.utime(folder, ns=(moment, moment))
    assert look.names("normal") == []
    name = put_quest(home, LINE)
    os.utime(folder, ns=(moment, moment))  # a second change under one time stamp
    until(lambda: look.names("normal") == [name])


def test_a_folder_that_takes_long_to_list_is_not_listed_at_once_again(home: Home, queue: QuestQueue) -> None:
    look = QueueLook(queue, share=1e-12)  # even an empty folder takes too long for that
    assert look.names("normal") == []
    put_quest(home, LINE)
    assert look.names("normal") == []


def test_a_missing_folder_is_an_error(home: Home, queue: QuestQueue) -> None:
    look = QueueLook(queue)
    look.names("low")
    (home.queue / "low").rmdir()
    with pytest.raises(FileNotFoundError):
        look.names("low")
