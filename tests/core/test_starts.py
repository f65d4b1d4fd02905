from pathlib import Path

import pytest

from realm.core.starts import Starts


def after(folder: Path) -> int:
    return Starts("trainer", folder).unclean_ends


def test_each_unclean_end_in_a_row_makes_the_next_start_wait_longer(tmp_path: Path) -> None:
    delays = []
    for _ in range(11):
        starts = Starts("trainer", tmp_path)
        delays.append(starts.delay_seconds)
        starts.began()  # and then it is killed
    assert delays == [0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_clean_end_forgives_all(tmp_path: Path) -> None:
    for _ in range(5):
        Starts("trainer", tmp_path).began()
    Starts("trainer", tmp_path).ended()
    assert after(tmp_path) == 0


def test_ten_good_minutes_forgive_all_but_this_process(tmp_path: Path) -> None:
    for _ in range(5):
        Starts("trainer", tmp_path).began()
    Starts("trainer", tmp_path).lived_long()
    assert after(tmp_path) == 1


def test_daemons_are_counted_apart(tmp_path: Path) -> None:
    Starts("trainer", tmp_path).began()
    assert Starts("oracle", tmp_path).unclean_ends == 0


@pytest.mark.parametrize("content", [b"", b"\0\0\0\0", b'{"starts": -1}', b'{"starts": "many"}', b"7"])
def test_a_count_that_cannot_be_read_is_named_and_keeps_nobody_from_starting(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "trainer.starts").write_bytes(content)
    starts = Starts("trainer", tmp_path)
    assert starts.problem
    assert "trainer.starts" in starts.problem
    assert starts.delay_seconds == 0
    starts.began()
    assert after(tmp_path) == 1


def test_a_count_that_cannot_be_written_is_named_and_keeps_nobody_from_starting(tmp_path: Path) -> None:
    starts = Starts("trainer", tmp_path / "gone")
    starts.began()
    assert starts.problem
    assert "gone" in starts.problem
