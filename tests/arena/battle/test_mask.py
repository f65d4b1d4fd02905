"""A wrong mask is refused by the token ids alone."""

from collections.abc import Callable

import pytest

from realm.arena.battle.chat import IGNORED, ChatTokenizer, Example
from realm.arena.battle.mask import BrokenMask, check_mask
from realm.arena.battle.specs import DatasetSpec, get_spec

CHAT = [
    {"role": "user", "content": "Compute: add(①, ①)"},
    {"role": "assistant", "content": "add(①, ①) = ①⓪"},
    {"role": "user", "content": "And again?"},
    {"role": "assistant", "content": "①⓪"},
]


def prompt_included(example: Example) -> list[int]:
    return list(example.ids)


def shifted_by_one(example: Example) -> list[int]:
    return [*example.labels[1:], IGNORED]


def first_answer_only(example: Example) -> list[int]:
    end = example.labels.index(IGNORED, next(i for i, label in enumerate(example.labels) if label != IGNORED))
    return example.labels[:end] + [IGNORED] * (len(example.labels) - end)


def without_stop_token(example: Example) -> list[int]:
    last = max(i for i, label in enumerate(example.labels) if label != IGNORED)
    return [IGNORED if i == last else label for i, label in enumerate(example.labels)]


def nothing_labelled(example: Example) -> list[int]:
    return [IGNORED] * len(example.labels)


def header_included(example: Example) -> list[int]:
    first = next(i for i, label in enumerate(example.labels) if label != IGNORED)
    return [example.ids[i] if i == first - 1 else label for i, label in enumerate(example.labels)]


BREAKS = [
    prompt_included,
    shifted_by_one,
    first_answer_only,
    without_stop_token,
    nothing_labelled,
    header_included,
]


@pytest.mark.parametrize("broken", BREAKS, ids=lambda one: one.__name__)
def test_a_broken_mask_is_refused(chat: ChatTokenizer, broken: Callable[[Example], list[int]]) -> None:
    [good] = chat.examples([CHAT])
    with pytest.raises(BrokenMask, match="token|tokens"):
        check_mask([good, Example(good.ids, broken(good))], chat, get_spec("chat_sft_v1"))


def test_a_good_mask_passes_and_its_ratio_is_the_share_of_answer_tokens(chat: ChatTokenizer) -> None:
    [example] = chat.examples([CHAT])
    answers = sum(len(chat.examples([[turn]])[0].ids) - 4 for turn in (CHAT[1], CHAT[3]))  # less header and newline
    assert check_mask([example], chat, get_spec("chat_sft_v1")) == answers / len(example.ids)


def test_a_ratio_outside_the_specs_bounds_is_refused(chat: ChatTokenizer) -> None:
    strict = DatasetSpec("strict", ("messages",), (0.9, 1.0))
    with pytest.raises(BrokenMask, match="strict allows 90.0% to 100.0%"):
        check_mask(chat.examples([CHAT]), chat, strict)


def test_an_answer_cut_by_max_length_needs_no_stop_token(chat: ChatTokenizer) -> None:
    [example] = chat.examples([CHAT[:2]])
    cut = Example(example.ids[:-4], example.labels[:-4])
    assert 0 < check_mask([cut], chat, get_spec("chat_sft_v1")) < 1
