"""Achievements: each is earned by records that a realm really makes; the same files always tell the same."""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from realm.core.checkpoint_ledger import record_checkpoint
from realm.core.events import EventLog
from realm.core.files import publish_folder
from realm.core.history import DamagedHistory, EndedQuest, History, read_history
from realm.core.metrics import read_metrics
from realm.core.paths import Home
from realm.guild.annals import Annals, Graded, Reverted
from realm.tavern.achievements import GOALS, achievements
from realm.tavern.climb import Climb
from realm.tavern.deed_book import BookKeeper, DeedBook
from realm.tavern.deeds import EventDeeds, LedgerDeeds, QuestDeeds
from tests.arena.realm_home import eventually, make_home, put_quest, running
from tests.arena.watcher import chat

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    monkeypatch.setenv("REALM_HOME", str(home.root))
    return home


class Reader:
    """Follows a home, as the tavern does."""

    def __init__(self, home: Home):
        self.quests, self.events, self.ledger, self.climb, self.book = (
            QuestDeeds(home),
            EventDeeds(home),
            LedgerDeeds(home),
            Climb(home),
            DeedBook(home),
        )

    def look(self) -> list[dict[str, Any]]:
        for deeds in (self.quests, self.events, self.climb, self.book):
            deeds.look()
        counted = (self.quests.tally, self.climb.tally, self.book.tally)
        return achievements((*counted, *self.events.tallies.values(), self.ledger.look()))


def shown(home: Home) -> dict[str, dict[str, Any]]:
    """Computed anew from the files."""
    return {one["id"]: one for one in Reader(home).look()}


def earned(home: Home) -> set[str]:
    return {name for name, one in shown(home).items() if one["earned_at"]}


def ended(claim: int, outcome: str = "completed", at: datetime = NOON, quest: str = "", **fields: Any) -> EndedQuest:
    return EndedQuest(claim=claim, quest=quest or f"quest-{claim}", outcome=outcome, ended_at=at, **fields)  # type: ignore[arg-type]


def tell(home: Home, *quests: EndedQuest) -> None:
    history = History(home.history, "trainer")
    for quest in quests:
        assert history.append(quest)


def graded(number: int, level: int, correct: float, count: int = 50) -> Graded:
    at = (NOON + timedelta(minutes=number)).isoformat().replace("+00:00", "Z")
    name = f"bin/checkpoint-{number}-l{level}"
    return Graded(
        exam=name,
        skill="bin",
        version="1.0.0",
        level=level,
        checkpoint=f"checkpoint-{number}",
        at=at,
        count=count,
        correct=correct,
    )


def master(home: Home, levels: int) -> list[Graded]:
    exams = [graded(3 * level + turn, level, 45) for level in range(1, levels + 1) for turn in range(3)]
    annals = Annals(home)
    for exam in exams:
        annals.append(exam)
    return exams


def put_checkpoint(home: Home, step: int, val_loss: float) -> None:
    staging = home.current_model / ".checkpoint"
    staging.mkdir()
    (staging / "model").write_bytes(b"weights")
    unknown = ("train_loss", "learning_rate", "epoch", "accuracy", "skill_name", "skill_level")
    record = record_checkpoint(
        staging,
        step=step,
        saved_at=NOON,
        val_loss=val_loss,
        training_files=[],
        total_examples=1,
        total_tokens=1,
        hero="squire",
        config_hash="c",
        fingerprint={},
        **dict.fromkeys(unknown),
    )
    publish_folder(staging, home.current_model / record.canonical_name)


# Each can be earned, and not sooner


def test_a_new_home_has_earned_nothing(home: Home) -> None:
    told = shown(home)
    assert [one["earned_at"] for one in told.values()] == [None] * len(GOALS)
    assert {one["have"] for one in told.values()} == {0}
    assert len(told) == len(GOALS) == len({goal.title for goal in GOALS})


