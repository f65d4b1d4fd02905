"""What must outlive a power cut: how it begins, what is done and acknowledged, and what then has to be there."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from realm.arena.intake.inbox import Identity
from realm.armory import settings
from realm.armory.heroes import get_hero
from realm.core import control, paths
from realm.core.paths import PLACES, Home

SHIPPED_HERO = cache(get_hero)
USED_PLACES = tuple(
    place for place in PLACES if not place.path.startswith("control/orders/") or place.path.split("/")[2] == "oracle"
)


@dataclass(frozen=True)
class Subject:
    """Acts are done in order, and all of them may be done again. Each is acknowledged when it returns, unless False."""

    name: str
    lay: Callable[[Home], None]  # what is there before, and durable
    start: Callable[[Home], Any]  # what a daemon does at its start; the acts and the check are given what it returns
    acts: tuple[Callable[[Any], object], ...]
    check: Callable[[Any, int], None]  # so many acts are acknowledged; raises AssertionError if one has left no trace


def problem_after(subject: Subject, root: Path, acknowledged: int) -> str | None:
    """Recovers what lies in `root`, looks, does everything again, looks, recovers again, looks."""
    home = Home(root)
    try:
        with conditions():
            world = subject.start(home)
            subject.check(world, acknowledged)
            for act in subject.acts:
                act(world)
            subject.check(world, len(subject.acts))
            subject.check(subject.start(home), len(subject.acts))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what a person would meet
        return f"{type(error).__name__}: {error}".replace(f"{root}/", "")
    finally:
        _close_all_below(root)
    return None


@contextmanager
def conditions() -> Iterator[None]:
    """What holds in every run and every check.

    A disk keeps inode numbers and times over a cut, a copy of its state cannot: nothing is told by them here. Shipped
    heroes, which no cut concerns, are read once, and of the folders for orders there is only the oracle's: YAML and
    dozens of empty folders took most of the time.
    """
    with (
        patch.object(Identity, "of", staticmethod(lambda found: Identity(0, found.st_size, 0, 0))),
        patch.object(control, "_identity", lambda seen: f"{seen.st_size}"),
        patch.object(settings, "get_hero", lambda name, folder: SHIPPED_HERO(name)),
        patch.object(paths, "PLACES", USED_PLACES),
    ):
        yield


def make_places(home: Home, *prefixes: str) -> None:
    """These of the home's folders, and those in them."""
    for place in USED_PLACES:
        if place.kind == "folder" and place.path.startswith(prefixes):
            folder = home.root / place.path
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(place.mode)


def _close_all_below(root: Path) -> None:
    """As the end of a process does."""
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            if link.readlink().is_relative_to(root):
                os.close(int(link.name))
