"""A wrong mask is refused by the token ids alone."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from realm.arena.battle.chat import IGNORED, ChatTokenizer, Example
from realm.arena.battle.mask import BrokenMask, check_mask
from realm.arena.battle.specs import get_spec

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
    strict = replace(get_spec("chat_sft_v1"), mask_bounds=(0.9, 1.0))
    with pytest.raises(BrokenMask, match="chat_sft_v1 allows 90% to 100%"):
        check_mask(chat.examples([CHAT]), chat, strict)


def test_an_answer_cut_by_max_length_needs_no_stop_token(chat: ChatTokenizer) -> None:
    [example] = chat.examples([CHAT[:2]])
    cut = Example(example.ids[:-4], example.labels[:-4])
    assert 0 < check_mask([cut], chat, get_spec("chat_sft_v1")) < 1


TEXT = [{"role": "text", "content": "Once upon a time <|im_end|> there was a squire <|endoftext|>."}]


def test_every_token_of_a_text_is_learned_and_so_is_its_end(chat: ChatTokenizer) -> None:
    [example] = chat.examples([TEXT])
    first, rest = Example(example.ids[:9], example.labels[:9]), Example(example.ids[9:], example.labels[9:])
    for pieces in ([example], [first, rest]):
        assert check_mask(pieces, chat, get_spec("completion_v1")) == 1.0


@pytest.mark.parametrize("broken", [shifted_by_one, without_stop_token, nothing_labelled], ids=lambda one: one.__name__)
def test_a_broken_mask_of_a_text_is_refused(chat: ChatTokenizer, broken: Callable[[Example], list[int]]) -> None:
    [good] = chat.examples([TEXT])
    with pytest.raises(BrokenMask, match="loss must lie on a text and the end of it only"):
        check_mask([good, Example(good.ids, broken(good))], chat, get_spec("completion_v1"))


def test_a_text_holds_no_control_token_but_its_last(chat: ChatTokenizer) -> None:
    [good] = chat.examples([TEXT])
    for token in (chat.turn_start, chat.turn_end, chat.text_end):
        ids = [*good.ids[:5], token, *good.ids[5:]]
        with pytest.raises(BrokenMask, match=r"example 1, token 5 \('<\|"):
            check_mask([Example(ids, ids)], chat, get_spec("completion_v1"))
    for token in (chat.turn_start, chat.turn_end):
        ids = [*good.ids, token]
        with pytest.raises(BrokenMask):
            check_mask([Example(ids, ids)], chat, get_spec("completion_v1"))


def test_the_spec_of_another_quest_does_not_pass(chat: ChatTokenizer) -> None:
    for messages, wrong in ((CHAT, "completion_v1"), (TEXT, "chat_sft_v1"), (TEXT, "prompt_completion_v1")):
        with pytest.raises(BrokenMask, match="where"):
            check_mask(chat.examples([messages]), chat, get_spec(wrong))


def test_one_token_alone_teaches_nothing(chat: ChatTokenizer) -> None:
    with pytest.raises(BrokenMask, match="nothing comes after its only token"):
        check_mask([Example([chat.text_end], [chat.text_end])], chat, get_spec("completion_v1"))


def test_long_answers_to_short_questions_and_short_ones_to_long_texts_are_legal(chat: ChatTokenizer) -> None:
    for spec in ("chat_sft_v1", "prompt_completion_v1"):
        story = [{"role": "user", "content": ""}, {"role": "assistant", "content": "x" * 5000}]
        yes = [{"role": "user", "content": "x" * 5000}, {"role": "assistant", "content": "y"}]
        assert check_mask(chat.examples([story]), chat, get_spec(spec)) > 0.99
        assert check_mask(chat.examples([yes]), chat, get_spec(spec)) < 0.001
