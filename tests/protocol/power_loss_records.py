"""What is appended, or put in place of something else, under a power cut: history, events, metrics, settings."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial, reduce
from operator import getitem

import msgspec

from realm.arena.battle.campaign import Claim
from realm.arena.battle.seal import newest_verified, write_seal
from realm.arena.quest_board import QuestBoard
from realm.arena.unlocking import NotLocked, unlock
from realm.armory.settings import Settings
from realm.core.config import Training, load_config, read_raw
from realm.core.events import EventLog, events_after
from realm.core.history import EndedQuest, History, read_history
from realm.core.locked import Locked, read_locked, write_locked
from realm.core.metrics import MetricsWriter, read_metrics
from realm.core.paths import Home
from realm.core.quests import ERROR_FILE, RESULT_FILE, QuestQueue
from tests.protocol.power_loss_journal import check_parts, parts_of
from tests.protocol.power_loss_queue import check_whole, lay_quest
from tests.protocol.power_loss_subject import Subject, make_places

LATER = datetime(2026, 1, 2, tzinfo=UTC)


# History

ENDED = 6
REASON = "because " * 150  # so that lines cross pages


def end_quest(number: int, history: History) -> None:
    history.append(EndedQuest(claim=number, quest=f"quest-{number}", outcome="failed", ended_at=LATER, reason=REASON))


def start_history(home: Home) -> tuple[Home, History]:
    return home, History(home.history, "trainer")


def check_history(world: tuple[Home, History], acknowledged: int) -> None:
    ended = list(read_history(world[0].history / "trainer.jsonl"))
    claims = [quest.claim for quest in ended]
    assert claims == list(range(1, len(ended) + 1)), f"the claims in it are {claims}"
    assert len(ended) >= acknowledged, f"of {acknowledged} lines {len(ended)} are left"
    assert all(quest.reason == REASON for quest in ended), "a torn line is read as a whole one"


HISTORY = Subject(
    "history",
    lambda home: make_places(home, "history"),
    start_history,
    tuple(partial(lambda number, world: end_quest(number, world[1]), number) for number in range(1, ENDED + 1)),
    check_history,
)


# Filing: verdict, folder, history line, in this order

CLAIMS = {  # outcome -> name
    "completed": "20260101T000000.000001Z-quest-0123abcd",
    "failed": "20260101T000000.000002Z-quest-0123abcd",
}
TRAINING = Training(
    precision="fp32",
    max_length=512,
    batch_size=4,
    gradient_accumulation=1,
    learning_rate=3e-3,
    checkpoint_steps=500,
    checkpoint_dtype="fp32",
    eval_steps=100,
)


def lay_claimed(home: Home) -> None:
    make_places(home, "queue", "history")
    for name in CLAIMS.values():
        lay_quest(home.processing / name)


def start_board(home: Home) -> QuestBoard:
    return QuestBoard(QuestQueue(home), History(home.history, "trainer"), lambda quest, reason: None)


def file(outcome: str, board: QuestBoard) -> None:
    name = CLAIMS[outcome]
    number = list(CLAIMS).index(outcome) + 1
    board.file(
        Claim(
            number=number, quest=name, priority="normal", sha256="0" * 64, size=1, training=TRAINING, outcome=outcome
        ),
        "campaign",
        "10-1",
    )


def check_filed(board: QuestBoard, acknowledged: int) -> None:
    lines = [ended.quest for ended in read_history(board.queue.home.history / "trainer.jsonl")]
    assert len(set(lines)) == len(lines)
    for number, (outcome, name) in enumerate(CLAIMS.items()):
        found = board.queue.find(name)
        assert found, f"{name} is nowhere"
        check_whole(found.path)
        end, verdict = ("failed", ERROR_FILE) if outcome == "failed" else ("recently_completed", RESULT_FILE)
        if number < acknowledged:
            assert name in lines, f"the history line of {name} is lost"
        if name in lines:
            assert found.state == end, f"it has its history line, and lies in {found.state}"
        if found.state == end:
            assert msgspec.json.decode((found.path / verdict).read_bytes())["quest"] == name


FILING = Subject(
    "filing of ended quests", lay_claimed, start_board, tuple(partial(file, one) for one in CLAIMS), check_filed
)


# Events and metrics promise nothing of the last moments, but what is read must have been written

TOLD = 2


@dataclass
class Told:
    home: Home
    events: EventLog
    metrics: MetricsWriter

    def tell(self, number: int) -> None:
        self.events.emit("hero.level", f"Level {number}: {REASON}", step=number)
        self.metrics.write({"step": number, "text": f"{number} {REASON}"})
        self.metrics.flush()

    def again(self) -> None:
        self.metrics.rewind(TOLD)


def start_told(home: Home) -> Told:
    return Told(home, EventLog(home.events, "trainer"), MetricsWriter(home.metrics, "trainer"))


def check_told(told: Told, acknowledged: int) -> None:
    events, _ = events_after(told.home.events / "trainer.jsonl")
    assert all(event.text == f"Level {event.step}: {REASON}" for event in events)
    assert len({event.id for event in events}) == len(events)
    assert all(row["text"] == f"{row['step']} {REASON}" for row in read_metrics(told.home.metrics))


TELLING = Subject(
    "events and metrics",
    lambda home: make_places(home, "events", "metrics"),
    start_told,
    (*(partial(lambda number, told: told.tell(number), number) for number in range(1, TOLD + 1)), Told.again),
    check_told,
)


# Settings

CONFIGS = ({"release_when_idle_minutes": 5.0}, {"release_when_idle_minutes": 7.0, "threads": 2})


def check_settings(home: Home, acknowledged: int) -> None:
    load_config(home.config_file)
    possible = [{}, *CONFIGS][acknowledged : acknowledged + 2]
    assert read_raw(home.config_file) in possible, f"it holds {read_raw(home.config_file)}"


SETTINGS = Subject(
    "config.json",
    lambda home: make_places(home, "configs", "locks", "models", "current_model"),
    lambda home: home,
    tuple(partial(lambda content, home: Settings.read(home).write(content), content) for content in CONFIGS),
    check_settings,
)


# Unlocking: a backup comes first, and what was trained is never lost

LOCKED = Locked(model_name="squire", base_model=None, max_length=512)
CURVES = b'{"step": 1}\n' * 50


def lay_campaign(home: Home) -> None:
    home.create()
    write_locked(home.current_model, LOCKED)
    write_seal(home.seals, 10, 1, 1, parts_of(1))
    (home.metrics / "trainer.jsonl").write_bytes(CURVES)
    for name in ("trainer.lock", "config.lock"):  # never deleted: they are there from the first start on
        (home.locks / name).touch()


def start_person(home: Home) -> Home:
    home.create()  # `realm init`, which every daemon asks for where a folder is missing
    return home


def unlock_once(key: str, value: object, home: Home) -> bool:
    """False if there was nothing to unlock."""
    try:
        unlock(Settings.read(home), key, value)
    except NotLocked:
        return False
    return True


def check_unlocked(key: str, value: object, home: Home, acknowledged: int) -> None:
    load_config(home.config_file)
    backups = list((home.vault / "backups").glob("[!.]*"))
    campaigns = [one for one in (home.root, *backups) if list(one.glob("current_model/seals/10-1"))]
    assert campaigns, "the campaign is lost"
    for campaign in campaigns:
        seal, problems = newest_verified(campaign / "current_model" / "seals")
        assert seal, problems
        check_parts(seal)
    curves = [one for one in (home.root, *backups) if (one / "metrics" / "trainer.jsonl").exists()]
    assert [(one / "metrics" / "trainer.jsonl").read_bytes() for one in curves] == [CURVES], f"its curves: {curves}"
    if acknowledged:
        assert [one for one in campaigns if one in backups], "the backup is lost"
        *path, name = key.split(".")
        assert reduce(getitem, path, read_raw(home.config_file))[name] == value
        assert read_locked(home.current_model) == (None if key == "model_name" else LOCKED_AFTER)


LOCKED_AFTER = msgspec.structs.replace(LOCKED, max_length=256)

UNLOCKING = tuple(
    Subject(
        f"unlock {key}",
        lay_campaign,
        start_person,
        (partial(unlock_once, key, value),),
        partial(check_unlocked, key, value),
    )
    for key, value in {"model_name": "dio", "training.max_length": 256}.items()
)

SUBJECTS = (HISTORY, FILING, TELLING, SETTINGS, *UNLOCKING)
