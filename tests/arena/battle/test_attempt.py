"""An example that kills the process each time is dropped at the third death, and only then."""

from pathlib import Path

from realm.arena.battle.attempt import SIZE, Attempt
from realm.arena.battle.stream import Cursor

DEADLY, FINE = Cursor(2, window=1, step=5), Cursor(2, window=1, step=4)


def die_at(file: Path, cursor: Cursor) -> None:
    """A process that passes the fine step and dies in the other."""
    attempt = Attempt(file)
    attempt.begin(FINE)
    attempt.survived(FINE)
    attempt.begin(cursor)


def test_three_deaths_at_one_pack_make_it_poison(tmp_path: Path) -> None:
    file = tmp_path / "attempt"
    for deaths in range(3):
        assert not Attempt(file).is_poison(DEADLY), deaths
        die_at(file, DEADLY)
    attempt = Attempt(file)
    assert attempt.is_poison(DEADLY)
    assert not attempt.is_poison(FINE)
    attempt.survived(DEADLY)
    assert not Attempt(file).is_poison(DEADLY)
    assert file.stat().st_size == SIZE


def test_deaths_at_different_packs_do_not_add_up(tmp_path: Path) -> None:
    file = tmp_path / "attempt"
    die_at(file, DEADLY)
    die_at(file, DEADLY)
    die_at(file, Cursor(2, window=1, step=9))
    die_at(file, DEADLY)
    assert not Attempt(file).is_poison(DEADLY)


def test_clean_ends_are_no_deaths(tmp_path: Path) -> None:
    file = tmp_path / "attempt"
    for _ in range(5):
        attempt = Attempt(file)
        attempt.begin(DEADLY)
        attempt.survived(DEADLY)
    assert not Attempt(file).is_poison(DEADLY)


def test_a_damaged_file_counts_nothing(tmp_path: Path) -> None:
    file = tmp_path / "attempt"
    file.write_bytes(b"\xff\0garbage")
    assert not Attempt(file).is_poison(DEADLY)