def test_quests_tokens_and_steps(home: Home) -> None:
    tell(home, *(ended(claim, at=NOON + timedelta(seconds=claim), tokens=100_000) for claim in range(1, 10)))
    assert earned(home) == {"first_blood"}
    assert (shown(home)["quests_10"]["have"], shown(home)["tokens_1m"]["have"]) == (9, 900_000)
    tell(home, ended(10, tokens=100_000, steps=600, data={"first_step": 400}))
    tell(home, ended(11, "skipped", tokens=10**9, steps=48_999, data={"first_step": 1_000}))
    told = shown(home)
    levels = {"level_1", "level_5", "level_10"}
    tokens = {"tokens_1m", "tokens_10m", "tokens_100m", "tokens_1g"}
    assert earned(home) == {"first_blood", "quests_10", "skipper", *levels, *tokens}
    assert told["first_blood"]["earned_at"] == NOON + timedelta(seconds=1)
    assert told["first_blood"]["evidence"] == "history/trainer.jsonl, line 1: quest-1"
    assert told["level_50"]["have"] == 49_999


def test_a_thousand_quests(home: Home) -> None:
    lines = (msgspec.json.encode(ended(claim)) + b"\n" for claim in range(1, 1001))
    (home.history / "trainer.jsonl").write_bytes(b"".join(lines))
    told = shown(home)
    assert earned(home) == {"first_blood", "quests_10", "quests_100", "quests_1000"}
    assert told["quests_100"]["evidence"] == "history/trainer.jsonl, line 100: quest-100"


def test_a_streak_is_of_days_in_a_row(home: Home) -> None:
    tell(home, ended(1), ended(2), ended(3, at=NOON + DAY), ended(4, at=NOON + 3 * DAY), ended(5, at=NOON + 4 * DAY))
    assert earned(home) == {"first_blood"}
    assert shown(home)["streak_3"]["have"] == 2
    tell(home, ended(6, at=NOON + 3.5 * DAY), ended(7, "failed", at=NOON + 5 * DAY))
    assert "streak_3" not in earned(home)
    tell(home, *(ended(day, at=NOON + day * DAY) for day in range(10, 40)))
    told = shown(home)
    assert [told[name]["earned_at"] for name in ("streak_3", "streak_7", "streak_30")] == [
        NOON + 12 * DAY,
        NOON + 16 * DAY,
        NOON + 39 * DAY,
    ]


def test_the_night_and_a_second_wind(home: Home) -> None:
    night = NOON.replace(hour=3, minute=59)
    tell(home, ended(1, "failed", night, "again"), ended(2, "completed", NOON.replace(hour=4)))
    assert earned(home) == {"first_blood"}
    tell(home, ended(3, "completed", night, "again"))
    assert earned(home) == {"first_blood", "night_shift", "second_wind"}


def test_skills(home: Home) -> None:
    master(home, 6)
    assert earned(home) == {"first_mastery"}
    master(home, 10)  # what is mastered is only examined again
    told = shown(home)
    assert earned(home) == {"first_mastery", "the_byte", "mastered_10"}
    assert told["the_byte"]["evidence"] == "exams/bin/checkpoint-23-l7/report.json"
    assert told["the_byte"]["have"] == told["mastered_10"]["have"] == 10
    annals = Annals(home)
    annals.append(Reverted(skill="bin", level=1, why="for a test", at="2026-01-03T00:00:00Z"))
    assert shown(home)["the_byte"] == told["the_byte"]  # it was mastered then
    annals.append(graded(90, 1, 19, count=19))
    annals.append(graded(91, 1, 49))
    assert "perfect_exam" not in earned(home)
    annals.append(graded(92, 1, 50))
    assert "perfect_exam" in earned(home)


