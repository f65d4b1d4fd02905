"""Items of the BIN skill: made from (level, split, index) alone, graded against their gold answer."""

import random
import unicodedata
from dataclasses import dataclass
from typing import Any

from realm.guild.trainers.bin.bands import ONE_PLAIN_IN, SIGNALS, UNLOCK, draw_difficulty
from realm.guild.trainers.bin.operands import Draw
from realm.guild.trainers.bin.problems import SPLITS, space
from realm.guild.trainers.bin.symbol_languages import in_symbols
from realm.guild.trainers.bin.tasks import draw_task

SKILL = "bin"
VERSION = "1.0.0"  # a change of any item's text or choice needs a new one


@dataclass(frozen=True, slots=True)
class Item:
    """A prompt with its gold answer.

    operation is what is asked: an operation, "chain" for nested ones, or an auxiliary task; problem is its canonical
    form, in circled digits whatever the prompt's symbols are; signal is as in the prompt, empty for easy.
    space_size counts the level's single operations with signals; space_split is "hash" where no exam problem is ever
    trained, "none" where the level has too few and both splits share them.
    """

    id: str
    level: int
    split: str
    index: int
    difficulty: str
    operation: str
    problem: str
    signal: str
    prompt: str
    answer: str
    space_size: int
    space_split: str


def make(level: int, split: str, index: int) -> Item:
    """The same item for the same arguments, in any process. Raises ValueError where they name none."""
    level_space = space(level)
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}: use one of {', '.join(SPLITS)}")
    if index < 0:
        raise ValueError(f"index {index} is negative: items are numbered from 0")
    draw = _dice(f"{SKILL} {VERSION} {level} {split} {index}")
    difficulty = draw_difficulty(level, draw)
    task = draw_task(level, split, difficulty, draw)
    signal = SIGNALS[difficulty]
    prompt, answer = f"{task.verb}{signal and f' {signal}'}: {task.question}", task.answer
    if level >= UNLOCK and draw(ONE_PLAIN_IN):
        prompt, answer = in_symbols(prompt, answer, draw)
    return Item(
        id=f"{SKILL}-L{level}-{split}-{index}",
        level=level,
        split=split,
        index=index,
        difficulty=difficulty,
        operation=task.operation,
        problem=task.problem,
        signal=signal,
        prompt=prompt,
        answer=answer,
        space_size=level_space.size,
        space_split=level_space.split,
    )


def _dice(seed: str) -> Draw:
    fraction = random.Random(seed).random  # the one method whose sequence Python promises never to change
    return lambda n: int(fraction() * n)


def score(answer: str, item: Item) -> float:
    """1.0 for the gold answer, else 0.0. Unicode form, outer space and space after lines are ignored."""
    return float(_normalised(answer) == _normalised(item.answer))


def _normalised(text: str) -> str:
    return "\n".join(line.rstrip() for line in unicodedata.normalize("NFC", text).strip().split("\n"))


def to_chat(item: Item) -> dict[str, Any]:
    """One line of a chat_sft_v1 quest."""
    return {
        "messages": [
            {"role": "user", "content": item.prompt},
            {"role": "assistant", "content": item.answer},
        ],
        "metadata": {
            "skill": SKILL,
            "generator_id": SKILL,
            "generator_version": VERSION,
            "level": item.level,
            "difficulty": item.difficulty,
            "operation": item.operation,
            "split": item.split,
            "sample_id": item.id,
        },
    }
