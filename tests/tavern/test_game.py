"""GET /api/game over real HTTP: numbers that were measured, and null for all others."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from realm.core.events import EventLog
from realm.core.metrics import MetricsWriter
from realm.core.paths import Home
from realm.guild.annals import Annals, Reverted
from tests.cli.console import alive, end_quest, say_training
from tests.guild.climbers import exam
from tests.tavern.serving import ask


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    monkeypatch.setenv("REALM_HOME", str(home.root))
    return home


def game(port: int) -> dict[str, Any]:
    status, told = ask(port, "/api/game")
    assert status == 200, told
    return dict(told)


def test_a_new_home_has_measured_nothing(port: int) -> None:
    told = game(port)
    measured = ("xp", "level", "xp_in_level", "attack", "defence", "accuracy", "loss", "loss_ema", "validation_loss")
    assert {key: told[key] for key in measured} == dict.fromkeys(measured)
    assert (told["gold"], told["seconds_to_next_level"], told["problems"]) == (0, None, [])
    assert told["hero"] == {"id": "squire", "name": "Squire"}
    (skill,) = told["skills"]
    assert (skill["id"], skill["mastered_level"], skill["training_level"], skill["window"]) == ("bin", 0, 1, [])
    assert len(skill["ladder"]) == skill["max_level"] == 30
    unknown = {"taught": 0, "exams": 0, "latest": None, "accuracies": []}
    assert skill["ladder"][6] == {"level": 7, "title": "Byte, 8 bits", **unknown}


def test_the_hero_is_what_the_trainer_measured(home: Home, port: int) -> None:
    said = say_training(home, step=12_345, loss=0.5, loss_ema=0.4, validation_loss=0.8, validation_step=12_300)
    for claim, outcome in enumerate(("completed", "skipped", "completed"), start=1):
        end_quest(home, claim, outcome)
    told = game(port)
    assert (told["xp"], told["level"], told["xp_in_level"], told["steps_per_level"]) == (12_345, 12, 345, 1000)
    assert (told["attack"], told["defence"], told["gold"]) == (2.5, 1.25, 200)
    assert (told["loss"], told["validation_loss"], told["validation_step"]) == (0.5, 0.8, said.validation_step)
    say_training(home, step=12_000)  # an older checkpoint was restored
    assert game(port)["xp"] == 12_000


def test_each_level_has_its_exams(home: Home, port: int) -> None:
    annals = Annals(home)
    for number, level, accuracy in ((1, 1, 0.5), (2, 1, 0.9), (3, 1, 1.0), (4, 1, 0.5), (5, 2, 0.62), (6, 1, 0.3)):
        annals.append(exam(number, level, accuracy))
    (skill,) = game(port)["skills"]
    assert (skill["mastered_level"], skill["training_level"], skill["threshold"]) == (1, 2, 0.8)
    (up,) = skill["level_ups"]
    assert (up["level"], len(up["evidence"])) == (1, 3)
    assert skill["regressed"] == [1]
    (latest,) = skill["window"]
    assert (latest["level"], latest["correct"], latest["count"], latest["accuracy"]) == (2, 31, 50, 0.62)
    assert 0.48 < latest["low"] < latest["accuracy"] < latest["high"] < 0.75
    assert (skill["ladder"][0]["exams"], skill["ladder"][0]["latest"]["accuracy"]) == (5, 0.3)
    assert skill["ladder"][1]["latest"] == latest
    assert [rung["accuracies"] for rung in skill["ladder"][:3]] == [[0.5, 0.9, 1.0, 0.5, 0.3], [0.62], []]
    assert game(port)["accuracy"] == 0.62
    annals.append(Reverted(skill="bin", level=1, why="for a test", at="2026-01-03T00:00:00Z"))
    assert game(port)["skills"][0]["mastered_level"] == 0


def test_the_next_level_comes_at_the_speed_that_was_measured(home: Home, port: int) -> None:
    rows = MetricsWriter(home.metrics, "trainer")
    now = datetime.now(UTC)

    def write(step: int, seconds_ago: float) -> None:
        rows.write({"step": step, "at": (now - timedelta(seconds=seconds_ago)).isoformat(timespec="milliseconds")})

    say_training(home, step=1_900)
    write(1, 100_000)  # too long ago to count
    write(5_000, 300)  # undone
    rows.rewind(1_860)
    for step in range(1_861, 1_901):
        write(step, (1_900 - step) * 2)
    rows.flush()
    assert game(port)["seconds_to_next_level"] is None  # the trainer is not there
    with alive(home, "trainer"):
        say_training(home, step=1_900)
        told = game(port)
        assert told["seconds_to_next_level"] == pytest.approx(200, rel=0.01)
        assert told["seconds_to_next_level_range"] == pytest.approx([200, 200], rel=0.01)
        say_training(home, step=1_900, state="paused")
        told = game(port)
        assert (told["seconds_to_next_level"], told["seconds_to_next_level_range"], told["pace"]) == (None, None, None)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ([1] * 40 + [3] * 40, [100, 300]),  # half of the parts made a step each second, half one in three
        ([1] * 79 + [81], [100, 200]),  # one long pause: no quartile has it, the mean does
        ([2] * 6, None),
    ],
    ids=["two speeds", "a pause", "too few"],
)
def test_how_far_the_speed_spreads_is_measured_too(
    home: Home, port: int, seconds: list[int], expected: list[float] | None
) -> None:
    rows, at = MetricsWriter(home.metrics, "trainer"), datetime.now(UTC) - timedelta(seconds=sum(seconds))
    for step, lasted in enumerate([0, *seconds], start=1_900 - len(seconds)):
        at += timedelta(seconds=lasted)
        rows.write({"step": step, "at": at.isoformat(timespec="milliseconds")})
    rows.flush()
    with alive(home, "trainer"):
        say_training(home, step=1_900)
        told = game(port)
    assert told["seconds_to_next_level"] == pytest.approx(200, rel=0.01)
    assert told["seconds_to_next_level_range"] == (expected and pytest.approx(expected, rel=0.01))
    assert (told["pace"]["steps"], told["pace"]["seconds"]) == (len(seconds), pytest.approx(sum(seconds), rel=0.01))


def test_what_cannot_be_read_is_null_with_the_reason(home: Home, port: int) -> None:
    end_quest(home, 1, "completed")
    for file in ("trainer.jsonl", "scheduler.jsonl"):
        with (home.history / file).open("ab") as history:
            history.write(b"scribble\n")
    (home.status / "training_status.json").write_bytes(b"{")
    home.config_file.write_bytes(b"{")
    told = game(port)
    assert (told["gold"], told["xp"], told["hero"]) == (None, None, None)
    problems = " ".join(told["problems"])
    for file in ("trainer.jsonl, line 2", "scheduler.jsonl, line 1", "training_status.json"):
        assert file in problems


def test_a_skill_that_appears_is_shown_at_once(home: Home, port: int) -> None:
    assert [skill["id"] for skill in game(port)["skills"]] == ["bin"]
    shipped = (Path(__file__).parents[2] / "configs" / "skills" / "bin.yaml").read_text()
    (home.configs / "skills").mkdir()
    (home.configs / "skills" / "sy.yaml").write_text(shipped.replace("id: bin", "id: sy"))
    assert [skill["id"] for skill in game(port)["skills"]] == ["bin", "sy"]


def test_achievements_are_told_with_their_proof(home: Home, port: int) -> None:
    end_quest(home, 1, "completed")
    EventLog(home.events, "trainer").emit("hero.level", "Level 1: 1,000 steps", step=1_000)
    told = {one["id"]: one for one in game(port)["achievements"]}
    first = told["first_blood"]
    assert (first["earned_at"], first["have"], first["need"]) == ("2025-11-27T00:00:00Z", 1, 1)
    assert first["evidence"].startswith("history/trainer.jsonl, line 1: ")
    event = json.loads((home.events / "trainer.jsonl").read_bytes())
    assert told["level_1"]["evidence"] == f"events/trainer.jsonl, id {event['id']}: {event['text']}"
    assert told["level_5"] | {"text": "", "title": "", "icon": ""} == {
        "id": "level_5",
        "icon": "",
        "title": "",
        "text": "",
        "earned_at": None,
        "evidence": None,
        "have": 1_000,
        "need": 5_000,
    }
