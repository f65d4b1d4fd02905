"""Two checkpoints on the same exam items: where one is right and the other is not, and whether that is chance."""

from collections.abc import Iterator, Sequence
from math import comb

import msgspec
from msgspec import Struct

from realm.core.crown import Evidence
from realm.core.paths import Home
from realm.guild.exam_book import PAPERS_FILE, exam_names, read_report
from realm.guild.exams import Paper, wilson_interval

SIGNIFICANT = 0.05  # p below it is no chance
RIGHT = 1.0  # score of an answer that is right

Item = tuple[str, str, int, str]  # skill, its version, level, the item's id


class Pair(Struct, frozen=True):
    """Both answers to one item."""

    item: Item
    new_is_right: bool
    rival_is_right: bool


class Comparison(Struct, frozen=True, kw_only=True):
    """`new` beside `rival` on the same items."""

    new: str
    rival: str
    pairs: list[Pair]

    @property
    def evidence(self) -> Evidence:
        only_new, only_rival = self._count(True, False), self._count(False, True)
        return Evidence(
            rival=self.rival,
            items=len(self.pairs),
            both=self._count(True, True),
            only_new=only_new,
            only_rival=only_rival,
            neither=self._count(False, False),
            p_value=mcnemar(only_new, only_rival),
            exams=sorted({f"{skill} level {level}" for skill, _, level, _ in (pair.item for pair in self.pairs)}),
        )

    @property
    def is_better(self) -> bool:
        """That `new` is right more often is more than chance."""
        evidence = self.evidence
        return evidence.only_new > evidence.only_rival and evidence.p_value < SIGNIFICANT

    @property
    def doubt(self) -> str | None:
        """Why `new` is not better, as a sentence without its stop; None where it is."""
        evidence = self.evidence
        if not self.pairs:
            return f"{self.new} and {self.rival} have sat no exam with the same items"
        if evidence.only_new <= evidence.only_rival:
            return f"{self.new} is not right more often than {self.rival}"
        if not self.is_better:
            p = f"p is {evidence.p_value:.3f}, not below {SIGNIFICANT}"
            return f"{self.new} is right more often than {self.rival}, maybe by chance: {p}"
        return None

    @property
    def accuracies(self) -> tuple[float, float]:
        """Of `new` and of `rival`. Raises ZeroDivisionError without items."""
        right = [sum(one) for one in zip(*((p.new_is_right, p.rival_is_right) for p in self.pairs), strict=True)]
        return right[0] / len(self.pairs), right[1] / len(self.pairs)

    @property
    def intervals(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Wilson's, 95 %. Raises ValueError without items."""
        count = len(self.pairs)
        return (
            wilson_interval(sum(pair.new_is_right for pair in self.pairs), count),
            wilson_interval(sum(pair.rival_is_right for pair in self.pairs), count),
        )

    def _count(self, new: bool, rival: bool) -> int:
        return sum((pair.new_is_right, pair.rival_is_right) == (new, rival) for pair in self.pairs)


def mcnemar(only_one: int, only_other: int) -> float:
    """Two-sided p of so uneven a split by chance: the exact binomial test (McNemar 1947; exact: Mosteller 1952)."""
    count = only_one + only_other
    tail = sum(comb(count, k) for k in range(min(only_one, only_other) + 1))
    return min(1.0, float(2 * tail / 2**count))


def compare(home: Home, new: str, rival: str) -> Comparison:
    """By the papers of exams that both have sat. Raises OSError, msgspec.MsgspecError for papers that are damaged."""
    theirs = dict(_answers(home, rival))
    ours = _answers(home, new)
    pairs = [Pair(item, right, theirs[item]) for item, right in ours if item in theirs]
    return Comparison(new=new, rival=rival, pairs=pairs)


def paired(
    new: str, rival: str, skill: str, version: str, ours: Sequence[Paper], theirs: Sequence[Paper]
) -> Comparison:
    """By papers of the same items in the same order."""
    pairs = [
        Pair((skill, version, one.level, one.item), one.score >= RIGHT, other.score >= RIGHT)
        for one, other in zip(ours, theirs, strict=True)
    ]
    return Comparison(new=new, rival=rival, pairs=pairs)


def _answers(home: Home, checkpoint: str) -> Iterator[tuple[Item, bool]]:
    for name in exam_names(home):
        folder = home.exams / name
        if not folder.name.startswith(f"{checkpoint}-l"):
            continue
        report = read_report(home, name)
        for line in (folder / PAPERS_FILE).read_bytes().splitlines():
            paper = msgspec.json.decode(line, type=Paper)
            yield (report.skill, report.skill_version, paper.level, paper.item), paper.score >= RIGHT
