"""What every skill offers, wherever it runs, and what goes wrong with one."""

from collections.abc import Sequence
from typing import Any, Protocol

from realm.guild.exams import Item

STATIC = 5  # items with which every exam of a level begins
SMALLEST_SPLIT = 5_000  # problems; a smaller space is shared by training and exams


class SkillError(ValueError):
    """A skill that is unknown, badly described, or not what its file says; the text says how to mend it."""


class SkillUnavailable(SkillError):
    """A skill's server did not answer, or not to the end. Nothing is known about the hero; ask again later."""


class Space(Protocol):
    """How many problems a level has; split "hash": one fifth is exam and never trained; "none": too few to split."""

    @property
    def size(self) -> int: ...
    @property
    def split(self) -> str: ...


class Trainer(Protocol):
    """A skill at work. The same arguments give the same items, as long as VERSION is the same.

    Every method raises SkillError, SkillUnavailable, and ValueError for a level that is not in LEVELS.
    """

    @property
    def VERSION(self) -> str: ...  # noqa: N802 - the names that the packages of realm.guild.trainers have
    @property
    def LEVELS(self) -> Sequence[int]: ...  # noqa: N802
    @property
    def SIGNS(self) -> Sequence[str]:  # noqa: N802
        """Literals that a tokenizer may hold as one token each."""

    @property
    def extractor(self) -> str:
        """How answers are graded, for the papers."""

    def make(self, level: int, split: str, index: int) -> Item:
        """Item `index` of the split "train", or of "exam"; over HTTP, of exams the static ones alone."""

    def sample(self, level: int, count: int, first_index: int = 0) -> Sequence[Item]:
        """Of the train split, in the order of their indices."""

    def exam(self, level: int, count: int, seed: int | str) -> Sequence[Item]:
        """The static items, then others of the exam split, no prompt twice; fewer where the space has no more."""

    def score(self, answer: str, item: Any) -> float:
        """From 0 to 1. `item` is one of this trainer's own."""

    def to_chat(self, item: Any) -> dict[str, Any]:
        """A line of a chat_sft_v1 quest."""

    def space(self, level: int) -> Space: ...
