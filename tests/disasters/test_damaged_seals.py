"""A byte of a seal is another one: the older seal and the journal come to the same end, or the way out is said."""

from pathlib import Path

import pytest

from realm.arena.battle.seal import MANIFEST
from realm.arena.battle.sealed_state import STATE
from realm.arena.battle.snapshot import OPTIMIZER, WEIGHTS
from realm.core.paths import Home
from tests.arena.realm_home import log_of, start
from tests.disasters.conftest import QUESTS, Told
from tests.disasters.records import (
    change_a_byte,
    check_each_is_somewhere_once,
    copy_of,
    finish,
    kinds,
    seals,
)


@pytest.mark.parametrize("part", [WEIGHTS, OPTIMIZER, STATE, MANIFEST])
def test_of_the_newest_seal(torn: Home, calm: Told, tmp_path: Path, part: str) -> None:
    home = copy_of(torn, tmp_path / "home")
    damaged = seals(home)[-1] / part
    in_a_number = damaged.read_bytes().find(b'"journal_seq":') + 14  # a manifest is still one, of another seal
    change_a_byte(damaged, at=in_a_number if part == MANIFEST else None)
    finish(home, QUESTS)
    assert Told.of(home) == calm
    check_each_is_somewhere_once(home)
    assert "incident.opened" in kinds(home)
    assert any(path.name.startswith("corrupt-") for path in home.seals.iterdir())


def test_of_the_older_seals_manifest(torn: Home, calm: Told, tmp_path: Path) -> None:
    """Nobody needs that seal now; but it is no fall-back any more, so the journal's beginning has to stay."""
    home = copy_of(torn, tmp_path / "home")
    (seals(home)[0] / MANIFEST).write_bytes(b"{")
    finish(home, QUESTS)
    assert Told.of(home) == calm
    assert any(path.name.startswith("corrupt-") for path in home.seals.iterdir())


def test_of_both_seals_no_campaign_begins_in_silence_and_the_way_out_is_said(torn: Home, tmp_path: Path) -> None:
    home = copy_of(torn, tmp_path / "home")
    for seal in seals(home):
        change_a_byte(seal / WEIGHTS)
    for _ in range(2):  # also the next time
        assert start("trainer", home).wait(180) == 78
        assert "no seal verifies" in log_of(home)
        assert "put a good one back" in log_of(home)
    good = torn.seals / seals(torn)[0].name
    back = home.seals / good.name
    back.mkdir()
    for file in good.iterdir():
        (back / file.name).write_bytes(file.read_bytes())
