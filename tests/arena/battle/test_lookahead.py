"""Items come ahead of being asked for, and are the same."""

import threading
from collections.abc import Iterator

import pytest

from realm.arena.battle.lookahead import Lookahead

PATIENCE = 60.0  # seconds


def test_the_same_items_in_the_same_order() -> None:
    ahead = Lookahead()
    assert list(ahead.one_ahead(iter(range(100)))) == list(range(100))
    assert list(ahead.one_ahead(iter([]))) == []


def test_the_first_is_begun_before_it_is_asked_for_and_the_next_while_it_is_used() -> None:
    begun = [threading.Event(), threading.Event(), threading.Event()]

    def items() -> Iterator[int]:
        for number, event in enumerate(begun):
            event.set()
            yield number

    given = Lookahead().one_ahead(items())
    assert begun[0].wait(PATIENCE)
    assert not begun[1].is_set()
    assert next(given) == 0
    assert begun[1].wait(PATIENCE)
    assert not begun[2].is_set()


def test_an_error_comes_in_its_place() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise FileNotFoundError("gone")

    given = Lookahead().one_ahead(items())
    assert next(given) == 1
    with pytest.raises(FileNotFoundError, match="gone"):
        next(given)


def test_who_is_abandoned_does_not_keep_the_next_from_coming() -> None:
    ahead = Lookahead()
    left = ahead.one_ahead(iter(range(3)))
    assert next(left) == 0
    assert list(ahead.one_ahead(iter("ab"))) == ["a", "b"]
