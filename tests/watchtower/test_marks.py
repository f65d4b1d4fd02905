"""What a chart shows beside its curves: made from rows, history, events and the names of checkpoints."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from realm.core.events import EventLog
from realm.core.history import EndedQuest, History
from realm.core.paths import Home
from realm.watchtower import marks
from realm.watchtower.marks import CheckpointMark, ClaimMark, MarkBook, ProblemMark, RewindMark
from realm.watchtower.pyramid import Changes, Row

AT = datetime(2025, 11, 23, 10, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    (home.metrics / "pyramid").mkdir()
    return home


class Kept:
    """A book and how far the index that goes with it is."""

    def __init__(self, home: Home):
        self.home, self.step, self.rewinds = home, 0, 0
        self.begin()

    def begin(self) -> None:
        self.book = MarkBook(self.home, self.home.metrics / "pyramid", self.step, self.rewinds)

    def take(self, *rows: Row, is_indexed: bool = True) -> None:
        changes = Changes(rows, self.step, 1000)
        self.book.take(rows, changes, self.rewinds)
        self.book.write()
        if is_indexed:
            self.step = max([self.step if changes.kept is None else changes.kept, *changes.records])
            self.rewinds += len(changes.rewinds)


def rows(first: int, last: int, claim: int) -> list[Row]:
    at = AT.isoformat(timespec="milliseconds")
    return [Row(step=step, claim=claim, quest=f"quest-{claim}", at=at) for step in range(first, last + 1)]


def ended(claim: int, steps: int) -> EndedQuest:
    return EndedQuest(claim=claim, quest=f"quest-{claim}", outcome="completed", ended_at=AT, steps=steps)


def test_claims_are_runs_of_steps_and_the_last_one_is_open(home: Home) -> None:
    kept = Kept(home)
    kept.take(*rows(1, 4, claim=1), *rows(5, 6, claim=2))
    kept.take(*rows(7, 9, claim=2), *rows(10, 10, claim=3))
    assert kept.book.marks.claims == [
        ClaimMark(1, "quest-1", 1, 4),
        ClaimMark(2, "quest-2", 5, 5),
        ClaimMark(3, "quest-3", 10),
    ]


def test_a_rewind_is_a_mark_and_reopens_the_claim_that_it_fell_into(home: Home) -> None:
    kept = Kept(home)
    kept.take(Row(rewind_to_step=0), *rows(1, 4, claim=1), *rows(5, 9, claim=2))
    kept.take(Row(rewind_to_step=3), *rows(4, 4, claim=1), *rows(5, 6, claim=2))
    assert kept.book.marks.rewinds == [RewindMark(2, 9, 3)]
    assert kept.book.marks.claims == [ClaimMark(1, "quest-1", 1, 4), ClaimMark(2, "quest-2", 5)]


def test_rows_that_a_killed_writer_took_in_twice_make_no_mark_twice(home: Home) -> None:
    kept = Kept(home)
    kept.take(*rows(1, 4, claim=1), *rows(5, 9, claim=2))
    again = (Row(rewind_to_step=2), *rows(3, 4, claim=1), *rows(5, 9, claim=2), *rows(10, 12, claim=3))
    kept.take(*again, is_indexed=False)
    kept.begin()
    kept.take(*again)
    assert kept.book.marks.rewinds == [RewindMark(1, 9, 2)]
    assert [mark.first_step for mark in kept.book.marks.claims] == [1, 5, 10]
    kept.begin()
    assert [mark.first_step for mark in kept.book.marks.claims] == [1, 5, 10]


def test_outcomes_come_from_history_by_claim_and_quest(home: Home) -> None:
    kept = Kept(home)
    kept.take(*rows(1, 4, claim=1), *rows(5, 9, claim=2))
    history = History(home.history, "trainer")
    history.append(ended(1, 4))
    kept.book.look()
    history.append(EndedQuest(claim=2, quest="of another campaign", outcome="failed", ended_at=AT))
    kept.book.look()
    assert [mark.outcome for mark in kept.book.marks.claims] == ["completed", None]
    history.append(ended(2, 5))
    kept.book.look()
    assert kept.book.marks.claims[1] == ClaimMark(2, "quest-2", 5, 5, "completed")


def test_problems_are_rows_and_events_of_this_campaign(home: Home) -> None:
    events = EventLog(home.events, "trainer")
    events.emit("loss.spike", "loss 9", step=2)
    later = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    kept = Kept(home)
    kept.take(Row(step=1, at=later), Row(step=2, problems=["loss is nan"]))
    kept.book.look()
    assert kept.book.marks.problems == [ProblemMark(2, "row", "loss is nan")]  # the event is older than the first row
    kept.begin()
    kept.book.marks.since = AT.isoformat()
    events.emit("quest.claimed", "no problem", step=3)
    events.emit("step.dropped", "not a number", claim=1, key="9", data={"step": 4})
    events.emit("step.dropped", "of an older version", claim=1, key="7")
    kept.book.look()
    kept.book.look()
    assert [(mark.step, mark.kind) for mark in kept.book.marks.problems] == [
        (2, "row"),
        (2, "loss.spike"),
        (4, "step.dropped"),
    ]


def test_checkpoints_are_those_that_are_there_now_by_step(home: Home) -> None:
    names = ["checkpoint-1000-20261123-1000", "checkpoint-500-20261123-0900"]
    for name in names:
        (home.current_model / name).mkdir()
    kept = Kept(home)
    kept.book.look()
    assert kept.book.marks.checkpoints == [CheckpointMark(500, names[1]), CheckpointMark(1000, names[0])]
    (home.current_model / names[1]).rmdir()
    kept.book.look()
    assert [mark.step for mark in kept.book.marks.checkpoints] == [1000]


def test_a_folder_that_is_no_checkpoint_is_no_mark(home: Home) -> None:
    (home.current_model / "checkpoint-old").mkdir()
    kept = Kept(home)
    kept.book.look()
    assert kept.book.marks.checkpoints == []


def test_only_the_newest_of_each_kind_are_kept(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "KEPT", 3)
    kept = Kept(home)
    kept.take(*(row for step in range(1, 9) for row in rows(step, step, claim=step)))
    assert [mark.claim for mark in kept.book.marks.claims] == [6, 7, 8]


def test_it_is_written_only_when_something_changed(home: Home) -> None:
    kept = Kept(home)
    kept.take(*rows(1, 4, claim=1))
    before = (home.metrics / "pyramid" / "marks.json").stat()
    kept.take(*rows(5, 9, claim=1))
    assert (home.metrics / "pyramid" / "marks.json").stat().st_ino == before.st_ino


def test_marks_that_cannot_be_read_are_made_from_what_comes(home: Home) -> None:
    kept = Kept(home)
    kept.take(*rows(1, 4, claim=1))
    (home.metrics / "pyramid" / "marks.json").write_bytes(b"{")
    kept.begin()
    kept.take(*rows(5, 9, claim=2))
    assert kept.book.marks.claims == [ClaimMark(2, "quest-2", 5)]
