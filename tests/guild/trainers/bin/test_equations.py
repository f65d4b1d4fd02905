"""Every statement in an answer is true, and nothing but the gold answer passes."""

import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from unicodedata import normalize

import pytest

from realm.guild.trainers.bin import DIFFICULTIES, OPERATIONS, Item, make, score
from tests.guild.trainers.bin.conftest import NARROW, SAMPLES, Sample
from tests.guild.trainers.bin.equation_checker import FalseLine
from tests.guild.trainers.bin.wide_checker import check

AUXILIARY = ("error_detection", "fill_blank", "true_false", "comparison", "properties", "overflow", "reverse")
CELLS = {(operation, difficulty) for operation in OPERATIONS for difficulty in DIFFICULTIES}
WIDE_CELLS = {
    *CELLS,
    *(("chain", difficulty) for difficulty in ("medium", "hard", "expert")),
    *((task, difficulty) for task in AUXILIARY for difficulty in ("easy", "medium")),
}
PER_CELL = 132  # mutations; 76 cells make 10,032 a sample
VISIBLE = "⓪①0123456789=+-×<>|(),:abeforTy"


def wrong_character(gold: str, dice: random.Random) -> str:
    place = dice.randrange(len(gold))
    return gold[:place] + dice.choice(VISIBLE) + gold[place + 1 :]


def inserted_character(gold: str, dice: random.Random) -> str:
    place = dice.randrange(len(gold) + 1)
    return gold[:place] + dice.choice(VISIBLE) + gold[place:]


def deleted_character(gold: str, dice: random.Random) -> str:
    place = dice.randrange(len(gold))
    return gold[:place] + gold[place + 1 :]


def swapped_characters(gold: str, dice: random.Random) -> str:
    place = dice.randrange(len(gold) - 1)
    return gold[:place] + gold[place + 1] + gold[place] + gold[place + 2 :]


def exchanged_digit(gold: str, dice: random.Random) -> str:
    """In whatever symbols; an answer without two of them stays as it is."""
    digits = sorted(set(gold) - set(map(chr, range(256))))
    places = [place for place, letter in enumerate(gold) if letter in digits]
    if len(digits) < 2:
        return gold
    place = dice.choice(places)
    other = dice.choice([digit for digit in digits if digit != gold[place]])
    return gold[:place] + other + gold[place + 1 :]


def dropped_line(gold: str, dice: random.Random) -> str:
    lines = gold.split("\n")
    del lines[dice.randrange(len(lines))]
    return "\n".join(lines)


def repeated_line(gold: str, dice: random.Random) -> str:
    lines = gold.split("\n")
    place = dice.randrange(len(lines))
    return "\n".join([*lines[: place + 1], *lines[place:]])


def shuffled_lines(gold: str, dice: random.Random) -> str:
    lines = gold.split("\n")
    return "\n".join(dice.sample(lines, len(lines)))


def truncated(gold: str, dice: random.Random) -> str:
    return gold[: dice.randrange(len(gold))]


def more_words(gold: str, dice: random.Random) -> str:
    return dice.choice([f"{gold} ✓", f"The answer is {gold}", f"{gold}\n{gold}", f"{gold}\n\nDone."])


def result_only(gold: str, dice: random.Random) -> str:
    return dice.choice(gold.split("\n")).rpartition(" = ")[2]


MUTATIONS: list[Callable[[str, random.Random], str]] = [
    *(
        wrong_character,
        inserted_character,
        deleted_character,
        swapped_characters,
        exchanged_digit,
        dropped_line,
    ),
    *(repeated_line, shuffled_lines, truncated, more_words, result_only),
]


def by_cell(items: list[Item]) -> dict[tuple[str, str], list[Item]]:
    cells = defaultdict(list)
    for item in items:
        cells[item.operation, item.difficulty].append(item)
    return cells


def mutants(item: Item, dice: random.Random) -> list[str]:
    texts = [mutate(item.answer, dice) for mutate in MUTATIONS]
    return [text for text in texts if text != item.answer]


@pytest.mark.parametrize("sample", SAMPLES)
def test_no_line_of_ten_thousand_answers_is_false(sample: Sample, items: dict[Sample, list[Item]]) -> None:
    assert len(items[sample]) == 10_000
    for item in items[sample]:
        assert item.problem in check(item.prompt, item.answer)


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_operation_comes_at_every_difficulty(sample: Sample, items: dict[Sample, list[Item]]) -> None:
    assert set(by_cell(items[sample])) == (CELLS if sample in NARROW else WIDE_CELLS)


@pytest.mark.parametrize("sample", SAMPLES)
def test_gold_passes_and_ten_thousand_mutations_fail(sample: Sample, items: dict[Sample, list[Item]]) -> None:
    dice = random.Random(str(sample))
    for cell in by_cell(items[sample]).values():
        wrong = 0
        while wrong < PER_CELL:
            item, other = dice.choice(cell), dice.choice(items[sample])
            assert score(item.answer, item) == 1.0, item
            for text in [*mutants(item, dice), *([other.answer] if other.answer != item.answer else [])]:
                assert score(text, item) == 0.0, f"{text!r} passes as {item.answer!r}"
                wrong += 1


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_checker_refuses_mutations_too(sample: Sample, items: dict[Sample, list[Item]]) -> None:
    dice = random.Random(str(sample))
    for cell in by_cell(items[sample]).values():
        for item in islice(cell, 3):
            for text in mutants(item, dice):
                with pytest.raises(FalseLine):
                    check(item.prompt, text)


ITEM = make(3, "train", 0)


def test_space_around_the_answer_and_after_lines_does_not_count() -> None:
    answer = "add(①⓪, ①) = ①①\nVerification: 2 + 1 = 3"
    item = replace(ITEM, answer=answer)
    assert score("\n\n add(①⓪, ①) = ①①  \r\nVerification: 2 + 1 = 3\t\n", item) == 1.0
    assert score(answer.replace("\n", "\n\n"), item) == 0.0
    assert score(answer.replace("\n", "\n "), item) == 0.0
    assert score(answer.replace(" = ", " =  "), item) == 0.0


def test_canonically_equal_unicode_passes_but_plain_digits_do_not() -> None:
    assert score(normalize("NFD", "é"), replace(ITEM, answer=normalize("NFC", "é"))) == 1.0
    assert score(normalize("NFKC", ITEM.answer), ITEM) == 0.0


@pytest.mark.parametrize("answer", ["", "\n", "①", "="])
def test_a_fragment_is_no_answer(answer: str) -> None:
    assert score(answer, ITEM) == 0.0