def test_what_the_trainer_survived(home: Home) -> None:
    log = EventLog(home.events, "trainer")
    log.emit("daemon.started", "begins")
    log.emit("daemon.ended", "ends")
    log.emit("daemon.started", "begins")
    log.emit("seal.written", "sealed", step=1)
    log.emit("resource.back", "seals are written again")
    log.emit("resource.short", "out of memory: 4,096 tokens a pass from now on")
    log.emit("resource.back", "it is better")
    assert earned(home) == set()
    log.emit("seal.late", "a seal needs 9 bytes, 3 are free in /home/seals")
    log.emit("incident.opened", "a seal does not verify: it is damaged", key="1")
    assert earned(home) == set()
    log.emit("resource.back", "seals are written again")
    log.emit("seal.written", "sealed", step=2)
    log.emit("daemon.started", "begins")
    log.emit("hero.level", "Level 5: 5,000 steps", step=5_000)
    assert earned(home) == {"full_disk", "phoenix", "undying", "level_1", "level_5"}
    assert all(
        one["evidence"].startswith("events/trainer.jsonl, id ") for one in shown(home).values() if one["earned_at"]
    )


def test_a_full_disk_of_the_queue_watcher_counts(home: Home) -> None:
    log = EventLog(home.events, "queue-watcher")
    log.emit("resource.short", "drops wait in the inbox: 3 MB free, 256 MB needed (free some space)")
    EventLog(home.events, "trainer").emit("resource.back", "seals are written again")
    assert earned(home) == set()
    log.emit("resource.back", "drops become quests again")
    assert earned(home) == {"full_disk"}


def test_checkpoints(home: Home) -> None:
    put_checkpoint(home, 900, val_loss=1.25)
    assert earned(home) == set()
    assert shown(home)["shield"]["have"] == 0.8
    put_checkpoint(home, 1_000, val_loss=0.5)
    assert earned(home) == {"level_1", "shield"}
    assert shown(home)["shield"]["evidence"] == "current_model/checkpoint-1000-20260101-1200/.ledger.json"


def test_of_several_records_the_earliest_counts(home: Home) -> None:
    tell(home, ended(1, at=NOON + DAY, steps=1_000, data={"first_step": 0}))
    assert shown(home)["level_1"]["earned_at"] == NOON + DAY
    put_checkpoint(home, 1_000, val_loss=3.0)
    assert shown(home)["level_1"]["earned_at"] == NOON


