"""Lines kept for validation: chosen by a hash of their bytes, so the same line is never on both sides."""

import hashlib
from collections.abc import Callable, Iterable

import msgspec

from realm.arena.battle.chat import ChatTokenizer, Example
from realm.arena.battle.specs import DatasetSpec
from realm.arena.battle.stream import Window, window_examples
from realm.core.config import Training

VALIDATION_EXAMPLES = 256

Rule = Callable[[bytes], bool]


def holdout_rule(share: float) -> Rule:
    """Line -> whether it is held out. The same line gives the same answer in every quest and campaign."""
    limit = int(share * 2**64)

    def held_out(line: bytes) -> bool:
        return int.from_bytes(hashlib.blake2b(line.strip(), digest_size=8).digest(), "big") < limit

    return held_out


def validation_examples(
    windows: Iterable[Window],
    rule: Rule,
    chat: ChatTokenizer,
    spec: DatasetSpec,
    training: Training,
    limit: int = VALIDATION_EXAMPLES,
) -> list[Example]:
    """The first `limit` distinct examples of the lines that the rule holds out; overlong chats are none.

    Raises BadLine naming the line.
    """
    if training.overlong == "fail":  # what is not trained cannot fail a quest
        training = msgspec.structs.replace(training, overlong="drop")
    found: dict[tuple[int, ...], Example] = {}
    for window in windows:
        examples, _ = window_examples(window, chat, spec, training, lambda line: not rule(line))
        for example in examples:
            found.setdefault(tuple(example.ids), example)
        if len(found) >= limit:
            break
    return list(found.values())[:limit]
