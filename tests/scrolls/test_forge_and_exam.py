"""From forge to exam on real files, by a hero that learns and by one that does not."""

from pathlib import Path

import msgspec
import orjson
import pytest

from realm.core.files import sha256_of
from realm.guild.exams import Paper
from realm.guild.skills import get_trainer
from realm.scrolls.exam import sit
from realm.scrolls.forge import forge
from realm.scrolls.train import Plan, train


def test_a_forged_quest_holds_train_items_of_its_levels_in_turn_and_a_sidecar(tmp_path: Path) -> None:
    quest = forge("bin", [3, 4], 100, tmp_path / "q.jsonl", first_index=7)
    rows = [orjson.loads(line) for line in quest.read_bytes().splitlines()]
    trainer = get_trainer("bin")
    assert rows == [trainer.to_chat(trainer.make(3 + n % 2, "train", 7 + n // 2)) for n in range(100)]
    sidecar = orjson.loads((tmp_path / "q.jsonl.meta.json").read_bytes())
    assert sidecar["generator_id"] == "bin"
    assert (sidecar["level"], sidecar["example_count"]) == (4, 100)


def test_a_quest_that_exists_is_never_forged_over(tmp_path: Path) -> None:
    quest = forge("bin", [1], 1, tmp_path / "q.jsonl")
    with pytest.raises(FileExistsError):
        forge("bin", [1], 2, quest)


@pytest.mark.parametrize(("skill", "levels", "text"), [("bim", [1], "unknown skill 'bim'"), ("bin", [0], "level")])
def test_unknown_skills_and_levels_are_refused(tmp_path: Path, skill: str, levels: list[int], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        forge(skill, levels, 1, tmp_path / "q.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_random_weights_score_nothing_and_the_papers_say_why(squire: Path, tmp_path: Path) -> None:
    report = sit(squire, "bin", [1, 3], 20, papers=tmp_path / "papers.jsonl")
    assert (report.correct, report.accuracy, report.count) == (0.0, 0.0, 20)
    assert report.checkpoint_digest == sha256_of(squire / "model.safetensors")
    papers = [msgspec.json.decode(line, type=Paper) for line in (tmp_path / "papers.jsonl").read_bytes().splitlines()]
    assert [paper.item for paper in papers[::10]] == ["bin-L1-exam-0", "bin-L3-exam-0"]
    assert {paper.level: paper.split for paper in papers} == {1: "none", 3: "hash"}
    assert all(paper.prompt and paper.gold for paper in papers)
    with pytest.raises(FileExistsError, match="never overwritten"):
        sit(squire, "bin", [1], 1, papers=tmp_path / "papers.jsonl")


def test_a_hero_that_trained_answers_right(squire: Path, tmp_path: Path) -> None:
    """The whole point: random weights, 150 steps of BIN level 1, and a greedy exam has right answers."""
    quest = forge("bin", [1], 10_000, tmp_path / "level-1.jsonl")
    changes = {"batch_size": 4, "warmup_steps": 30, "eval_steps": 0}
    victory = train(Plan([quest], squire, tmp_path / "run", max_steps=150, changes=changes))
    report = sit(victory.folder, "bin", [1], 100)
    assert report.accuracy >= 0.25
    assert victory.record.skill_name == "bin"
    assert victory.record.skill_level == 1
