"""No exam problem is in what the curriculum drops: counted on the files themselves, by a reader that shares nothing
with their maker."""

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from realm.core.config import Curriculum, Mix
from realm.core.paths import Home
from realm.guild.annals import Annals
from realm.guild.curriculum import LOOK_AHEAD, next_decision, taught
from realm.guild.dispatch import dispatch
from realm.guild.progression import Standing
from realm.guild.skills import get_trainer
from tests.guild.trainers.bin.test_problems import is_exam
from tests.guild.trainers.bin.wide_checker import check

LEVELS = range(1, 13)
SPLIT_FROM = 3
SETTINGS = Curriculum(batch=600, mix=Mix(below=0.25, above=0.1))


def exam_problems(file: Path) -> Iterator[str]:
    """Those of split levels that a quest tells the result of, by itself or within another call."""
    for line in file.read_bytes().splitlines():
        row = orjson.loads(line)
        prompt, answer = (message["content"] for message in row["messages"])
        if row["metadata"]["level"] >= SPLIT_FROM:
            yield from filter(is_exam, check(prompt, answer))


@pytest.fixture(scope="module")
def drops(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two batches at each training level."""
    home = Home(tmp_path_factory.mktemp("dispatched") / "home")
    home.create()
    annals = Annals(home)
    for number in range(2 * len(LEVELS)):
        now = Standing(skill="bin", max_level=30, threshold=0.8, mastered_level=number // 2)
        dispatch(home, annals, next_decision(number, SETTINGS, {"bin": now}, taught(annals.dispatched)))
    return sorted((home.inbox / "low").glob("*.jsonl"))


def test_there_is_none_at_any_level(drops: list[Path]) -> None:
    rows = [orjson.loads(line) for drop in drops for line in drop.read_bytes().splitlines()]
    assert {row["metadata"]["level"] for row in rows} == {*LEVELS, *range(LEVELS.stop, LEVELS.stop + LOOK_AHEAD)}
    assert len(rows) == len({row["metadata"]["sample_id"] for row in rows}) == 2 * len(LEVELS) * SETTINGS.batch
    assert {drop.name: found for drop in drops if (found := list(exam_problems(drop)))} == {}


@pytest.mark.parametrize("level", [SPLIT_FROM, 7, 8, LEVELS.stop - 1])
def test_a_planted_one_is_found(drops: list[Path], tmp_path: Path, level: int) -> None:
    trainer = get_trainer("bin")
    planted = orjson.dumps(trainer.to_chat(trainer.exam(level, 20, "x")[-1]), option=orjson.OPT_APPEND_NEWLINE)
    spoilt = tmp_path / "spoilt.jsonl"
    spoilt.write_bytes(drops[-1].read_bytes() + planted)
    assert list(exam_problems(spoilt))
