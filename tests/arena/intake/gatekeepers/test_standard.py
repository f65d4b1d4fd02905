"""STANDARD with the real tokenizer of a real hero."""

import json
import os
import shutil
from pathlib import Path

import pytest

from realm.arena.battle.chat import ChatTokenizer
from realm.arena.battle.specs import get_spec
from realm.arena.intake.gatekeepers.findings import Findings
from realm.arena.intake.gatekeepers.hero import CurrentMeasure, Measure
from realm.arena.intake.gatekeepers.quick import cut_lines
from realm.arena.intake.gatekeepers.standard import LONGEST_CHAT, Sample, judge, token_lengths
from realm.core.config import Config, Gatekeepers
from realm.core.paths import Home
from tests.arena.watcher import chat as chat_line

SPEC = get_spec("chat_sft_v1")


def sample_of(content: bytes, size: int) -> Sample:
    sample = Sample(size)
    for line in cut_lines([content]):
        sample.offer(line)
    return sample


def test_a_small_file_is_sampled_whole_and_a_large_one_evenly_and_always_the_same() -> None:
    lines = b"x\n" * 10_000
    assert [line.number for line in sample_of(lines[:20], 100).lines] == list(range(1, 11))
    sample = [line.number for line in sample_of(lines, 100).lines]
    assert len(set(sample)) == 100
    assert 3_000 < sum(sample) / 100 < 7_000
    assert sample == [line.number for line in sample_of(lines, 100).lines]


def test_a_sample_holds_no_content() -> None:
    assert all(line.content is None for line in sample_of(b"abc\ndef\n", 5).lines)


def test_lengths_are_those_the_trainer_will_see(tmp_path: Path, chat: ChatTokenizer) -> None:
    chats = [chat_line("q" * number, "a") for number in (30, 10, 20)]
    file = tmp_path / "quest.jsonl"
    file.write_bytes(b"".join(chats))
    pulses: list[None] = []
    sample = sample_of(file.read_bytes(), 100)
    lengths = token_lengths(file, sample, SPEC, chat, lambda: pulses.append(None))
    assert lengths == sorted(len(chat.examples([json.loads(line)["messages"]])[0].ids) for line in chats)
    assert len(pulses) == 3


def test_of_an_endless_text_no_more_is_tokenised_than_matters(tmp_path: Path, chat: ChatTokenizer) -> None:
    file = tmp_path / "quest.jsonl"
    file.write_bytes(chat_line("x" * (LONGEST_CHAT * 4)))
    (length,) = token_lengths(file, sample_of(file.read_bytes(), 1), SPEC, chat, lambda: None)
    assert LONGEST_CHAT <= length < LONGEST_CHAT + 100
    file.write_bytes(json.dumps({"messages": [{"role": "assistant", "content": "x" * 1000}] * 1000}).encode())
    (length,) = token_lengths(file, sample_of(file.read_bytes(), 1), SPEC, chat, lambda: None)
    assert LONGEST_CHAT <= length < LONGEST_CHAT * 1.1


def test_statistics_and_the_share_beyond_max_length(chat: ChatTokenizer) -> None:
    findings = Findings(Gatekeepers(overlong_share=0.05))
    statistics = judge(list(range(1, 101)), SPEC, Measure(chat, max_length=95), Gatekeepers(), findings)
    assert statistics == {
        "lines": 100,
        "min": 1,
        "median": 51,
        "p95": 96,
        "p99": 100,
        "max": 100,
        "max_length": 95,
        "share_over_max_length": 0.05,
    }
    assert findings.verdicts == {"standard@1": "passed"}
    judge(list(range(1, 101)), SPEC, Measure(chat, max_length=94), Gatekeepers(), findings)
    assert findings.verdicts == {"standard@1": "warned"}
    (warning,) = findings.warnings
    assert warning.startswith("6% of 100 sampled examples are longer than max_length (94 tokens)")


def test_a_text_is_measured_and_never_too_long(tmp_path: Path, chat: ChatTokenizer) -> None:
    spec = get_spec("completion_v1")
    file = tmp_path / "quest.jsonl"
    file.write_bytes(b"".join(json.dumps({"text": "x" * size}).encode() + b"\n" for size in (4, 9, LONGEST_CHAT * 2)))
    lengths = token_lengths(file, sample_of(file.read_bytes(), 3), spec, chat, lambda: None)
    assert lengths == [5, 10, LONGEST_CHAT + 1]
    findings = Findings(Gatekeepers(overlong="reject"))
    statistics = judge(lengths, spec, Measure(chat, max_length=9), Gatekeepers(), findings)
    assert statistics["share_over_max_length"] == pytest.approx(2 / 3)
    assert findings.verdicts == {"standard@1": "passed"}


def test_the_measure_follows_the_hero_that_the_config_names(tmp_path: Path, squire: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    measure = CurrentMeasure(home)
    measure.look(Config())
    assert measure.value is None
    assert "the length of examples is not checked: " in str(measure.problem)
    shutil.copytree(squire, home.models / "squire")
    measure.look(Config())
    found = measure.value
    assert found
    assert (found.max_length, measure.problem) == (512, None)
    measure.look(Config())
    assert measure.value is found  # not read again
    measure.look(Config(training={"max_length": 100}))
    assert measure.value
    assert measure.value.max_length == 100


def test_a_tokenizer_that_cannot_be_read_is_a_problem_until_it_is_mended(tmp_path: Path, squire: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    shutil.copytree(squire, home.models / "squire")
    tokenizer = home.models / "squire" / "tokenizer.json"
    content = tokenizer.read_bytes()
    tokenizer.write_text("{")
    measure = CurrentMeasure(home)
    measure.look(Config())
    assert measure.value is None
    assert "tokenizer.json: " in str(measure.problem)
    tokenizer.write_bytes(content)
    os.utime(tokenizer, (1.0, 1.0))
    measure.look(Config())
    assert measure.value


def test_settings_of_the_training_that_are_wrong_leave_lengths_unchecked(tmp_path: Path, squire: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    shutil.copytree(squire, home.models / "squire")
    measure = CurrentMeasure(home)
    measure.look(Config(training={"max_length": 3}))
    assert "is not checked: " in str(measure.problem)
    assert "training.max_length is 3" in str(measure.problem)


def test_settings_that_become_wrong_leave_the_last_good_measure(tmp_path: Path, squire: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    shutil.copytree(squire, home.models / "squire")
    measure = CurrentMeasure(home)
    measure.look(Config(training={"max_length": 100}))
    measure.look(Config(training={"max_length": 3}))
    assert measure.value
    assert measure.value.max_length == 100
    assert "is checked as before: " in str(measure.problem)
    measure.look(Config())
    assert (measure.value.max_length, measure.problem) == (512, None)


@pytest.mark.parametrize("model", ["nobody", "trainer"])
def test_a_hero_that_is_not_there_is_named(tmp_path: Path, model: str) -> None:
    measure = CurrentMeasure(Home(tmp_path))
    measure.look(Config(model_name=model))
    assert f"models/{model}/hero.yaml" in str(measure.problem)
