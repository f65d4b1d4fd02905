import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from realm.arena.intake.lineage import FILE, Examined, Lineage, history_data, rebuild
from realm.core.history import EndedQuest, History
from realm.core.paths import Home
from realm.core.quests import QuestMeta, write_meta

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PASSED = {"quick@1": "passed", "standard@1": "not run"}
REJECTED = {"quick@1": "rejected", "admission@1": "passed", "standard@1": "not run"}


def drop(number: int, generator: str, verdicts: Mapping[str, str], *errors: str) -> Examined:
    at = NOON + timedelta(minutes=number)
    return Examined(f"quest-{number}", generator, verdicts, errors, bool(errors), at)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    return home


def test_drops_are_counted_by_generator_and_by_gatekeeper() -> None:
    lineage = Lineage()
    for number in range(8):
        lineage.count(drop(number, "bin@1", PASSED))
    for number in range(8, 12):
        lineage.count(drop(number, "bin@1", REJECTED, "not_json", "no_text"))
    lineage.count(drop(12, "sy@2", REJECTED, "not_json"))
    document = lineage.document()
    assert document["total_validations"] == 13
    generator = document["generators"]["bin@1"]
    assert (generator["total"], generator["passed"], generator["failed"]) == (12, 8, 4)
    assert generator["fail_rate"] == pytest.approx(1 / 3)
    assert generator["last_seen"] == NOON + timedelta(minutes=11)
    assert generator["top_errors"] == [{"finding": "not_json", "count": 4}, {"finding": "no_text", "count": 4}]
    assert generator["by_validator"]["quick@1"]["failed"] == 4
    validator = document["validators"]["quick@1"]
    assert (validator["total"], validator["failed"]) == (13, 5)
    assert validator["by_generator"]["sy@2"] == {"total": 1, "failed": 1, "fail_rate": 1.0}
    assert document["validators"]["admission@1"]["top_errors"] == []  # it did not reject them
    assert "standard@1" not in document["validators"]  # it did not look


def test_the_worst_is_named_once_enough_drops_were_seen() -> None:
    lineage = Lineage()
    for number in range(9):
        lineage.count(drop(number, "bad@1", REJECTED, "not_json"))
    for number in range(9, 29):
        lineage.count(drop(number, "good@1", PASSED))
    assert lineage.document()["summary"] == {
        "total_generators": 2,
        "total_validators": 2,
        "worst_generator": None,
        "worst_validator": "quick@1",
        "overall_fail_rate": 9 / 29,
    }
    lineage.count(drop(29, "bad@1", REJECTED, "not_json"))
    assert lineage.document()["summary"]["worst_generator"] == "bad@1"


def test_a_quest_is_counted_once() -> None:
    lineage = Lineage()
    assert lineage.count(drop(1, "bin@1", PASSED))
    assert not lineage.count(drop(1, "bin@1", PASSED))
    assert lineage.document()["total_validations"] == 1


def test_nothing_seen_has_no_rates(home: Home) -> None:
    Lineage().write(home.status)
    document = json.loads((home.status / FILE).read_bytes())
    assert document["schema"] == "data_lineage@1"
    assert document["summary"]["overall_fail_rate"] is None


def meta(number: int, **fields: object) -> QuestMeta:
    name = f"20260101T0000{number:02}.000000Z-x-0123abcd"
    return QuestMeta(
        name=name,
        original_name="x.jsonl",
        sha256="0" * 64,
        bytes=1,
        lines=1,
        schema_id="chat_sft_v1",
        priority="low",
        admitted_at=NOON,
        generator_id="bin",
        generator_version="1",
        **{"validators": PASSED, **fields},  # type: ignore[arg-type]
    )


def lay(home: Home, state: str, found: QuestMeta) -> None:
    folder = home.queue / state / found.name
    folder.mkdir()
    write_meta(folder, found)


def end(history: History, found: QuestMeta, outcome: str, **errors: int) -> None:
    history.append(
        EndedQuest(
            claim=None,
            quest=found.name,
            outcome=outcome,  # type: ignore[arg-type]
            ended_at=NOON,
            data=history_data(found, errors),
        )
    )


def test_it_is_rebuilt_from_the_history_and_the_queue(home: Home) -> None:
    watcher, trainer = History(home.history, "queue-watcher"), History(home.history, "trainer")
    for number, state in enumerate(["high", "processing", "recently_completed", "failed"]):
        lay(home, state, meta(number))
    end(trainer, meta(2), "completed")  # also in the queue
    end(trainer, meta(5), "completed")  # pruned from the queue
    refused = meta(6, validators=REJECTED)
    lay(home, "failed", refused)
    end(watcher, refused, "refused", not_json=3)
    lay(home, "failed", meta(7, validators=REJECTED))  # the kill came before its history line
    (home.queue / "low" / meta(8).name).mkdir()  # nothing is known about it
    lineage, problems = rebuild(home)
    assert problems == []
    row = lineage.document()["generators"]["bin@1"]
    assert (row["total"], row["failed"]) == (6, 1)
    assert row["top_errors"] == [{"finding": "not_json", "count": 1}]


def test_lines_of_others_that_say_nothing_of_a_generator_are_left_out(home: Home) -> None:
    ended = EndedQuest(claim=1, quest="x", outcome="completed", ended_at=NOON, data={"skill": "bin"})
    History(home.history, "trainer").append(ended)
    assert rebuild(home)[0].document()["total_validations"] == 0


def test_a_damaged_history_makes_it_incomplete_and_says_so(home: Home) -> None:
    end(History(home.history, "queue-watcher"), meta(1), "refused", not_json=1)
    (home.history / "trainer.jsonl").write_bytes(b"garbage\n")
    lineage, problems = rebuild(home)
    assert lineage.document()["total_validations"] == 1
    assert len(problems) == 1
    assert problems[0].startswith("lineage is incomplete: ")
    assert "trainer.jsonl, line 1" in problems[0]
