"""Ended quests are counted as the history grows; a mended history is counted anew."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from realm.cli.ended_quests import EndedQuests
from realm.core.history import DamagedHistory, EndedQuest, History
from realm.core.paths import Home
from tests.cli.console import end_quest

THEN = datetime(2025, 11, 27, tzinfo=UTC)  # when the console's quests end


def counted(quests: EndedQuests) -> tuple[int, int]:
    quests.look(THEN)
    return quests.completed, quests.today(THEN)


@pytest.fixture
def quests(home: Home) -> EndedQuests:
    return EndedQuests(home.history)


@pytest.fixture
def file(home: Home) -> Path:
    return home.history / "trainer.jsonl"


def test_lines_are_counted_once_each(home: Home, quests: EndedQuests) -> None:
    assert counted(quests) == (0, 0)
    for claim, outcome in enumerate(("completed", "skipped", "failed", "completed"), start=1):
        end_quest(home, claim, outcome)
        assert counted(quests)[1] == claim
    assert counted(quests) == counted(quests) == (2, 4)


def test_a_day_is_that_of_the_clock_on_the_wall(home: Home, quests: EndedQuests) -> None:
    midnight = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    log = History(home.history, "trainer")
    for claim, minutes in enumerate((-3000, -1, 0, 5), start=1):
        ended_at = midnight + timedelta(minutes=minutes)
        log.append(EndedQuest(claim=claim, quest="q", outcome="lost", ended_at=ended_at))
    quests.look(midnight + timedelta(minutes=6))
    assert quests.today(midnight + timedelta(minutes=6)) == 2
    assert quests.today(midnight - timedelta(minutes=1)) == 3  # of the day before, and of what follows it
    assert quests.today(midnight + timedelta(days=1)) == 0


def test_what_was_counted_is_not_read_again(home: Home, quests: EndedQuests, file: Path) -> None:
    end_quest(home, 1, "completed")
    assert counted(quests) == (1, 1)
    log = History(home.history, "trainer")
    with file.open("r+b") as content:
        content.write(b"?")  # no trainer does this: the line would be refused if it were read anew
    log.append(EndedQuest(claim=2, quest="q", outcome="completed", ended_at=datetime.now(UTC)))
    quests.look(THEN)
    assert quests.completed == 2


def test_a_torn_line_waits_for_its_end(home: Home, quests: EndedQuests, file: Path) -> None:
    end_quest(home, 1, "completed")
    whole = file.read_bytes()
    file.write_bytes(whole + whole[:30])
    assert counted(quests) == (1, 1)
    with file.open("ab") as history:
        history.write(whole[30:])
    assert counted(quests) == (2, 2)


def test_a_last_line_whose_beginning_a_power_cut_took_waits_to_be_cut(
    home: Home, quests: EndedQuests, file: Path
) -> None:
    end_quest(home, 1, "completed")
    whole = file.read_bytes()
    file.write_bytes(whole + b"\0" * 30 + whole[30:])
    assert counted(quests) == (1, 1)
    end_quest(home, 2, "completed")
    assert counted(quests) == (2, 2)


@pytest.mark.parametrize("in_place", [True, False])
def test_a_mended_file_is_counted_anew(home: Home, quests: EndedQuests, file: Path, in_place: bool) -> None:
    for claim in range(1, 4):
        end_quest(home, claim, "completed")
    assert counted(quests) == (3, 3)
    mended = b"".join(file.read_bytes().splitlines(keepends=True)[1:])
    if in_place:
        os.truncate(file, 0)
        file.write_bytes(mended)
    else:
        (file.parent / "copy").write_bytes(mended)
        (file.parent / "copy").replace(file)
    assert counted(quests) == (2, 2)


def test_a_damaged_line_is_named_until_it_is_mended(home: Home, quests: EndedQuests, file: Path) -> None:
    end_quest(home, 1, "completed")
    good = file.read_bytes()
    file.write_bytes(good + b"damaged\n" + good)
    for _ in range(2):
        with pytest.raises(DamagedHistory, match="line 2"):
            quests.look(THEN)
    file.write_bytes(good + good)
    assert counted(quests) == (2, 2)
