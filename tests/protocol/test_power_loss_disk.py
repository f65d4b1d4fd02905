"""The model of a disk: what a cut may leave, and what it may not."""

import random

import pytest

from tests.protocol.power_loss_disk import PAGE, ROOT, SECTOR, Change, Disk, File, Folder

Tree = dict[str, bytes | None]  # content by path; None: a folder


@pytest.fixture
def disk() -> Disk:
    """Two durable folders, and a file in the first."""
    disk = Disk()
    for name in ("a", "b"):
        disk.make(name, Folder(0o755, 0o755))
    disk.make("a/old", File(0o644, 0o644))
    disk.file("a/old").change(Change(0, b"old"))
    for number in list(disk.nodes):
        disk.sync(number)
    return disk


def write(disk: Disk, path: str, content: bytes) -> int:
    """A new file; returns its number."""
    disk.make(path, File(0o644, 0o644))
    disk.file(path).change(Change(0, content))
    number = disk.find(path)
    assert number is not None
    return number


def left_by_a_cut(disk: Disk) -> list[Tree]:
    """First without any naming that is not synced, last with all."""
    states = dict.fromkeys(disk.after_a_cut(random.Random(1)))
    return [{path: held[1] for path, held in state if path not in ("", "a", "b")} for state in states]


OLD: Tree = {"a/old": b"old"}


def test_what_is_synced_is_all_that_is_left(disk: Disk) -> None:
    assert left_by_a_cut(disk) == [OLD]


def test_a_synced_file_whose_folder_is_not_may_be_gone(disk: Disk) -> None:
    disk.sync(write(disk, "a/new", b"new"))
    assert left_by_a_cut(disk) == [OLD, OLD | {"a/new": b"new"}]


def test_a_name_that_is_synced_may_name_an_empty_file_or_zeros(disk: Disk) -> None:
    write(disk, "a/new", b"new")
    disk.sync(1)
    assert [tree["a/new"] for tree in left_by_a_cut(disk)] == [b"", b"\0\0\0", b"new"]


def test_a_rename_may_be_there_before_the_bytes_of_what_it_names(disk: Disk) -> None:
    write(disk, "a/.new", b"new")
    disk.rename("a/.new", "a/old")
    assert {"a/old": b""} in left_by_a_cut(disk)


def test_a_synced_file_renamed_over_another_is_the_one_or_the_other(disk: Disk) -> None:
    disk.sync(write(disk, "a/.new", b"new"))
    disk.rename("a/.new", "a/old")
    assert left_by_a_cut(disk) == [OLD, {"a/old": b"new"}, OLD | {"a/.new": b"new"}]
    disk.sync(1)
    assert left_by_a_cut(disk) == [{"a/old": b"new"}]


def test_names_survive_in_any_selection(disk: Disk) -> None:
    disk.sync(write(disk, "b/first", b"1"))
    disk.sync(write(disk, "a/second", b"2"))
    disk.remove("a/old")
    left = left_by_a_cut(disk)
    assert len(left) == 8
    assert {"a/second": b"2"} in left  # the unlink without the create before it
    assert {"b/first": b"1"} in left


def test_a_rename_between_folders_is_whole_and_durable_with_either(disk: Disk) -> None:
    disk.rename("a/old", "b/new")
    assert left_by_a_cut(disk) == [OLD, {"b/new": b"old"}]
    disk.sync(1)
    assert left_by_a_cut(disk) == [{"b/new": b"old"}]


def test_a_rename_needs_the_one_that_gave_the_name(disk: Disk) -> None:
    disk.rename("a/old", "b/one")
    disk.rename("b/one", "b/two")
    assert left_by_a_cut(disk) == [OLD, {"b/two": b"old"}, {"b/one": b"old"}]


def test_syncing_a_folder_makes_durable_what_its_names_came_from(disk: Disk) -> None:
    disk.rename("a/old", "b/one")
    disk.make("c", Folder(0o755, 0o755))
    disk.sync(ROOT)
    disk.rename("b/one", "c/two")
    found = disk.find("c")
    assert found is not None
    disk.sync(found)
    assert left_by_a_cut(disk) == [{"c": None, "c/two": b"old"}]


def test_what_lies_in_a_folder_whose_name_is_lost_is_lost(disk: Disk) -> None:
    disk.make("a/inner", Folder(0o755, 0o755))
    disk.sync(write(disk, "a/inner/file", b"x"))
    found = disk.find("a/inner")
    assert found is not None
    disk.sync(found)
    assert left_by_a_cut(disk) == [OLD, OLD | {"a/inner": None, "a/inner/file": b"x"}]


@pytest.mark.parametrize("unit", [SECTOR, PAGE])
def test_bytes_across_sectors_or_pages_may_be_torn_either_way(disk: Disk, unit: int) -> None:
    file = disk.file("a/old")
    file.change(Change(3, b"x" * unit))
    contents = [tree["a/old"] for tree in left_by_a_cut(disk)]
    assert b"old" + b"x" * (unit - 3) + b"\0" * 3 in contents
    assert b"old" + b"\0" * (unit - 3) + b"x" * 3 in contents


def test_a_sector_is_never_torn(disk: Disk) -> None:
    disk.file("a/old").change(Change(0, b"new"))
    assert [tree["a/old"] for tree in left_by_a_cut(disk)] == [b"old", b"new"]


def test_writes_may_stop_at_any_of_them(disk: Disk) -> None:
    for content in (b"1", b"2", b"3"):
        disk.file("a/old").change(Change(len(disk.file("a/old").now), content))
    contents = {tree["a/old"] for tree in left_by_a_cut(disk)}
    assert contents == {b"old", b"old1", b"old12", b"old123", b"old\0\0\0"}


def test_a_size_given_is_kept_or_lost(disk: Disk) -> None:
    disk.file("a/old").change(Change(1))
    assert {tree["a/old"] for tree in left_by_a_cut(disk)} == {b"old", b"o"}
    disk.file("a/old").change(Change(4))
    assert b"o\0\0\0" in {tree["a/old"] for tree in left_by_a_cut(disk)}


def test_beyond_ten_names_each_is_still_tried_alone_and_left_out(disk: Disk) -> None:
    names = [f"a/{number}" for number in range(14)]
    for name in names:
        disk.sync(write(disk, name, b"x"))
    left = [set(tree) - set(OLD) for tree in left_by_a_cut(disk)]
    assert all({name} in left and set(names) - {name} in left for name in names)
    assert len(left) < 2**10
