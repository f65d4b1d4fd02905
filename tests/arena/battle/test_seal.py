"""Seals: whole or absent, verified before use, two kept."""

from pathlib import Path

import pytest

from realm.arena.battle.seal import MANIFEST, newest_verified, retain, sweep, write_seal


def sealed(folder: Path, number: int, content: bytes = b"weights") -> None:
    write_seal(folder, 10 * number, number, number, {"a.bin": [content, b"tail"], "b.bin": [b""]})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_seal_has_its_parts_and_their_digests(tmp_path: Path) -> None:
    sealed(tmp_path, 1)
    seal, problems = newest_verified(tmp_path)
    assert seal
    assert problems == []
    assert (seal.step, seal.number, seal.size, seal.manifest.journal_seq) == (10, 1, 11, 1)
    assert seal.path("a.bin").read_bytes() == b"weightstail"


def test_the_newest_is_by_number_not_by_name(tmp_path: Path) -> None:
    for number in (2, 9, 10):
        sealed(tmp_path, number)
    seal, _ = newest_verified(tmp_path)
    assert seal
    assert seal.number == 10


@pytest.mark.parametrize("damage", ["byte", "part", "manifest"])
def test_a_bad_seal_is_set_aside_and_the_older_one_is_used(tmp_path: Path, damage: str) -> None:
    sealed(tmp_path, 1)
    sealed(tmp_path, 2)
    newest = tmp_path / "20-2"
    if damage == "byte":
        (newest / "a.bin").write_bytes(b"weightsTail")
    elif damage == "part":
        (newest / "a.bin").unlink()
    else:
        (newest / MANIFEST).write_bytes(b"{")
    seal, problems = newest_verified(tmp_path)
    assert seal
    assert seal.number == 1
    assert len(problems) == 1
    assert names(tmp_path) == ["10-1", "corrupt-20-2"]


def test_none_verifies_none_is_used(tmp_path: Path) -> None:
    sealed(tmp_path, 1)
    (tmp_path / "10-1" / MANIFEST).unlink()
    assert newest_verified(tmp_path)[0] is None
    assert names(tmp_path) == ["corrupt-10-1"]


def test_the_newest_two_are_kept(tmp_path: Path) -> None:
    for number in range(1, 5):
        sealed(tmp_path, number)
    assert [manifest.number for manifest in retain(tmp_path)] == [3, 4]
    assert names(tmp_path) == ["30-3", "40-4"]


def test_a_write_that_breaks_off_leaves_no_seal_and_sweep_removes_its_rest(tmp_path: Path) -> None:
    def breaking():  # type: ignore[no-untyped-def]
        yield b"half"
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_seal(tmp_path, 10, 1, 0, {"a.bin": breaking()})
    assert newest_verified(tmp_path)[0] is None
    sweep(tmp_path)
    assert names(tmp_path) == []


def test_no_byte_of_it_can_differ_unnoticed(tmp_path: Path) -> None:
    sealed(tmp_path, 1)
    folder = tmp_path / "10-1"
    unnoticed = []
    for part in sorted(folder.iterdir()):
        good = part.read_bytes()
        for at, byte in enumerate(good):
            part.write_bytes(good[:at] + bytes([byte ^ 0x10]) + good[at + 1 :])
            if newest_verified(tmp_path)[0]:
                unnoticed.append((part.name, at))
            else:
                (tmp_path / "corrupt-10-1").rename(folder)
        part.write_bytes(good)
    assert unnoticed == []
