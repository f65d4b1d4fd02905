"""The journal is cut, holed, or gone: what the seal holds stands, what came after it is trained again."""

import shutil
from pathlib import Path

from realm.arena.battle.snapshot import WEIGHTS
from realm.core.paths import Home
from tests.arena.realm_home import log_of, start
from tests.disasters.conftest import QUESTS, Told
from tests.disasters.records import change_a_byte, check_each_is_somewhere_once, copy_of, finish, history, kinds, seals


def segments(home: Home) -> list[Path]:
    return sorted(home.journal.glob("*.log"))


def cut_last_line(segment: Path) -> None:
    whole = segment.read_bytes().rstrip(b"\0")
    assert whole.count(b"\n") == 2
    segment.write_bytes(whole[:-20])


def check_end(home: Home, calm: Told, *, is_told: bool) -> None:
    """Nothing but claims was in the journal, so that the same end is come to without it."""
    finish(home, QUESTS)
    assert Told.of(home) == calm
    check_each_is_somewhere_once(home)
    assert ("event=incident" in log_of(home)) == ("incident.opened" in kinds(home)) == is_told


def test_a_line_that_is_cut_in_its_middle_was_never_decided(torn: Home, calm: Told, tmp_path: Path) -> None:
    """The last claim: its quest waits again, and is claimed again."""
    home = copy_of(torn, tmp_path / "home")
    cut_last_line(segments(home)[-1])
    check_end(home, calm, is_told=False)
    assert "quest.returned" in kinds(home)


def test_a_hole_leaves_the_seal_alone_and_says_so(torn: Home, calm: Told, tmp_path: Path) -> None:
    home = copy_of(torn, tmp_path / "home")
    holed = segments(home)[-1]
    change_a_byte(holed, at=10)
    check_end(home, calm, is_told=True)
    assert "with whole lines behind it" in log_of(home)
    assert (home.current_model / "journal-hole-1" / holed.name).exists()


def test_a_hole_at_the_end_of_a_segment_is_one_too(torn: Home, calm: Told, tmp_path: Path) -> None:
    home = copy_of(torn, tmp_path / "home")
    cut_last_line(segments(home)[0])
    check_end(home, calm, is_told=True)


def test_a_segment_that_only_the_older_seal_needs_is_missed_when_that_one_is_needed(
    torn: Home, calm: Told, tmp_path: Path
) -> None:
    """Then the quests that the newest seal had filed are in the history and not in the weights."""
    home = copy_of(torn, tmp_path / "home")
    change_a_byte(seals(home)[-1] / WEIGHTS)
    segments(home)[0].unlink()
    finish(home, QUESTS)
    assert "event=incident" in log_of(home)
    assert "the lines 4 to 5 are missing" in log_of(home)
    assert {one.quest for one in history(home)} == {quest for _, quest, *_ in calm.story}
    check_each_is_somewhere_once(home)


def test_without_its_last_segment_the_quests_behind_the_seal_wait_again(torn: Home, calm: Told, tmp_path: Path) -> None:
    """Nothing tells that there was one: a seal begins a segment, and a line may follow or not."""
    home = copy_of(torn, tmp_path / "home")
    segments(home)[-1].unlink()
    check_end(home, calm, is_told=False)
    assert kinds(home).count("quest.returned") == 2


def test_a_journal_that_ends_before_the_seal_is_not_written_on(torn: Home, calm: Told, tmp_path: Path) -> None:
    """Its next line would have a number that the seal has behind it, and no replay would look at it."""
    home = copy_of(torn, tmp_path / "home")
    segments(home)[-1].unlink()
    cut_last_line(segments(home)[0])
    check_end(home, calm, is_told=True)
    assert "the lines 5 to 5 are missing" in log_of(home)


def test_a_folder_that_is_missing_is_named_and_once_it_is_there_again_the_seal_stands_alone(
    torn: Home, calm: Told, tmp_path: Path
) -> None:
    home = copy_of(torn, tmp_path / "home")
    shutil.rmtree(home.journal)
    assert start("trainer", home).wait(180) != 0
    assert "lacks current_model/journal: run `realm init`" in log_of(home)
    home.create()
    check_end(home, calm, is_told=True)
