"""Making a home, naming it, and running daemons in it."""

import json
import math
import os
import re
import struct
from pathlib import Path

import pytest

from realm.cli.main import NOUNS
from realm.core.paths import Home
from realm.core.status import QueueWatcherStatus, is_locked
from tests.cli.console import picture, realm, start, started, until


def parameters(model: Path) -> int:
    """Counted in the weights themselves."""
    with (model / "model.safetensors").open("rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    return sum(math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")


# realm init


def test_init_makes_a_whole_home_with_a_hero_and_says_what_it_costs(tmp_path: Path) -> None:
    home = Home(tmp_path / "new" / "home")
    told = realm(home, "init").stdout
    assert home.missing() == []
    assert json.loads(home.config_file.read_bytes()) == {"model_name": "squire"}
    count = parameters(home.models / "squire")
    seal = f"{count * 12 / 2**20:.1f} MiB"
    for words in (
        f"🏰 {home.root} is made",
        f"{count:,} parameters",
        f"2 of {seal} are kept: {count * 24 / 2**20:.1f} MiB",
        f"seals write {count * 12 * 144 / 2**30:.1f} GiB: one every 10 m 0 s",
        "seals.gb_per_day = 100",
        f"one of {count * 4 / 2**20:.1f} MiB every 500 steps; the last 5",
        "realm up",
        "realm watch",
    ):
        assert words in told
    assert "realm hero build" not in told
    before = picture(home)
    again = realm(home, "init").stdout
    assert f"🏰 {home.root} is whole" in again
    assert picture(home) == before


def test_a_large_hero_is_sealed_no_more_often_than_its_budget_allows(home: Home) -> None:
    home.config_file.write_text('{"model_name": "dio"}')
    told = realm(home, "init", "--no-hero").stdout
    assert "DIO, 596,049,920 parameters" in told
    assert "seals write 100.0 GiB: one every 1 h 35 m" in told
    assert "realm hero build dio" in told


def test_without_a_hero_nothing_is_built_and_the_next_step_builds_it(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    told = realm(home, "init", "--no-hero").stdout
    assert list(home.models.iterdir()) == []
    assert "realm hero build squire" in told
    assert "known when it is built" in told


def test_a_config_that_is_there_is_kept_to_the_byte(home: Home) -> None:
    home.config_file.write_text('{ "model_name": "squire" }')
    told = realm(home, "init", "--no-hero", "--hero", "dio").stdout
    assert home.config_file.read_text() == '{ "model_name": "squire" }'
    assert "set its model_name to dio" in told


def test_what_init_cannot_do_is_one_sentence_and_leaves_no_home(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    refused = realm(home, "init", "--hero", "zara", ends_with=1)
    assert refused.stderr == "Error: unknown hero 'zara': choose one of dio, squire\n"
    assert not home.root.exists()
    (tmp_path / "Documents").mkdir()
    assert "holds other things (Documents)" in realm(Home(tmp_path), "init", "--no-hero", ends_with=1).stderr
    assert [path.name for path in tmp_path.iterdir()] == ["Documents"]


def test_a_config_that_cannot_be_used_is_named(home: Home) -> None:
    home.config_file.write_text('{"model": "squire"}')
    assert "model is unknown: the keys here are model_name" in realm(home, "init", ends_with=1).stderr


# --home


def test_home_on_the_command_line_comes_before_the_environment(home: Home, tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    other.create()
    assert realm(home, "--home", other.root, "status").stdout.startswith(f"{other.root}  ")
    assert realm(home, "status").stdout.startswith(f"{home.root}  ")


def test_an_empty_name_or_a_file_is_no_home(home: Home) -> None:
    assert "the name is empty" in realm(home, "--home", "", "status", ends_with=2).stderr
    assert "is a file" in realm(home, "--home", home.format_file, "status", ends_with=2).stderr


COMMANDS = [
    ["run", "trainer"],
    ["run", "queue-watcher"],
    ["quest", "ls"],
    ["quest", "show", "x"],
    ["quest", "drop", __file__],
    ["quest", "retry", "x"],
    ["quest", "move", "x", "low"],
    ["quest", "rm", "x", "--yes"],
    ["pause"],
    ["resume"],
    ["stop"],
    ["skip"],
    ["seal"],
    ["ledger", "ls"],
    ["ledger", "best"],
    ["events"],
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_home_that_is_missing_incomplete_or_newer_is_refused(home: Home, tmp_path: Path, words: list[str]) -> None:
    nowhere = Home(tmp_path / "nowhere")
    status = os.EX_CONFIG if words[0] == "run" else 1  # so that systemd does not start it again
    refused = realm(nowhere, *words, ends_with=status).stderr
    assert refused == f"Error: {nowhere.root} is no realm's home: run `realm init`\n"
    home.exams.rmdir()
    refused = realm(home, *words, ends_with=status).stderr
    assert refused == f"Error: {home.root} lacks exams: run `realm init`\n"
    home.format_file.write_text("2\n")
    assert "install the newer realm again" in realm(home, *words, ends_with=status).stderr
    assert not nowhere.root.exists()


# realm run


def test_a_daemon_runs_in_the_foreground_until_it_is_told_to_end(home: Home) -> None:
    with started(home, "run", "queue-watcher") as daemon:
        until(lambda: (home.status / QueueWatcherStatus.FILE).exists())
        assert is_locked(home.locks / "queue-watcher.lock")
        second = start(home, "run", "queue-watcher")
        assert "runs already" in second.communicate()[1]
        assert second.returncode == os.EX_TEMPFAIL
        daemon.terminate()
        assert daemon.wait(60) == 0
    assert not is_locked(home.locks / "queue-watcher.lock")


def test_an_unknown_daemon_is_refused_with_those_that_there_are(home: Home) -> None:
    refused = realm(home, "run", "tailor", ends_with=2)
    assert "'tailor' is not one of 'trainer', 'queue-watcher'" in refused.stderr


# The command itself


def test_every_noun_of_the_table_explains_itself(home: Home) -> None:
    listed = realm(home, "--help").stdout
    for noun, (_, meaning) in NOUNS.items():
        assert re.search(rf"^  {noun} +{re.escape(meaning)}$", listed, re.MULTILINE)
        assert realm(home, noun, "--help").stdout.startswith(f"Usage: main {noun}")


def test_an_unknown_noun_is_refused(home: Home) -> None:
    assert "No such command 'statsu'" in realm(home, "statsu", ends_with=2).stderr
