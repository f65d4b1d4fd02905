"""`realm champion`, on real records and real papers."""

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from realm.arena.battle.checkpoint import retire
from realm.core.checkpoint_ledger import CheckpointLedger
from realm.core.config import Retention
from realm.core.crown import read_crown
from realm.core.paths import Home
from realm.oracle.shelf import DamagedModel, Shelf
from tests.cli.console import realm
from tests.cli.test_ledger_and_events import save
from tests.guild.test_comparison import sat
from tests.oracle.conftest import FIRST, put_checkpoint


def test_the_first_crown_is_free_and_the_next_one_is_earned(home: Home) -> None:
    old, new = (save(home, step).canonical_name for step in (1000, 2000))
    assert "nobody wears the crown" in realm(home, "champion", "show").stdout
    assert f"{old} is the champion" in realm(home, "champion", "set", "step:1000").stdout
    assert "no exam with the same items" in realm(home, "champion", "compare", "latest").stdout
    refused = realm(home, "champion", "set", "latest", ends_with=1)
    assert "no exam with the same items" in refused.stderr
    sat(home, old, 5, range(10))
    sat(home, new, 5, range(20))
    assert f"{new} is better" in realm(home, "champion", "compare", "latest").stdout
    assert f"{new} is the champion" in realm(home, "champion", "set", "latest").stdout
    crown = read_crown(home)
    assert crown
    assert crown.evidence
    assert (crown.checkpoint, crown.reason, crown.evidence.rival) == (new, None, old)
    assert (crown.evidence.items, crown.evidence.only_new, crown.evidence.only_rival) == (20, 10, 0)
    assert crown.digest == Shelf(home).find("step:2000").record.manifest["model.safetensors"]  # type: ignore[union-attr]
    shown = realm(home, "champion", "show").stdout
    assert new in shown
    listed = realm(home, "ledger", "ls").stdout
    assert (f"{new} 👑" in listed, listed.count("👑")) == (True, 1)
    assert "only it 10, only the other 0" in shown
    assert "already" in realm(home, "champion", "set", "latest", ends_with=1).stderr


def test_a_person_may_crown_a_worse_one_and_says_why(home: Home) -> None:
    old, new = (save(home, step).canonical_name for step in (1000, 2000))
    realm(home, "champion", "set", "step:1000")
    sat(home, old, 5, range(20))
    sat(home, new, 5, range(2))
    assert "not right more often" in realm(home, "champion", "set", "latest", ends_with=1).stderr
    realm(home, "champion", "set", "latest", "--reason", "it is kinder")
    shown = realm(home, "champion", "show").stdout
    assert "it is kinder" in shown
    assert "only it 0, only the other 18" in shown


def test_the_champion_is_a_model_and_no_retention_takes_it(home: Home) -> None:
    names = [save(home, step).canonical_name for step in (1001, 2001, 3001, 4001)]
    realm(home, "champion", "set", names[1])
    assert Shelf(home).find("champion").name == names[1]
    retire(CheckpointLedger(home.current_model), Retention(last=1), 1000, names[1])
    assert {one.name for one in Shelf(home).volumes()} == {names[1], names[3]}


def test_a_damaged_crown_is_said_and_none_is_no_json(home: Home) -> None:
    assert msgspec.json.decode(realm(home, "champion", "show", "--json").stdout) is None
    home.champion.write_text("{")
    assert "delete it, and crown a checkpoint again" in realm(home, "champion", "show", ends_with=1).stderr
    with pytest.raises(DamagedModel, match="crown a checkpoint again"):
        Shelf(home).find("champion")


def test_the_base_wears_no_crown(home: Home) -> None:
    assert "names no model" in realm(home, "champion", "set", "../x", ends_with=1).stderr
    assert "no checkpoint yet" in realm(home, "champion", "set", "latest", ends_with=1).stderr


def test_both_sit_the_same_items_now(home: Home, squire: Path) -> None:
    for hour, step in enumerate((500, 1000)):
        put_checkpoint(home, squire, step, FIRST + timedelta(hours=hour))
    said = realm(home, "champion", "compare", "step:1000", "step:500", "--sit", "10", "--level", "2").stdout
    assert "10 of bin level 2" in said
    assert "0 against 0" in said  # their weights are the same
    assert "not shown to be better" in said