def test_what_a_real_trainer_writes_down_earns(squire: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in the middle of its first quest, it comes back and completes it."""
    home = make_home(tmp_path / "home", squire)
    monkeypatch.setenv("REALM_HOME", str(home.root))
    put_quest(home, b"".join(chat(f"{number} + 1?", str(number + 1)) for number in range(400)))
    with running("trainer", home) as trainer:
        eventually(lambda: len(read_metrics(home.metrics)) > 3, what="steps are trained")
        trainer.kill()
        trainer.wait()
    assert "undying" not in earned(home)
    with running("trainer", home):
        eventually(lambda: "first_blood" in earned(home), what="the quest is completed and sealed")
    told = shown(home)
    assert {"first_blood", "undying"} <= earned(home)
    (line,) = read_history(home.history / "trainer.jsonl")
    assert (told["tokens_1m"]["have"], told["level_1"]["have"]) == (line.tokens, line.steps)
    assert told["undying"]["evidence"].endswith(", on cpu")


# The same files, the same list


def test_who_looks_often_sees_what_who_looks_once_sees(home: Home) -> None:
    """Cut anywhere, begun anew anywhere, across rotations: the list is that of the files."""
    choice = random.Random(7)
    log = EventLog(home.events, "trainer", rotate_bytes=8_000)  # so few that all are kept
    annals = Annals(home)
    levels = iter([graded(3 * level + turn, level, 45) for level in range(1, 12) for turn in range(3)])
    kinds = ("daemon.started", "daemon.ended", "seal.written", "resource.back", "incident.opened")

    def quest(number: int) -> None:
        outcome = choice.choice(("completed", "completed", "failed", "skipped"))
        at = NOON + choice.random() * 9 * timedelta(hours=number)
        tell(
            home, ended(number, outcome, at, f"quest-{number % 7}", tokens=90_000, steps=9, data={"first_step": number})
        )

    def event(number: int) -> None:
        text = choice.choice(("a seal does not verify", "free some space", "nothing"))
        log.emit(choice.choice(kinds), text, key=str(number))

    def exam(number: int) -> None:
        if line := next(levels, None):
            annals.append(line)

    acts: Sequence[Callable[[int], None]] = (quest, event, exam)
    often = Reader(home)
    for number in range(1, 300):
        choice.choice(acts)(number)
        if choice.random() < 0.2:
            assert often.look() == Reader(home).look()
        if choice.random() < 0.05:
            often = Reader(home)
    assert {"first_blood", "second_wind", "mastered_10", "undying"} <= earned(home)


def test_a_torn_line_counts_when_it_is_whole(home: Home) -> None:
    tell(home, ended(1))
    file = home.history / "trainer.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole[:-5])
    reader = Reader(home)
    assert reader.look()[0]["have"] == 0
    with file.open("ab") as rest:
        rest.write(whole[-5:])
    assert reader.look()[0]["have"] == 1


def test_a_history_that_a_person_mended_is_counted_anew(home: Home) -> None:
    tell(home, ended(1), ended(2), ended(3))
    file = home.history / "trainer.jsonl"
    reader = Reader(home)
    assert reader.look()[0]["have"] == 3
    lines = file.read_bytes().splitlines(keepends=True)
    mended = file.with_suffix(".new")
    mended.write_bytes(lines[0].replace(b'"tokens":0', b'"tokens":7') + lines[1] + lines[2])
    mended.rename(file)  # as long as it was
    told = {one["id"]: one["have"] for one in reader.look()}
    assert (told["first_blood"], told["tokens_1m"]) == (3, 7)
    with file.open("ab") as end:
        end.write(b"scribble\n")
    for _ in range(2):  # until it is mended
        with pytest.raises(DamagedHistory, match="line 4"):
            reader.look()
    mended.write_bytes(b"".join(lines[:2]))
    mended.rename(file)
    assert reader.look()[0]["have"] == 2
    file.write_bytes(lines[0])  # in its place
    assert reader.look()[0]["have"] == 1
    file.unlink()
    assert reader.look()[0]["have"] == 0


# What events showed


def test_a_deed_outlives_the_events_that_showed_it(home: Home) -> None:
    log = EventLog(home.events, "trainer", rotate_bytes=2_000)
    for _ in range(2):
        log.emit("daemon.started", "the trainer is here")
    BookKeeper(home).keep()
    before = shown(home)["undying"]
    assert before["evidence"].startswith("events/trainer.jsonl")
    for number in range(100):  # more than is kept of events
        log.emit("seal.written", "sealed", step=number)
    assert b"daemon.started" not in b"".join(file.read_bytes() for file in home.events.iterdir())
    after = shown(home)["undying"]
    assert (after["earned_at"], after["have"]) == (before["earned_at"], 1)
    assert after["evidence"] == f"history/tavern.jsonl, line 1: {before['evidence']}"


def test_each_deed_is_booked_once_by_however_many_keepers(home: Home) -> None:
    log = EventLog(home.events, "trainer")
    keeper = BookKeeper(home)
    keeper.keep()
    assert not (home.history / "tavern.jsonl").exists()
    for _ in range(2):
        log.emit("daemon.started", "the trainer is here")
    for one in (keeper, keeper, BookKeeper(home)):
        one.keep()
    log.emit("hero.level", "Level 1: 1,000 steps", step=1_000)
    keeper.keep()
    lines = (home.history / "tavern.jsonl").read_bytes().splitlines()
    assert [msgspec.json.decode(line)["deed"] for line in lines] == ["undying", "level_1"]


def test_a_damaged_book_is_told_and_not_written_on(home: Home) -> None:
    (home.history / "tavern.jsonl").write_bytes(b"scribble\n")
    for _ in range(2):
        EventLog(home.events, "trainer").emit("daemon.started", "the trainer is here")
    with pytest.raises(DamagedHistory, match="tavern.jsonl, line 1"):
        BookKeeper(home).keep()
    assert (home.history / "tavern.jsonl").read_bytes() == b"scribble\n"
