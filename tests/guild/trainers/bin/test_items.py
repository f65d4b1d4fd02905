"""Items: pure, whole, and told apart from what does not exist."""

import json
import re
import subprocess
import sys

import pytest

from realm.guild.trainers.bin import DIFFICULTIES, LEVELS, OPERATIONS, SIGNS, VERSION, Item, make, space, to_chat

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


def test_ids_are_unique(items: dict[int, list[Item]]) -> None:
    ids = [item.id for level in LEVELS for item in items[level]]
    assert len(set(ids)) == len(ids)


def test_an_item_says_where_it_comes_from() -> None:
    item = make(3, "exam", 17)
    assert (item.id, item.level, item.split, item.index) == ("bin-L3-exam-17", 3, "exam", 17)
    assert (item.space_size, item.space_split) == (space(3).size, space(3).split)


def test_the_prompt_is_the_problem_with_its_signal(items: dict[int, list[Item]]) -> None:
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
        (0, "train", 0, "unknown level 0.*1 to 7"),
        (8, "train", 0, "unknown level 8"),
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


def test_signs_are_the_literals_that_the_texts_use(items: dict[int, list[Item]]) -> None:
    longest_first = re.compile("|".join(re.escape(sign) for sign in sorted(SIGNS, key=len, reverse=True)))
    used: set[str] = set()
    rest: set[str] = set()
    for level in LEVELS:
        for item in items[level]:
            for text in (item.prompt, item.answer):
                used.update(longest_first.findall(text))
                rest.update(longest_first.sub("", text))
    assert used == set(SIGNS)
    assert rest <= set("0123456789()|-ab \n")
