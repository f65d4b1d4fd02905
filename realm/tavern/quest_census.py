"""What the lines of a quest have in common, with each other and with exams: read when somebody asks, kept nowhere."""

import hashlib
import threading
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from realm.arena.battle.specs import BadLine, DatasetSpec, parse_line, recognise_first
from realm.arena.intake.gatekeepers.quick import Line, cut_lines
from realm.arena.intake.gatekeepers.standard import Sample
from realm.core.paths import Home
from realm.core.quests import QUEST_FILE
from realm.guild.exam_book import PAPERS_FILE
from realm.tavern.quest_tokens import SAMPLED, tokens_of

MOST_LINES = 50_000
MOST_BYTES, PIECE = 64 * 2**20, 2**18
LONGEST_LINE = 2**20  # bytes; longer ones are counted, and compared with nothing
EXAMS = 50  # the newest of each skill
EXAMPLES = 3

_counting = threading.Lock()  # one at a time: each takes some 15 MB


class Paper(Struct):
    """What of a line of papers.jsonl counts here."""

    prompt: str
    split: str | None = None


class Question(NamedTuple):
    exam: str
    is_shared: bool


def census(home: Home, folder: Path) -> dict[str, Any]:
    """Counts, and the first few examples of each. Raises OSError if the quest has moved on.

    `lines` were read, `is_whole`: there are no others. `lengths`: {bytes of a line, to the next power of two: lines};
    `tokens` of a sample of them.
    `repeats`: lines that are equal to an earlier one. `in_exams`: lines that ask what one of `exam_prompts` asks; of
    levels with so few problems that exams ask what is taught (split "none"), they are `in_shared`, and no fault.
    """
    with _counting:
        counts = _Counts(_exam_prompts(home))
        file = folder / QUEST_FILE
        for line in _lines(file):
            counts.take(line)
        return {
            "lines": counts.lines,
            "is_whole": counts.bytes >= file.stat().st_size,
            "lengths": {str(2**power): lines for power, lines in sorted(counts.lengths.items())},
            "repeats": {"lines": counts.repeats, "examples": counts.repeated},
            "exam_prompts": len(counts.exams),
            "in_exams": {"lines": counts.examined, "examples": counts.in_exams},
            "in_shared": counts.shared,
            "tokens": tokens_of(home, file, counts.sample, counts.spec, counts.lines),
        }


def _lines(file: Path) -> Iterator[Line]:
    with file.open("rb") as stream:
        pieces = islice(iter(lambda: stream.read(PIECE), b""), MOST_BYTES // PIECE)
        yield from islice(cut_lines(pieces, LONGEST_LINE), MOST_LINES)


class _Counts:
    def __init__(self, exams: dict[str, Question]):
        self.exams = exams  # by prompt
        self.lines = self.bytes = self.repeats = self.examined = self.shared = 0
        self.lengths: Counter[int] = Counter()
        self.repeated: list[dict[str, Any]] = []
        self.in_exams: list[dict[str, Any]] = []
        self._first: dict[bytes, int] = {}  # digest of a line -> its number
        self.sample = Sample(SAMPLED)  # of the lines that are examples
        self.spec: DatasetSpec | None = None

    def take(self, line: Line) -> None:
        self.bytes += line.size + 1
        if line.content is not None and not line.content.strip():
            return
        self.lines += 1
        self.lengths[max(0, line.size - 1).bit_length()] += 1
        if line.content is not None:
            self._compare(line, line.content)

    def _compare(self, line: Line, content: bytes) -> None:
        first = self._first.setdefault(hashlib.blake2b(content.strip(), digest_size=12).digest(), line.number)
        if first != line.number:
            self.repeats += 1
            self.repeated += [{"line": line.number, "of": first}][: EXAMPLES - len(self.repeated)]
        question = next((self.exams[prompt] for prompt in self._prompts(line, content) if prompt in self.exams), None)
        if question and question.is_shared:
            self.shared += 1
        elif question:
            self.examined += 1
            self.in_exams += [{"line": line.number, "exam": question.exam}][: EXAMPLES - len(self.in_exams)]

    def _prompts(self, line: Line, content: bytes) -> list[str]:
        try:
            self.spec = self.spec or recognise_first([content])
            messages = parse_line(content, self.spec)
        except BadLine:
            return []
        self.sample.offer(line)
        return [one["content"] for one in messages if one["role"] == "user"]


def _exam_prompts(home: Home) -> dict[str, Question]:
    """Of the newest exams. What cannot be read is no prompt."""
    questions: dict[str, Question] = {}
    for skill in sorted(home.exams.iterdir()):
        papers = sorted(skill.glob(f"*/{PAPERS_FILE}"), key=lambda paper: paper.stat().st_mtime_ns)[-EXAMS:]
        for file in papers:
            for line in file.read_bytes().splitlines():
                try:
                    paper = msgspec.json.decode(line, type=Paper)
                except (msgspec.MsgspecError, UnicodeDecodeError):
                    continue
                questions[paper.prompt] = Question(f"{skill.name}/{file.parent.name}", paper.split == "none")
    return questions
