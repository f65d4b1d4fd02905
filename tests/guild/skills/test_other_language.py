"""A skill in another language is a YAML file and a server: tests/guild/skills/adder.pl is in Perl. No code knows it."""

import signal
import subprocess
from pathlib import Path

import msgspec
import orjson
import pytest
from msgspec.structs import replace

from realm.core.log import Log
from realm.core.loopback import LoopbackServer
from realm.core.paths import Home
from realm.guild.annals import Part
from realm.guild.batches import batch_lines
from realm.guild.exams import Paper
from realm.guild.skills import SkillUnavailable, get_skill, get_trainer, list_skills
from realm.guild.skills.api import SkillApi
from realm.guild.skills.in_process import InProcessTrainer
from realm.guild.skills.self_test import self_test
from realm.scrolls.exam import sit
from realm.scrolls.forge import forge
from tests.guild.skills.conftest import echo_skill


def test_it_is_listed_and_keeps_its_word(adder: subprocess.Popen[str]) -> None:
    assert "adder" in list_skills()
    assert self_test(get_skill("adder")).faults == []


def test_quests_are_forged_from_it(adder: subprocess.Popen[str], tmp_path: Path) -> None:
    quest = forge("adder", [1, 2, 3], 600, tmp_path / "q.jsonl", first_index=50)
    rows = [orjson.loads(line) for line in quest.read_bytes().splitlines()]
    assert len(rows) == 600
    assert [row["metadata"]["level"] for row in rows[:4]] == [1, 2, 3, 1]
    for row in rows:
        question, answer = (message["content"] for message in row["messages"])
        left, right = question.removesuffix(" =").split(" + ")
        assert int(left) + int(right) == int(answer)
    sidecar = orjson.loads((tmp_path / "q.jsonl.meta.json").read_bytes())
    assert (sidecar["skill"], sidecar["generator_version"], sidecar["level"]) == ("adder", "1.0.0", 3)
    again = forge("adder", [1, 2, 3], 600, tmp_path / "again.jsonl", first_index=50)
    assert again.read_bytes() == quest.read_bytes()


def test_the_curriculum_takes_batches_of_it(adder: subprocess.Popen[str]) -> None:
    lines = batch_lines(get_trainer("adder"), [Part(1, 90, 20), Part(2, 0, 150)])
    assert [orjson.loads(line)["metadata"]["level"] for line in lines.splitlines()] == [1] * 20 + [2] * 150


def test_a_hero_is_examined_in_it(adder: subprocess.Popen[str], squire: Path, tmp_path: Path) -> None:
    report = sit(squire, "adder", [1, 2], 20, seed="x", papers=tmp_path / "papers.jsonl")
    assert (report.skill, report.skill_version, report.count, report.accuracy) == ("adder", "1.0.0", 20, 0.0)
    papers = [msgspec.json.decode(line, type=Paper) for line in (tmp_path / "papers.jsonl").read_bytes().splitlines()]
    assert {(paper.level, paper.split, paper.extractor) for paper in papers} == {
        (1, "none", "whole-answer@1"),
        (2, "hash", "whole-answer@1"),
    }


def test_the_papers_say_when_a_server_graded(home: Home, squire: Path, tmp_path: Path) -> None:
    """BIN behind its server, as a skill of another machine."""
    skill = replace(get_skill("bin"), id="bon")
    with LoopbackServer(SkillApi(skill, InProcessTrainer(skill, "bin")).app, 0, Log("test")) as server:
        echo_skill(home, server.port)
        file = home.configs / "skills" / "bon.yaml"
        file.write_text(file.read_text().replace("in_process: bin\n", ""))
        report = sit(squire, "bon", [1], 3, papers=tmp_path / "papers.jsonl")
    assert report.generation["extractor"] == "bon-server@1.0.0"
    assert (tmp_path / "papers.jsonl").read_text().count('"extractor":"bon-server@1.0.0"') == 3


def test_killed_it_is_unavailable_and_a_frozen_one_too_once_it_is_killed(adder: subprocess.Popen[str]) -> None:
    trainer = get_trainer("adder")
    assert len(trainer.sample(1, 100)) == 100
    adder.send_signal(signal.SIGSTOP)
    adder.kill()
    adder.wait()
    with pytest.raises(SkillUnavailable):
        trainer.sample(1, 100, first_index=100)
    assert len(trainer.sample(1, 100)) == 100, "what was made before is still there"


def test_a_quest_of_a_skill_that_is_away_is_not_begun(adder: subprocess.Popen[str], home: Home) -> None:
    adder.kill()
    adder.wait()
    with pytest.raises(SkillUnavailable):
        forge("adder", [1], 10, home.inbox / "q.jsonl")
    assert list(home.inbox.glob("*.jsonl*")) == []
