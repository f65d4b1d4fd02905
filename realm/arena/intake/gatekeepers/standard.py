"""STANDARD: how long the examples are in the hero's tokens, measured on a seeded sample of the lines."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from realm.arena.battle.chat import ChatTokenizer
from realm.arena.battle.profiles import Message
from realm.arena.battle.specs import DatasetSpec, parse_line
from realm.arena.intake.gatekeepers.findings import Findings
from realm.arena.intake.gatekeepers.hero import Measure
from realm.arena.intake.gatekeepers.quick import Line
from realm.core.config import Gatekeepers

NAME = "standard@1"
SEED = 42
LONGEST_CHAT = 2**18  # characters of an example that are tokenised: more are beyond any max_length


class Sample:
    """At most `size` lines, each line of the file equally likely (reservoir sampling); holds no content."""

    def __init__(self, size: int):
        self.lines: list[Line] = []
        self._size = size
        self._seen = 0
        self._random = random.Random(SEED)

    def offer(self, line: Line) -> None:
        self._seen += 1
        place = len(self.lines) if len(self.lines) < self._size else self._random.randrange(self._seen)
        if place < self._size:
            self.lines[place : place + 1] = [line._replace(content=None)]


def token_lengths(
    file: Path, sample: Sample, spec: DatasetSpec, chat: ChatTokenizer, pulse: Callable[[], None]
) -> list[int]:
    """Tokens of each sampled line, ascending. `pulse` is called between lines."""
    lengths = []
    with file.open("rb") as quest:
        for line in sample.lines:
            pulse()
            quest.seek(line.offset)
            messages = _cut(parse_line(quest.read(line.size), spec))
            lengths.append(len(chat.examples([messages])[0].ids))
    return sorted(lengths)


def judge(
    lengths: Sequence[int], spec: DatasetSpec, measure: Measure, settings: Gatekeepers, findings: Findings
) -> dict[str, Any]:
    """Statistics of the ascending `lengths`, in tokens, for the quest's meta.

    Adds a finding if too many are long; plain texts never are: they are trained in pieces.
    """
    findings.passed(NAME)
    over = sum(length > measure.max_length for length in lengths) / len(lengths)
    if over > settings.overlong_share and spec.loss_on == "answers":
        text = f"{over:.0%} of {len(lengths)} sampled examples are longer than max_length ({measure.max_length} tokens)"
        findings.add(NAME, "overlong", text, "shorten them, or raise the hero's max_length")
    statistics = {name: _quantile(lengths, share) for name, share in QUANTILES.items()}
    return {"lines": len(lengths), **statistics, "max_length": measure.max_length, "share_over_max_length": over}


QUANTILES = {"min": 0.0, "median": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}


def _quantile(ascending: Sequence[int], share: float) -> int:
    """Nearest rank."""
    return ascending[min(len(ascending) - 1, int(share * len(ascending)))]


def _cut(messages: list[Message]) -> list[Message]:
    """The first of them, as far as LONGEST_CHAT reaches; each counts for one character at least."""
    left = LONGEST_CHAT
    cut: list[Message] = []
    for message in messages:
        if left <= 0:
            break
        cut.append({"role": message["role"], "content": message["content"][:left]})
        left -= max(1, len(message["content"]))
    return cut
