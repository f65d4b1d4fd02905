"""Items: pure, whole, and told apart from what does not exist."""

import hashlib
import json
import re
import subprocess
import sys

import pytest

from realm.arena.battle.chat import ChatTokenizer
from realm.guild.trainers.bin import DIFFICULTIES, LEVELS, OPERATIONS, SIGNS, VERSION, Item, make, space, to_chat
from tests.guild.trainers.bin.conftest import BANDS, NARROW, SAMPLES, Sample

SOME = [(level, split, index) for level in LEVELS for split in ("train", "exam") for index in range(40)]
MAKE = """
import json, sys
from realm.guild.trainers.bin import make
print([make(*one) for one in json.load(sys.stdin)])
"""


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_another_process_makes_the_same_items(hash_seed: str) -> None:
    found = subprocess.run(
        [sys.executable, "-c", MAKE],
        input=json.dumps(SOME[::-1]),
        env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == str([make(*one) for one in SOME][::-1])


FROZEN = {  # levels -> digest of their first items; another one needs another VERSION
    NARROW: "bfb94e4935a8b57f",
    range(8, 31): "17ccd18d55323743",
}


@pytest.mark.parametrize("levels", FROZEN)
def test_items_stay_what_they_are(levels: range) -> None:
    digest = hashlib.sha256()
    for level in levels:
        for split in ("train", "exam"):
            for index in range(100):
                digest.update(json.dumps(to_chat(make(level, split, index)), ensure_ascii=False).encode())
    assert digest.hexdigest()[:16] == FROZEN[levels]


def test_ids_are_unique(items: dict[Sample, list[Item]]) -> None:
    ids = [item.id for sample in SAMPLES for item in items[sample]]
    assert len(set(ids)) == len(ids)


def test_an_item_says_where_it_comes_from() -> None:
    item = make(3, "exam", 17)
    assert (item.id, item.level, item.split, item.index) == ("bin-L3-exam-17", 3, "exam", 17)
    assert (item.space_size, item.space_split) == (space(3).size, space(3).split)


def test_the_prompt_is_the_problem_with_its_signal(items: dict[Sample, list[Item]]) -> None:
    signals = {"easy": "", "medium": "[verify]", "hard": "[show-work]", "expert": "[trace]"}
    assert tuple(signals) == DIFFICULTIES
    for item in items[4]:
        assert item.signal == signals[item.difficulty]
        assert item.prompt == " ".join(filter(None, ["Compute", item.signal])) + f": {item.problem}"
        assert item.problem.startswith(f"{item.operation}(")


def test_a_chat_carries_prompt_answer_and_origin() -> None:
    item = make(2, "train", 5)
    assert to_chat(item) == {
        "messages": [
            {"role": "user", "content": item.prompt},
            {"role": "assistant", "content": item.answer},
        ],
        "metadata": {
            "skill": "bin",
            "generator_id": "bin",
            "generator_version": VERSION,
            "level": 2,
            "difficulty": item.difficulty,
            "operation": item.operation,
            "split": "train",
            "sample_id": "bin-L2-train-5",
        },
    }


@pytest.mark.parametrize(
    ("level", "split", "index", "reason"),
    [
        (0, "train", 0, "unknown level 0.*1 to 30"),
        (31, "train", 0, "unknown level 31"),
        ("3", "train", 0, "unknown level '3'"),
        (3, "test", 0, "unknown split 'test'.*train, exam"),
        (3, "exam", -1, "index -1 is negative"),
    ],
)
def test_what_does_not_exist_is_refused(level: int, split: str, index: int, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        make(level, split, index)


def test_there_are_nineteen_operations() -> None:
    assert len(OPERATIONS) == 19


def literals(items: list[Item]) -> tuple[set[str], set[str]]:
    """The signs that the items use, and the characters between them."""
    longest_first = re.compile("|".join(re.escape(sign) for sign in sorted(SIGNS, key=len, reverse=True)))
    used: set[str] = set()
    rest: set[str] = set()
    for item in items:
        for text in (item.prompt, item.answer):
            used.update(longest_first.findall(text))
            rest.update(longest_first.sub("", text))
    return used, rest


def test_signs_are_the_literals_that_the_texts_use(items: dict[Sample, list[Item]]) -> None:
    used, rest = literals([item for sample in SAMPLES for item in items[sample][:2_000]])
    assert used == set(SIGNS)
    assert rest <= set("0123456789()|-+?_abcd \n")


def test_the_first_signs_are_those_of_the_narrow_levels(items: dict[Sample, list[Item]]) -> None:
    """A tokenizer numbers them in order: what is added for wide levels stands behind."""
    used, rest = literals([item for level in NARROW for item in items[level][:2_000]])
    assert used == set(SIGNS[: len(used)])
    assert rest <= set("0123456789()|-ab \n")


@pytest.mark.parametrize("sample", [7, BANDS[-1]])
def test_items_fit_what_squire_reads(sample: Sample, items: dict[Sample, list[Item]], chat: ChatTokenizer) -> None:
    """The longest of all levels are here; max_length is 512 tokens."""
    wordy = [item for item in items[sample] if item.difficulty in ("hard", "expert")]
    for item, example in zip(wordy, chat.examples([to_chat(item)["messages"] for item in wordy]), strict=True):
        assert len(example.ids) < 480, item
        assert item.answer in chat.decode(example.ids), item
