"""A quest's bytes to optimizer steps: a function of content, seed and cursor, never of time.

Lines are read in windows; a plain text beyond max_length becomes several examples. A window's examples are shuffled by
hash, dealt into steps of nearly equal size, and each step is cut into passes. Packed, the examples of a pass lie in one
row; else they are right-padded rows of similar length. None sees another. A cursor names the window's byte offset, so
resuming reads one window.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from realm.arena.battle.chat import IGNORED, ChatTokenizer, Example
from realm.arena.battle.profiles import Message, get_profile
from realm.arena.battle.specs import BadLine, DatasetSpec, parse_line
from realm.core.config import Training

WINDOW_LINES = 4096
WINDOW_BYTES = 16 * 2**20  # with one token a byte: 8 s of tokenising on two CPU cores, 700 MB at the most
PASS_PRICE = 48  # padded tokens that cost as much as starting one more pass; measured on two CPU cores

Pass = tuple[Example, ...]
Step = tuple[Pass, ...]


class OverlongExample(BadLine):
    """An example beyond max_length where the settings say `overlong: fail`."""


@dataclass(frozen=True)
class Cursor:
    """Where the next step of a claim begins."""

    claim: int
    window: int = 0
    step: int = 0  # within the window
    offset: int = 0  # byte at which the window begins
    line: int = 1  # number of the window's first line


@dataclass(frozen=True)
class Window:
    start: Cursor
    lines: tuple[bytes, ...]

    @property
    def next(self) -> Cursor:
        start = self.start
        return Cursor(
            claim=start.claim,
            window=start.window + 1,
            offset=start.offset + sum(map(len, self.lines)),
            line=start.line + len(self.lines),
        )


@dataclass(frozen=True)
class Counts:
    """What became of a window's lines: a text counts once, however many examples it was cut into."""

    trained: int = 0
    held_out: int = 0
    overlong: int = 0
    truncated: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, key) + getattr(other, key) for key in self.__dataclass_fields__))


@dataclass(frozen=True)
class StreamedStep:
    """A step to train on, the cursor after it, and how much of the quest is then read.

    `counts` are those of the window that the step ends, else zero: summed over the steps, each line counts once, also
    across a resume. A window without a trainable line gives one step without passes.
    """

    passes: Step
    after: Cursor
    bytes_done: int
    counts: Counts


ReadyWindow = tuple[Window, list[list[Example]], Counts]  # with the examples of each of its steps


def windows(quest: Path, cursor: Cursor) -> Iterator[Window]:
    """The windows from the cursor's on."""
    start = replace(cursor, step=0)
    with quest.open("rb") as file:
        file.seek(cursor.offset)
        while lines := _window_lines(file):
            window = Window(start, lines)
            yield window
            start = window.next


def _window_lines(quest: BinaryIO) -> tuple[bytes, ...]:
    lines: list[bytes] = []
    size = 0
    while len(lines) < WINDOW_LINES and size < WINDOW_BYTES and (line := quest.readline()):
        lines.append(line)
        size += len(line)
    return tuple(lines)


def steps(
    quest: Path,
    cursor: Cursor,
    *,
    chat: ChatTokenizer,
    spec: DatasetSpec,
    training: Training,
    held_out: Callable[[bytes], bool],
    ready: Callable[[Iterator[ReadyWindow]], Iterator[ReadyWindow]] = iter,
) -> Iterator[StreamedStep]:
    """The steps from the cursor on. Raises BadLine naming the line.

    `ready` may have windows made before they are asked for: it gives out what it is given, in order.
    """
    made = (_dealt(window, chat, spec, training, held_out) for window in windows(quest, cursor))
    return _steps_of(ready(made), cursor, training)


def _dealt(
    window: Window, chat: ChatTokenizer, spec: DatasetSpec, training: Training, held_out: Callable[[bytes], bool]
) -> ReadyWindow:
    examples, counts = window_examples(window, chat, spec, training, held_out)
    dealt = deal(shuffled(examples, training.seed, window.start), training.tokens_per_step)
    return window, dealt or [[]], counts


def _steps_of(ready: Iterator[ReadyWindow], cursor: Cursor, training: Training) -> Iterator[StreamedStep]:
    for window, dealt, counts in ready:
        first = cursor.step if window.start.window == cursor.window else 0
        for number in range(first, len(dealt)):
            last = number + 1 == len(dealt)
            after = window.next if last else replace(window.start, step=number + 1)
            read = (window.next.offset - window.start.offset) * (number + 1) // len(dealt)
            passes = cut_passes(dealt[number], training.tokens_per_pass, packed=training.packed)
            yield StreamedStep(passes, after, window.start.offset + read, counts if last else Counts())


