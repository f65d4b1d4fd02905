"""The whole way: a dropped file is admitted, trained, sealed and filed, by two daemons through files alone."""

import gzip
import shutil
from pathlib import Path

import orjson
import pytest

from realm.core.history import read_history
from realm.core.metrics import read_metrics
from realm.core.paths import Home
from realm.core.quests import RESULT_FILE, QuestQueue, read_meta
from realm.guild.skills import get_trainer
from tests.arena.realm_home import eventually, log_of, make_home, running

BIN = get_trainer("bin")


def lines(count: int, first: int = 0) -> bytes:
    return b"".join(orjson.dumps(BIN.to_chat(BIN.make(1, "train", first + n))) + b"\n" for n in range(count))


@pytest.fixture
def home(tmp_path: Path, squire: Path) -> Home:
    return make_home(tmp_path / "home", squire)


def original_names(home: Home) -> list[str]:
    """Of the completed quests, in the order in which they were trained."""
    return [read_meta(home.completed / one.quest).original_name for one in read_history(home.history / "trainer.jsonl")]


def completed(home: Home, count: int) -> bool:
    return len(QuestQueue(home).names("recently_completed")) == count


def test_drops_of_every_kind_are_trained_and_what_is_written_adds_up(home: Home, tmp_path: Path) -> None:
    copied, moved, packed = tmp_path / "copied.jsonl", tmp_path / "moved.jsonl", tmp_path / "packed.jsonl.gz"
    copied.write_bytes(lines(80))
    moved.write_bytes(lines(60, first=300))
    packed.write_bytes(gzip.compress(lines(70, first=600)))
    with running("queue_watcher", home), running("trainer", home):
        shutil.copy(copied, home.inbox)
        moved.rename(home.inbox / "high" / moved.name)
        shutil.copy(packed, home.inbox / "low")
        eventually(lambda: completed(home, 3), what=log_of(home) + log_of(home, "queue_watcher"))
    assert sorted(original_names(home)) == ["copied.jsonl", "moved.jsonl", "packed.jsonl.gz"]
    assert [path for path in home.inbox.rglob("*") if path.is_file()] == []
    rows = read_metrics(home.metrics)
    for ended in read_history(home.history / "trainer.jsonl"):
        result = orjson.loads((home.completed / ended.quest / RESULT_FILE).read_bytes())
        mine = [row for row in rows if row["claim"] == ended.claim]
        assert (ended.steps, ended.tokens) == (len(mine), sum(row["tokens"] for row in mine))
        counts = result["counts"]
        assert counts["trained"] + counts["held_out"] == read_meta(home.completed / ended.quest).lines


STORY = "The squire counts the stars: one, two, three, and then it begins again. "
OF_EACH_SPEC = {
    "chat_sft_v1": lines(60),
    "prompt_completion_v1": b"".join(
        orjson.dumps({"prompt": f"What is {n} + 1?", "completion": f"{n} + 1 is {n + 1}."}) + b"\n" for n in range(60)
    ),
    "completion_v1": b"".join(orjson.dumps({"text": f"{n}. " + STORY * (1 + n % 9)}) + b"\n" for n in range(60)),
}
PLAUSIBLE_MASKS = {"chat_sft_v1": (0.2, 0.8), "prompt_completion_v1": (0.3, 0.7), "completion_v1": (1.0, 1.0)}


def test_a_quest_of_each_spec_is_trained_with_its_own_mask(home: Home) -> None:
    with running("queue_watcher", home), running("trainer", home):
        for spec, content in OF_EACH_SPEC.items():
            (home.inbox / f"{spec}.jsonl").write_bytes(content)
        eventually(lambda: completed(home, 3), what=log_of(home) + log_of(home, "queue_watcher"))
    rows = read_metrics(home.metrics)
    for ended in read_history(home.history / "trainer.jsonl"):
        meta = read_meta(home.completed / ended.quest)
        assert f"{meta.schema_id}.jsonl" == meta.original_name
        assert meta.validators["quick@1"] == meta.validators["standard@1"] == "passed"
        result = orjson.loads((home.completed / ended.quest / RESULT_FILE).read_bytes())
        counts = result["counts"]
        assert (result["outcome"], counts["trained"] + counts["held_out"]) == ("completed", 60)
        assert (counts["overlong"], counts["truncated"]) == (0, 0)
        assert (result["examples"] > counts["trained"]) == (meta.schema_id == "completion_v1")
        lowest, highest = PLAUSIBLE_MASKS[meta.schema_id]
        masks = [row["mask_ratio"] for row in rows if row["claim"] == ended.claim]
        assert masks
        assert all(lowest <= mask <= highest for mask in masks)
        assert result["last_loss"] < result["first_loss"]


def test_a_persons_drop_goes_before_two_thousand_forged_ones(home: Home) -> None:
    """The forged ones wait in low; the trainer begins when all are admitted, and is stopped after the person's."""
    for number in range(2000):
        (home.inbox / "low" / f"forged-{number:04}.jsonl").write_bytes(lines(1, first=number))
    with running("queue_watcher", home):
        eventually(lambda: len(QuestQueue(home).names("low")) == 2000, seconds=240)
        (home.inbox / "mine.jsonl").write_bytes(lines(40, first=9000))
        eventually(lambda: len(QuestQueue(home).names("normal")) == 1)
    first = QuestQueue(home).waiting()[0]
    assert (first.state, read_meta(first.path).original_name) == ("normal", "mine.jsonl")
    with running("trainer", home):
        eventually(lambda: read_metrics(home.metrics) != [])
    assert read_metrics(home.metrics)[0]["quest"] == first.name
