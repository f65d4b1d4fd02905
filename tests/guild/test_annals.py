"""The annals: what was told once stays told, and a torn end is nobody's line."""

from pathlib import Path

import pytest

from realm.core.history import DamagedHistory
from realm.core.paths import Home
from realm.guild.annals import Annals, Dispatched, Part, annals_file, read_annals
from tests.guild.climbers import exam


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    return home


BATCH = Dispatched(number=0, skill="bin", version="1.0.0", parts=(Part(1, 0, 40),), reason="in turn", at="")


def test_what_was_appended_is_read_again_in_its_order(home: Home) -> None:
    annals = Annals(home)
    for line in (exam(1, 1, 0.5), BATCH, exam(2, 1, 0.5)):
        annals.append(line)
    assert Annals(home).lines == annals.lines == list(read_annals(home))
    assert (len(annals.graded), annals.dispatched) == (2, [BATCH])


@pytest.mark.parametrize("torn", [b'{"kind":"graded","exam', b"\0\0\0\0\n", b"\0\0\0"])
def test_a_torn_end_is_no_line_and_is_cut_by_the_next(home: Home, torn: bytes) -> None:
    Annals(home).append(BATCH)
    with annals_file(home).open("ab") as file:
        file.write(torn)
    annals = Annals(home)
    assert annals.lines == [BATCH]
    annals.append(exam(1, 1, 0.5))
    assert len(list(read_annals(home))) == 2


def test_a_damaged_line_is_named_with_what_to_do(home: Home) -> None:
    Annals(home).append(BATCH)
    with annals_file(home).open("ab") as file:
        file.write(b"scribble\n")
    with pytest.raises(DamagedHistory, match="line 2: .*mend the line by hand"):
        Annals(home)
