"""The label mask, checked on every real batch against the token ids alone, never against the code that made it."""

from collections.abc import Sequence

from realm.arena.battle.chat import IGNORED, ChatTokenizer, Example
from realm.arena.battle.specs import DatasetSpec

LEARNED = {"answers": "assistant answers and their stop token", "all": "a text and the end of it"}


class BrokenMask(ValueError):
    """Labels that would teach the wrong tokens. Nothing was trained on the batch."""


def check_mask(examples: Sequence[Example], chat: ChatTokenizer, spec: DatasetSpec) -> float:
    """The share of labelled tokens, after proof that exactly those are labelled that the spec puts the loss on.

    Raises BrokenMask.
    """
    for number, example in enumerate(examples, start=1):
        _check_example(number, example, chat, spec)
    labelled = sum(label != IGNORED for example in examples for label in example.labels)
    ratio = labelled / sum(len(example.ids) for example in examples)
    lowest, highest = spec.mask_bounds
    if not lowest <= ratio <= highest:
        raise BrokenMask(
            f"{ratio:.3%} of the batch's tokens carry loss; {spec.id} allows {100 * lowest:g}% to {100 * highest:g}%"
        )
    return ratio


def _check_example(number: int, example: Example, chat: ChatTokenizer, spec: DatasetSpec) -> None:
    if len(example.ids) != len(example.labels):
        raise BrokenMask(f"example {number}: {len(example.ids)} tokens but {len(example.labels)} labels")
    if len(example.ids) < 2:
        raise BrokenMask(f"example {number}: nothing comes after its only token")
    expected = answers_only(example.ids, chat) if spec.loss_on == "answers" else text_only(example.ids, chat)
    for position, (label, wanted) in enumerate(zip(example.labels, expected, strict=True)):
        if label != wanted:
            raise BrokenMask(
                f"example {number}, token {position} ({chat.decode([example.ids[position]])!r}) has label {label}"
                f" where {wanted} belongs: loss must lie on {LEARNED[spec.loss_on]} only"
            )


def answers_only(ids: Sequence[int], chat: ChatTokenizer) -> list[int]:
    """Labels read off the control tokens: after each assistant header, up to and with the turn's end."""
    labels = [IGNORED] * len(ids)
    header = chat.answer_start
    for turn in (position for position, token in enumerate(ids) if token == chat.turn_start):
        answer = turn + len(header)
        if list(ids[turn:answer]) == header:
            end = next((i + 1 for i in range(answer, len(ids)) if ids[i] == chat.turn_end), len(ids))
            labels[answer:end] = ids[answer:end]
    return labels


def text_only(ids: Sequence[int], chat: ChatTokenizer) -> list[int]:
    """Labels of a plain text: every token; what opens or closes a turn, or ends the text too early, is none of it."""
    turns = (chat.turn_start, chat.turn_end)
    last = len(ids) - 1
    return [
        IGNORED if token in turns or (token == chat.text_end and position < last) else token
        for position, token in enumerate(ids)
    ]
