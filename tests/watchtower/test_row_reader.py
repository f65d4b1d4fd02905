"""Rows are read once each and in order, whatever the block's size, through rotations and torn ends."""

from pathlib import Path

import pytest

from realm.core.jsonl import append_lines, append_rotating, rotate
from realm.watchtower import row_reader
from realm.watchtower.row_reader import Place, RowReader, RowsLost


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trainer.jsonl"


def all_of(reader: RowReader) -> list[bytes]:
    lines: list[bytes] = []
    while found := reader.read():
        lines += found
    return lines


@pytest.mark.parametrize("block", [1, 7, 100, 4 * 2**20])
def test_every_line_once_across_rotations(path: Path, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_reader, "BLOCK", block)
    written = [b"%d" % number * (number % 5 + 1) for number in range(100)]
    for line in written[:60]:
        append_rotating(path, line + b"\n", rotate_bytes=50, keep=None)
    reader = RowReader(path)
    assert all_of(reader) == written[:60]
    for line in written[60:]:
        append_rotating(path, line + b"\n", rotate_bytes=50, keep=None)
    reader = RowReader(path, reader.place)
    assert all_of(reader) == written[60:]
    assert reader.bytes_left()[0] == 0


def test_before_there_is_a_file_there_are_no_lines(path: Path) -> None:
    reader = RowReader(path)
    assert (reader.read(), reader.place, reader.bytes_left()) == ([], None, (0, 0))
    append_lines(path, b"a\n")
    assert reader.read() == [b"a"]


@pytest.mark.parametrize("torn", [b'{"st', b"\0\0\0\0", b"\0\0\nb\0\n", b"\0\n\0\n{"])
@pytest.mark.parametrize("block", [3, 4 * 2**20])
def test_what_a_kill_tore_is_not_read_as_the_writer_will_cut_it_off(
    path: Path, torn: bytes, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_reader, "BLOCK", block)
    append_lines(path, b"one\n")
    with path.open("ab") as file:
        file.write(torn)
    reader = RowReader(path)
    assert all_of(reader) == [b"one"]
    append_lines(path, b"two\n")
    assert all_of(reader) == [b"two"]


def test_a_torn_end_of_a_rotated_file_does_not_hold_it_up(path: Path) -> None:
    path.write_bytes(b"one\nto")
    reader = RowReader(path)
    assert all_of(reader) == [b"one"]
    rotate(path, keep=None)
    assert reader.read() == []  # the next file is not there yet
    append_lines(path, b"two\n")
    assert all_of(reader) == [b"two"]


def test_bytes_left_are_those_of_all_files_from_here_on(path: Path) -> None:
    path.write_bytes(b"12345\n")
    reader = RowReader(path)
    all_of(reader)
    rotate(path, keep=None)
    append_lines(path, b"678\n")
    assert reader.bytes_left() == (4, 10)


def test_a_place_in_a_file_that_is_gone_or_another_one_is_refused(path: Path) -> None:
    path.write_bytes(b"one\ntwo\n")
    reader = RowReader(path)
    all_of(reader)
    place = reader.place
    assert place
    for wrong in (
        Place(place.inode + 1, place.offset, place.tail),
        Place(place.inode, place.offset - 1, place.tail),
        Place(place.inode, place.offset + 1, place.tail),
        Place(place.inode, place.offset, place.tail ^ 1),
    ):
        with pytest.raises(RowsLost, match="is not the file of which"):
            RowReader(path, wrong)
    path.unlink()
    with pytest.raises(RowsLost, match="is gone"):
        reader.read()
