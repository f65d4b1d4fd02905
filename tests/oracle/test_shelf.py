"""Names mean folders, and only folders of the realm that are whole."""

from pathlib import Path

import pytest

from realm.core.paths import Home
from realm.oracle.shelf import DamagedModel, Shelf, UnknownModel
from tests.oracle.conftest import FIRST, NEWER, OLDER, put_checkpoint


@pytest.mark.parametrize(
    ("name", "found"), [("latest", NEWER), ("step:500", OLDER), (OLDER, OLDER), (NEWER, NEWER), ("base", "base")]
)
def test_a_name_means_a_folder(home: Home, name: str, found: str) -> None:
    volume = Shelf(home).find(name)
    assert volume.name == found
    assert (volume.folder / "model.safetensors").stat().st_size == volume.size_bytes
    read: list[int] = []
    volume.check(read.append)
    assert sum(read) == volume.size_bytes


def test_all_are_listed_newest_first(home: Home) -> None:
    assert [one.name for one in Shelf(home).volumes()] == [NEWER, OLDER, "base"]


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../models/squire",
        "/etc",
        f"{OLDER}/",
        f"../current_model/{OLDER}",
        "base\n",
        "step:-1",
        "step:007",
    ]
    + ["latest\0", f".{OLDER}", "Base", "seals", "x" * 5000, "checkpoint-٥٠٠"],
)
def test_what_is_no_name_never_touches_a_path(home: Home, name: str) -> None:
    with pytest.raises(UnknownModel, match="names no model: state base, latest"):
        Shelf(home).find(name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("champion", "no checkpoint is crowned"),
        ("step:700", "the nearest steps are 500, 1000"),
        ("checkpoint-500-20990101-0000", f"step 500 has {OLDER}"),
        ("checkpoint-7-20269999-0000", "is no checkpoint's name"),
    ],
)
def test_an_unknown_name_is_told_what_there_is(home: Home, name: str, said: str) -> None:
    with pytest.raises(UnknownModel, match=said):
        Shelf(home).find(name)


@pytest.fixture
def other(tmp_path: Path, squire: Path) -> Home:
    """A home without a base, with one checkpoint, of step 500."""
    home = Home(tmp_path / "other")
    home.create()
    put_checkpoint(home, squire, 500, FIRST)
    return home


def test_a_damaged_checkpoint_is_refused(other: Home) -> None:
    weights = other.current_model / OLDER / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(DamagedModel, match="is not what was saved"):
        Shelf(other).find("latest").check(lambda count: None)
    weights.unlink()
    with pytest.raises(DamagedModel, match=r"lacks model\.safetensors"):
        Shelf(other).find("latest").check(lambda count: None)
    (other.current_model / OLDER / ".ledger.json").write_text("{")
    with pytest.raises(DamagedModel, match="cannot be loaded"):
        Shelf(other).find(OLDER)


def test_what_is_being_made_or_deleted_has_no_name(other: Home) -> None:
    folder = other.current_model / OLDER
    folder.rename(other.current_model / f".{OLDER}")
    with pytest.raises(UnknownModel, match="has no checkpoint yet"):
        Shelf(other).find("latest")
    with pytest.raises(UnknownModel, match="has no weights"):
        Shelf(other).find("base")
    (other.current_model / f".{OLDER}").rename(other.vault / "tombstones" / OLDER)
    with pytest.raises(UnknownModel, match="is being deleted"):
        Shelf(other).find(OLDER)
