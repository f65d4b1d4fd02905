import subprocess
import sys
from pathlib import Path

import pytest

from realm.core.jsonl import (
    BLOCK,
    Position,
    append_lines,
    append_rotating,
    end_of,
    last_lines,
    lines_after,
    rotate,
    rotated,
    whole_lines,
    whole_size,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "trainer.jsonl"


def numbers(first: int, last: int) -> bytes:
    return b"".join(b"%d\n" % number for number in range(first, last + 1))


def ints(lines: list[bytes]) -> list[int]:
    return [int(line) for line in lines]


# append


@pytest.mark.parametrize("torn", [b"", b"4", b"4" * (3 * BLOCK)])
def test_a_torn_last_line_is_cut_off_before_the_next(file: Path, torn: bytes) -> None:
    file.write_bytes(numbers(1, 3) + torn)
    append_lines(file, b"5\n")
    assert file.read_bytes() == b"1\n2\n3\n5\n"


def test_a_file_that_is_only_a_torn_line_becomes_empty_first(file: Path) -> None:
    file.write_bytes(b"torn")
    append_lines(file, b"1\n", durable=True)
    assert file.read_bytes() == b"1\n"


BEGINNING_LOST = b"\0" * 512 + b'the end of a line"}\n'


@pytest.mark.parametrize("torn", [BEGINNING_LOST, BEGINNING_LOST * 2, BEGINNING_LOST + b"\0\0"])
def test_a_last_line_whose_beginning_a_power_cut_took_is_torn(file: Path, torn: bytes) -> None:
    file.write_bytes(numbers(1, 3) + torn)
    with file.open("rb") as opened:
        assert whole_size(opened) == len(numbers(1, 3))
    append_lines(file, b"5\n")
    assert file.read_bytes() == b"1\n2\n3\n5\n"


ALL_OR_NOTHING = """
import resource, sys
from pathlib import Path
from realm.core.jsonl import append_lines
resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
try:
    append_lines(Path(sys.argv[1]), b"x" * 149 + b"\\n")
except OSError as error:
    print(error.strerror)
"""


def test_lines_that_do_not_fit_on_the_disk_leave_the_file_as_it_was(file: Path) -> None:
    file.write_bytes(b"1\n")
    child = subprocess.run([sys.executable, "-c", ALL_OR_NOTHING, file], check=True, capture_output=True, text=True)
    assert child.stdout == "File too large\n"
    assert file.read_bytes() == b"1\n"


# rotate


def test_a_full_file_is_set_aside_and_the_oldest_beyond_those_kept_goes(file: Path) -> None:
    began = [append_rotating(file, numbers(n, n), rotate_bytes=2, keep=2) for n in range(1, 7)]
    assert began == [False, True, True, True, True, True]
    assert [old.name for old in rotated(file)] == ["trainer.000004.jsonl", "trainer.000005.jsonl"]
    assert ints(list(whole_lines(file))) == [4, 5, 6]


def test_every_file_is_kept_where_none_may_go(file: Path) -> None:
    for number in range(1, 31):
        append_rotating(file, numbers(number, number), rotate_bytes=2, keep=None)
    assert len(rotated(file)) == 29
    assert ints(list(whole_lines(file))) == list(range(1, 31))


def test_another_daemons_files_are_not_rotated_ones(file: Path) -> None:
    for name in ("trainer-2.000001.jsonl", "trainer.x.jsonl", "trainer.000001.json", "trainerx000001.jsonl"):
        file.with_name(name).touch()
    assert rotated(file) == []


# read


def test_readers_leave_out_a_torn_last_line(file: Path) -> None:
    file.write_bytes(numbers(1, 3) + b"4")
    assert ints(list(whole_lines(file))) == [1, 2, 3]
    assert ints(last_lines(file, 10)) == [1, 2, 3]
    assert ints(lines_after(file)[0]) == [1, 2, 3]


def test_nothing_is_read_where_there_is_no_file(file: Path) -> None:
    assert list(whole_lines(file)) == last_lines(file, 3) == lines_after(file)[0] == []


@pytest.mark.parametrize("count", [0, 1, 3, 9999, 20_000, 30_001])
def test_the_last_lines_are_found_across_blocks_and_rotated_files(file: Path, count: int) -> None:
    file.write_bytes(numbers(1, 10_000))
    rotate(file, keep=None)
    file.write_bytes(numbers(10_001, 30_000))
    assert file.stat().st_size > BLOCK
    assert ints(last_lines(file, count)) == list(range(max(1, 30_001 - count), 30_001))


def test_a_line_longer_than_a_block_is_read_whole(file: Path) -> None:
    file.write_bytes(b"1\n" + b"7" * (2 * BLOCK) + b"\n")
    assert last_lines(file, 1) == [b"7" * (2 * BLOCK)]


# follow


def test_a_follower_gets_each_line_once_and_a_torn_one_when_it_is_whole(file: Path) -> None:
    file.write_bytes(numbers(1, 2) + b"3")
    lines, position = lines_after(file)
    assert ints(lines) == [1, 2]
    with file.open("ab") as writer:
        writer.write(b"\n4\n")
    lines, position = lines_after(file, position)
    assert ints(lines) == [3, 4]
    assert lines_after(file, position) == ([], position)


def test_a_follower_that_begins_at_the_end_gets_only_what_is_new(file: Path) -> None:
    assert lines_after(file, end_of(file))[0] == []
    file.write_bytes(numbers(1, 5) + b"torn")
    position = end_of(file)
    append_lines(file, numbers(6, 7))
    assert ints(lines_after(file, position)[0]) == [6, 7]


def test_a_follower_crosses_rotations(file: Path) -> None:
    append_lines(file, numbers(1, 2))
    _, position = lines_after(file)
    append_lines(file, numbers(3, 4))
    rotate(file, keep=4)
    append_lines(file, numbers(5, 6))
    rotate(file, keep=4)
    lines, position = lines_after(file, position)  # at an instant without a current file
    assert ints(lines) == [3, 4, 5, 6]
    append_lines(file, numbers(7, 8))
    assert ints(lines_after(file, position)[0]) == [7, 8]


def test_a_follower_whose_file_is_gone_begins_with_the_oldest(file: Path) -> None:
    append_lines(file, numbers(1, 2))
    position = Position(inode=file.stat().st_ino + 1, offset=2)
    assert ints(lines_after(file, position)[0]) == [1, 2]


@pytest.mark.parametrize("offset", [3, 100])
def test_a_follower_is_not_fooled_by_a_new_file_with_a_dead_ones_inode(file: Path, offset: int) -> None:
    append_lines(file, b"1000\n2000\n")
    assert ints(lines_after(file, Position(file.stat().st_ino, offset))[0]) == [1000, 2000]


APPEND = """
import sys
from pathlib import Path
from realm.core.jsonl import append_rotating
for number in range(1, 3001):
    if number == 1000:
        input()  # the follower has seen something
    append_rotating(Path(sys.argv[1]), b"%d\\n" % number, rotate_bytes=500, keep=None)
"""


def test_a_follower_of_a_busy_writer_misses_nothing_and_repeats_nothing(file: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", APPEND, file], stdin=subprocess.PIPE)
    assert writer.stdin
    lines, position = lines_after(file)
    polls = 0
    while len(lines) < 3000:
        if lines and not writer.stdin.closed:
            writer.stdin.write(b"\n")
            writer.stdin.close()
        ended = writer.poll() is not None
        new, position = lines_after(file, position)
        lines, polls = lines + new, polls + bool(new)
        assert new or not ended
    assert ints(lines) == list(range(1, 3001))
    assert polls > 1
