"""The journal: durable lines in order, a torn tail cut, a hole refused."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from realm.arena.battle.journal import SEGMENT_BYTES, Journal, JournalHole, Position, set_aside

HERE = Position(7, 1, 0, 3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "journal"
    folder.mkdir()
    return folder


def filled(folder: Path, count: int) -> Journal:
    journal = Journal(folder)
    for number in range(count):
        journal.append("skip", HERE, number=number)
    return journal


def numbers(folder: Path) -> list[int]:
    return [line.data["number"] for line in Journal(folder).lines]


def only_segment(folder: Path) -> Path:
    [segment] = folder.iterdir()
    return segment


def test_lines_come_back_in_order_with_their_place(folder: Path) -> None:
    filled(folder, 5)
    again = Journal(folder)
    assert [line.seq for line in again.lines] == [1, 2, 3, 4, 5]
    assert {line.at for line in again.lines} == {HERE}
    assert again.append("claim", HERE).seq == 6


def test_a_segments_space_is_taken_before_its_first_line(folder: Path) -> None:
    filled(folder, 1)
    segment = only_segment(folder)
    assert segment.stat().st_size == SEGMENT_BYTES
    assert segment.stat().st_blocks * 512 >= SEGMENT_BYTES


def test_a_line_torn_at_any_byte_is_cut_and_the_next_one_takes_its_place(folder: Path) -> None:
    filled(folder, 3)
    segment = only_segment(folder)
    whole = segment.read_bytes()
    third = whole.index(b'"number":2')
    start, end = whole.rindex(b"\n", 0, third) + 1, whole.index(b"\n", third) + 1
    for cut in range(start, end):
        segment.write_bytes(whole[:cut] + b"\0" * (len(whole) - cut))
        assert numbers(folder) == [0, 1]
    journal = Journal(folder)
    assert journal.append("skip", HERE, number=9).seq == 3
    assert numbers(folder) == [0, 1, 9]


def test_damage_with_whole_lines_behind_it_is_a_hole(folder: Path) -> None:
    filled(folder, 3)
    segment = only_segment(folder)
    content = bytearray(segment.read_bytes())
    content[content.index(b'"number":1') + 9] ^= 1
    segment.write_bytes(content)
    with pytest.raises(JournalHole, match="damaged at byte"):
        Journal(folder)
    aside = set_aside(folder)
    assert aside.name == "journal-hole-1"
    assert Journal(folder, first=8).append("skip", HERE).seq == 8


def test_a_missing_segment_is_a_hole(folder: Path) -> None:
    journal = filled(folder, 2)
    journal.begin_segment()
    journal.append("skip", HERE, number=2)
    journal.begin_segment()
    journal.append("skip", HERE, number=3)
    sorted(folder.iterdir())[1].unlink()
    with pytest.raises(JournalHole, match="the lines 3 to 3 are missing"):
        Journal(folder)


def test_segments_that_no_kept_seal_needs_are_removed_and_no_others(folder: Path) -> None:
    journal = filled(folder, 2)
    for number in range(2, 5):
        journal.begin_segment()
        journal.append("skip", HERE, number=number)
    journal.forget(3)
    assert [path.stem.lstrip("0") for path in sorted(folder.iterdir())] == ["4", "5"]
    assert numbers(folder) == [3, 4]
    assert Journal(folder).append("skip", HERE, number=5).seq == 6


def test_a_segment_grows_beyond_its_first_size(folder: Path) -> None:
    journal = Journal(folder)
    for number in range(400):
        journal.append("skip", HERE, number=number, text="x" * 1000)
    assert numbers(folder) == list(range(400))


def test_a_killed_writer_leaves_every_line_it_returned_from(folder: Path) -> None:
    """A child acknowledges each line on a pipe and is killed at some moment; nothing acknowledged is lost."""
    code = (
        "import sys; from pathlib import Path; from realm.arena.battle.journal import *; "
        f"journal = Journal(Path({str(folder)!r})); "
        "[(journal.append('skip', Position(0, 1, 0, 0), number=n), print(n, flush=True)) for n in range(10**6)]"
    )
    for _ in range(3):
        before = len(numbers(folder))
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert child.stdout
        acknowledged = [child.stdout.readline() for _ in range(60)]
        child.kill()
        rest = child.stdout.read().splitlines()
        child.wait()
        assert len(numbers(folder)) >= before + len(acknowledged) + len(rest)


def test_it_imports_no_torch() -> None:
    code = "import sys, realm.arena.battle.journal, realm.arena.battle.seal; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, env=dict(os.environ)).returncode == 0
