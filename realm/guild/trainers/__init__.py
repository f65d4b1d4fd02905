"""The skills that live in this process: each a package with make, score and to_chat."""

from collections.abc import Sequence
from typing import Any, Protocol

from realm.guild.trainers import bin as bin_trainer

__all__ = ["Trainer", "get_trainer"]


class Trainer(Protocol):
    """What a skill's package offers; items are its own frozen dataclass."""

    @property
    def VERSION(self) -> str: ...  # noqa: N802 - constants of a package
    @property
    def LEVELS(self) -> Sequence[int]: ...  # noqa: N802
    @property
    def SIGNS(self) -> Sequence[str]: ...  # noqa: N802

    def make(self, level: int, split: str, index: int) -> Any: ...
    def score(self, answer: str, item: Any) -> float: ...
    def to_chat(self, item: Any) -> dict[str, Any]: ...


TRAINERS: dict[str, Trainer] = {"bin": bin_trainer}


def get_trainer(skill: str) -> Trainer:
    """Raises ValueError for a skill that is not in TRAINERS."""
    if skill not in TRAINERS:
        raise ValueError(f"unknown skill {skill!r}: choose one of {', '.join(sorted(TRAINERS))}")
    return TRAINERS[skill]
