"""The curriculum over real HTTP: what is shown is what will be taught, and two people do not overwrite each other."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from realm.core.config import load_config
from realm.core.paths import Home
from realm.guild.annals import Annals, Dispatched, Part
from realm.guild.curriculum import STRATEGIES
from realm.guild.presets import PRESETS
from tests.cli.console import picture
from tests.guild.climbers import exam
from tests.tavern.serving import ask, post


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    monkeypatch.setenv("REALM_HOME", str(home.root))
    (home.configs / "skills").mkdir()
    shipped = (Path(__file__).parents[2] / "configs" / "skills" / "bin.yaml").read_text()
    (home.configs / "skills" / "sy.yaml").write_text(shipped.replace("id: bin", "id: sy"))
    return home


def now(port: int, count: int = 10) -> dict[str, Any]:
    status, told = ask(port, f"/api/scheduler?count={count}")
    assert status == 200, told
    return dict(told)


def test_everything_that_can_be_chosen_is_told(port: int) -> None:
    told = now(port)
    assert (told["enabled"], told["strategy"], told["preset"], told["batch"]) == (False, "equal", None, 3000)
    assert [preset["name"] for preset in told["presets"]] == list(PRESETS)
    assert {strategy["name"] for strategy in told["strategies"]} == set(STRATEGIES)
    assert told["skills"][0] == {"id": "bin", "enabled": True, "priority": 1, "weight": 1.0}
    assert len(told["decisions"]) == 10
    assert told["problem"] is None
    assert len(now(port, 3)["decisions"]) == 3


def test_another_preset_is_another_preview(home: Home, port: int) -> None:
    before = now(port, 4)
    assert [one["skill"] for one in before["decisions"]] == ["bin", "sy", "bin", "sy"]
    status, after = post(port, "/api/scheduler", {"version": before["version"], "preset": "sy_only"})
    assert (status, after["preset"], after["enabled"]) == (200, "sy_only", True)
    assert {one["skill"] for one in after["decisions"]} == {"sy"}
    assert after["version"] != before["version"]
    assert now(port)["decisions"] == after["decisions"]
    assert [one["enabled"] for one in after["skills"]] == [False, True]
    assert load_config(home.config_file).curriculum.strategy == "focus"


def test_settings_are_changed_one_by_one_and_the_others_stay(home: Home, port: int) -> None:
    home.config_file.write_bytes(b'{"threads": 3, "curriculum": {"exam_minutes": 7}}')
    changes = {"batch": 40, "mix.below": 0.5, "strategy": "weighted", "bin.weight": 9, "enabled": True}
    status, told = post(port, "/api/scheduler", {"version": now(port)["version"], "changes": changes})
    assert status == 200, told
    assert (told["batch"], told["mix"]["below"], told["exam_minutes"], told["preset"]) == (40, 0.5, 7, None)
    assert told["skills"][0]["weight"] == 9
    kept = json.loads(home.config_file.read_bytes())
    assert kept["threads"] == 3
    assert kept["curriculum"]["skills"] == {"bin": {"enabled": True, "priority": 1, "weight": 9}}
    assert "min_queue_depth" not in kept["curriculum"]
    assert {one["skill"] for one in now(port, 30)["decisions"][:20]} == {"bin", "sy"}


def test_what_was_taught_and_mastered_decides(home: Home, port: int) -> None:
    annals = Annals(home)
    post(port, "/api/scheduler", {"version": now(port)["version"], "changes": {"mix.above": 0}})
    assert now(port, 1)["decisions"][0]["parts"] == [{"level": 1, "first_index": 0, "count": 3000}]
    annals.append(
        Dispatched(
            number=0, skill="bin", version="1.0.0", parts=(Part(1, 0, 40),), reason="", at="2026-01-01T00:00:00Z"
        )
    )
    (second,) = now(port, 1)["decisions"]
    assert (second["number"], second["skill"]) == (1, "sy")
    third = now(port, 2)["decisions"][1]
    assert third["parts"] == [{"level": 1, "first_index": 40, "count": 3000}]
    for number in range(3):
        annals.append(exam(number, 1, 0.9))
    parts = now(port, 2)["decisions"][1]["parts"]
    assert [(part["level"], part["count"]) for part in parts] == [(1, 750), (2, 2250)]


def test_two_people_do_not_overwrite_each_other(home: Home, port: int) -> None:
    version = now(port)["version"]

    def change(batch: int) -> tuple[int, Any]:
        return post(port, "/api/scheduler", {"version": version, "changes": {"batch": batch}})

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(change, range(100, 108)))
    assert sorted(status for status, _ in answers) == [200, *[409] * 7]
    won = next(told for status, told in answers if status == 200)
    assert load_config(home.config_file).curriculum.batch == won["batch"]
    for status, told in answers:
        if status == 409:
            assert "was changed meanwhile" in told["error"]
            assert told["version"] == won["version"]


REFUSALS = (
    ({"preset": "lazy"}, "'lazy' is no preset: choose balanced"),
    ({"changes": {"batch": 0}}, "curriculum.batch is 0: expected `int` >= 1"),
    ({"changes": {"batch": "many"}}, "curriculum.batch is 'many'"),
    ({"changes": {"strategy": "luck"}}, "choose equal, focus, weighted, catch_up"),
    ({"changes": {"training.seed": 1}}, "curriculum.training.seed is unknown"),
    ({"changes": {"../seals.minutes": 1}}, "is unknown"),
    ({"changes": {"bin.colour": 1}}, "colour"),
    ({"changes": {"bin.weight": -1}}, "weight"),
    ({"changes": {"mix.below": 2}}, "curriculum.mix.below is 2"),
    ({"changes": {"skills": {"dance": {}}}}, "names dance"),
    ({}, "state one of preset, changes and undo"),
    ({"preset": "balanced", "changes": {"batch": 1}}, "state one of preset, changes and undo"),
    ({"presets": "balanced"}, "unknown field `presets`"),
)


def test_what_cannot_be_is_refused_and_changes_nothing(home: Home, port: int) -> None:
    version = now(port)["version"]
    (home.locks / "config.lock").touch(0o664)
    before = picture(home)
    for body, said in REFUSALS:
        status, told = post(port, "/api/scheduler", {"version": version, **body})
        assert (status, said in told["error"]) == (400, True), (body, told)
    deep = b'{"version": "x", "changes": {"batch": ' + b"[" * 60_000 + b"]" * 5 + b"}}"
    assert post(port, "/api/scheduler", deep, Content_Type="application/json")[0] == 400
    assert ask(port, "/api/scheduler?count=0")[0] == ask(port, "/api/scheduler?count=101")[0] == 400
    assert picture(home) == before


def test_a_preset_of_a_skill_that_is_not_here_cannot_be_chosen(home: Home, port: int) -> None:
    (home.configs / "skills" / "sy.yaml").unlink()
    told = now(port)
    problems = {preset["name"]: preset["problem"] for preset in told["presets"]}
    assert problems["balanced"] is None
    assert "names sy" in problems["sy_only"]
    status, refused = post(port, "/api/scheduler", {"version": told["version"], "preset": "sy_only"})
    assert (status, refused["error"]) == (400, problems["sy_only"])


def test_settings_that_teach_nothing_are_shown_with_the_reason(home: Home, port: int) -> None:
    changes = {"bin.enabled": False, "sy.enabled": False}
    status, told = post(port, "/api/scheduler", {"version": now(port)["version"], "changes": changes})
    assert (status, told["decisions"]) == (200, None)
    assert "no skill is enabled" in told["problem"]


def test_a_config_that_is_broken_is_told(home: Home, port: int) -> None:
    home.config_file.write_bytes(b'{"curriculum": {"batch": 0}}')
    status, told = ask(port, "/api/scheduler")
    assert (status, "curriculum.batch is 0" in told["error"]) == (409, True)
    (home.history / "scheduler.jsonl").write_bytes(b"scribble\n")
    home.config_file.unlink()
    told = now(port)
    assert told["decisions"] is None
    assert "scheduler.jsonl, line 1" in told["problem"]


def test_an_idea_is_previewed_and_not_written(home: Home, port: int) -> None:
    before, settings = picture(home), now(port)
    for idea in ({"preset": "sy_only"}, {"changes": {"sy.enabled": True, "bin.enabled": False}}):
        told = post(port, "/api/scheduler/preview", idea)[1]
        assert {one["skill"] for one in told["decisions"]} == {"sy"}
    told = post(port, "/api/scheduler/preview", {"changes": {"batch": 500}})[1]
    assert (told["batch"], sum(part["count"] for part in told["decisions"][0]["parts"])) == (500, 500)
    assert now(port) == settings
    assert picture(home) == before


def test_an_idea_that_cannot_be_is_refused(home: Home, port: int) -> None:
    ideas: tuple[tuple[Any, int, str], ...] = (
        ({}, 400, "one of preset, changes and undo"),
        ({"preset": "balanced", "changes": {"batch": 1}}, 400, "one of preset, changes and undo"),
        ({"preset": "../balanced"}, 400, "balanced"),
        ({"changes": {"bin.weight": -1}}, 400, "weight"),
        ({"changes": {"nothing": 1}}, 400, "nothing"),
        ({"changes": {"batch": 1}, "version": "x"}, 400, "unknown field `version`"),
    )
    for idea, status, said in ideas:
        found, told = post(port, "/api/scheduler/preview", idea)
        assert (found, said in told["error"]) == (status, True), (idea, told)
    assert post(port, "/api/scheduler/preview", {"changes": {"batch": 1}}, Origin="http://evil.example")[0] == 403
    assert post(port, "/api/scheduler/preview", b" " * 70_000, Content_Type="application/json")[0] == 413


# The last change


def test_a_change_tells_by_whom_it_is_and_can_be_undone(home: Home, port: int) -> None:
    home.config_file.write_bytes(b'{"threads": 3}')
    shipped = now(port)
    assert shipped["last_change"] is None
    post(port, "/api/scheduler", {"version": shipped["version"], "changes": {"batch": 50, "sy.weight": 2}})
    told = now(port)
    assert told["last_change"]["by"] == "tavern"
    assert told["last_change"]["differences"] == [
        {"key": "batch", "before": 3000, "after": 50},
        {"key": "sy.weight", "before": 1.0, "after": 2.0},
    ]
    undo = {"version": told["version"], "undo": True}
    preview = post(port, "/api/scheduler/preview", {"undo": True})[1]
    assert preview["batch"] == 3000
    status, back = post(port, "/api/scheduler", undo)
    assert (status, back["batch"]) == (200, 3000)
    assert json.loads(home.config_file.read_bytes()) == {"threads": 3}
    assert post(port, "/api/scheduler", undo)[0] == 409  # of another version
    again = post(port, "/api/scheduler", {"version": back["version"], "undo": True})[1]
    assert again["batch"] == 50  # what undid it is the last change now


def test_what_a_hand_wrote_is_nobodys_and_stays(home: Home, port: int) -> None:
    post(port, "/api/scheduler", {"version": now(port)["version"], "changes": {"batch": 50}})
    content = json.loads(home.config_file.read_bytes())
    home.config_file.write_bytes(json.dumps({**content, "threads": 2}).encode())
    assert now(port)["last_change"]["by"] == "tavern"  # of something else
    content["curriculum"]["batch"] = 60
    home.config_file.write_bytes(json.dumps(content).encode())
    told = now(port)
    assert (told["last_change"]["by"], told["last_change"]["differences"]) == (None, [])
    status, refused = post(port, "/api/scheduler", {"version": told["version"], "undo": True})
    assert (status, "no program" in refused["error"]) == (409, True)
    home.curriculum_change.write_bytes(b"scribble")
    assert now(port)["last_change"]["by"] is None
    assert now(port)["batch"] == 60


def test_a_preset_tells_what_it_would_change(port: int) -> None:
    post(port, "/api/scheduler", {"version": now(port)["version"], "preset": "balanced"})
    presets = {one["name"]: one["differences"] for one in now(port)["presets"]}
    assert presets["balanced"] == []
    assert {"key": "strategy", "before": "equal", "after": "focus"} in presets["sy_only"]
    assert {"key": "bin.enabled", "before": True, "after": False} in presets["sy_only"]
    assert "sy.enabled" not in [one["key"] for one in presets["sy_only"]]
