"""Lives that many disasters begin from, or are compared with."""

from pathlib import Path
from typing import NamedTuple

import pytest

from realm.core.paths import Home
from tests.disasters.hooks import hook
from tests.disasters.records import copy_of, curve, die, finish, history, small_home, story, weights

QUESTS = 6


class Told(NamedTuple):
    """How a life ended."""

    weights: str
    story: list[tuple[object, ...]]
    curve: list[tuple[object, ...]]

    @classmethod
    def of(cls, home: Home) -> "Told":
        return cls(weights(home), story(home), curve(home))

    @property
    def steps(self) -> int:
        return len(self.curve)


@pytest.fixture(scope="session")
def before(tmp_path_factory: pytest.TempPathFactory, squire: Path) -> Home:
    """Quests wait."""
    return small_home(tmp_path_factory.mktemp("before") / "home", squire, quests=QUESTS)


@pytest.fixture(scope="session")
def calm(before: Home, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """What becomes of `before` where nothing happens."""
    home = copy_of(before, tmp_path_factory.mktemp("calm") / "home")
    finish(home, QUESTS)
    assert len({one.steps for one in history(home)}) == 1  # the quests are as long as each other
    return Told.of(home)


@pytest.fixture(scope="session")
def torn(before: Home, calm: Told, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """`before`, killed in its last quest.

    Seals lie in the second and in the fourth quest; of the journal, the lines of claims 3 and 4, and of 5 and 6.
    """
    home = copy_of(before, tmp_path_factory.mktemp("torn") / "home")
    each = calm.steps // QUESTS
    die(home, hook(f"seal_at({each + 2}, {3 * each + 2})", f"die_at({calm.steps - 3})"))
    return home