def window_examples(
    window: Window, chat: ChatTokenizer, spec: DatasetSpec, training: Training, held_out: Callable[[bytes], bool]
) -> tuple[list[Example], Counts]:
    """The window's trainable examples in file order, and what became of its lines. Raises BadLine naming the line."""
    profile = get_profile(training.profile)
    numbered = [(number, line) for number, line in enumerate(window.lines, start=window.start.line) if line.strip()]
    kept = [(number, line) for number, line in numbered if not held_out(line)]
    chats = [profile(_parsed(number, line, spec)) for number, line in kept]
    whole = [replace(one, line=number) for (number, _), one in zip(kept, chat.examples(chats), strict=True)]
    fitted = [(one, _fitted(one, spec, training)) for one in whole]
    counts = Counts(
        trained=sum(bool(examples) for _, examples in fitted),
        held_out=len(numbered) - len(kept),
        overlong=sum(not examples for _, examples in fitted),
        truncated=sum(len(examples) == 1 and len(examples[0].ids) < len(one.ids) for one, examples in fitted),
    )
    return [example for _, examples in fitted for example in examples], counts


def _parsed(number: int, line: bytes, spec: DatasetSpec) -> list[Message]:
    try:
        return parse_line(line, spec)
    except BadLine as error:
        raise error.at(number) from None


def _fitted(example: Example, spec: DatasetSpec, training: Training) -> list[Example]:
    """What is trained of an example: itself, a text in pieces, a chat truncated, or nothing."""
    longest = training.max_length
    if len(example.ids) <= longest:
        return [example]
    if spec.loss_on == "all":
        return _pieces(example, longest)
    if training.overlong == "fail":
        raise OverlongExample(
            f"{len(example.ids)} tokens, max_length is {longest}",
            "shorten it, or set `overlong` to drop or truncate",
            "overlong",
            line=example.line,
        )
    cut = replace(example, ids=example.ids[:longest], labels=example.labels[:longest])
    return [cut] if training.overlong == "truncate" and any(label != IGNORED for label in cut.labels) else []


def _pieces(text: Example, longest: int) -> list[Example]:
    """A long text as consecutive examples of nearly equal length, so that none is too short to learn from."""
    count = -(-len(text.ids) // longest)
    ends = [len(text.ids) * piece // count for piece in range(count + 1)]
    return [replace(text, ids=text.ids[a:b], labels=text.labels[a:b]) for a, b in pairwise(ends)]


def shuffled(examples: Sequence[Example], seed: int, start: Cursor) -> list[Example]:
    """The examples in an order that hash(seed, claim, window) decides."""

    def rank(index: int) -> bytes:
        return hashlib.blake2b(f"{seed}/{start.claim}/{start.window}/{index}".encode(), digest_size=16).digest()

    return [examples[index] for index in sorted(range(len(examples)), key=rank)]


def deal(examples: Sequence[Example], tokens_per_step: int) -> list[list[Example]]:
    """Cuts the examples, in order, into steps of nearly equal tokens, none of them a small rest."""
    total = sum(len(example.ids) for example in examples)
    count = min(len(examples), -(-total // tokens_per_step))
    dealt: list[list[Example]] = [[] for _ in range(count)]
    before = 0
    for example in examples:
        dealt[min(count - 1, before * count // total)].append(example)
        before += len(example.ids)
    return [step for step in dealt if step]


def cut_passes(step: Sequence[Example], tokens_per_pass: int, *, packed: bool) -> Step:
    """No pass holds more than tokens_per_pass tokens, padding counted, unless one example alone is longer."""
    return _packed(step, tokens_per_pass) if packed else _padded(step, tokens_per_pass)


def _packed(step: Sequence[Example], tokens_per_pass: int) -> Step:
    """The longest first, each into the first pass that has room for it."""
    passes: list[list[Example]] = []
    room: list[int] = []
    for one in sorted(step, key=lambda example: len(example.ids), reverse=True):
        length = len(one.ids)
        place = next((place for place, left in enumerate(room) if length <= left), len(room))
        if place == len(room):
            passes.append([])
            room.append(tokens_per_pass)
        passes[place].append(one)
        room[place] -= length
    return tuple(map(tuple, passes))


def _padded(step: Sequence[Example], tokens_per_pass: int) -> Step:
    """Sorts a step by length and cuts it where padding plus the price of each pass is least."""
    rows = sorted(step, key=lambda example: len(example.ids), reverse=True)
    lengths = [len(example.ids) for example in rows]
    cheapest = [0] * (len(rows) + 1)  # cheapest[i]: cost of the rows from i on
    cut = [len(rows)] * (len(rows) + 1)
    for first in range(len(rows) - 1, -1, -1):
        widest = max(1, tokens_per_pass // lengths[first])
        ends = range(first + 1, min(len(rows), first + widest) + 1)
        price = lengths[first]
        cut[first] = min(ends, key=lambda end: (end - first) * price + PASS_PRICE + cheapest[end])
        cheapest[first] = (cut[first] - first) * price + PASS_PRICE + cheapest[cut[first]]
    passes: list[Pass] = []
    first = 0
    while first < len(rows):
        passes.append(tuple(rows[first : cut[first]]))
        first = cut[first]
    return tuple(passes)
