"""realm guild: the hero's stats and skills as a person sees them, and a level taken back."""

import click
import orjson
import pytest
from msgspec.structs import replace

from realm.cli.terminal import cells
from realm.core.control import Control
from realm.core.paths import Home
from realm.guild.annals import Annals, annals_file
from tests.cli.console import alive, in_terminal, picture, realm, say_training
from tests.guild.climbers import exam


@pytest.fixture
def climbed(home: Home) -> Home:
    """Level 1 was mastered and then fell; two exams at level 2 were sat."""
    annals = Annals(home)
    sat = ((1, 0.76), (1, 0.84), (1, 0.86), (1, 0.62), (2, 0.0), (2, 0.46))
    for number, (level, accuracy) in enumerate(sat, start=1):
        checkpoint = f"checkpoint-{number}000-20260101-000{number}"
        name = f"bin/{checkpoint}-l{level}-v1.0.0"
        annals.append(replace(exam(number, level, accuracy), exam=name, checkpoint=checkpoint))
    return home


def test_a_home_that_was_never_trained_says_so_without_a_number_that_nobody_measured(home: Home) -> None:
    shown = realm(home, "guild").stdout
    assert "Level  – · – XP (steps)\nATK    – (1 / training loss)" in shown
    assert "ACC    – (latest exams)" in shown
    assert "🔢 Binary Alchemy  level 0 of 30 mastered" in shown
    assert "trains level 1, 0 of 3 exams, 80% needed in their mean" in shown


SHOWN = """\
🔢 Binary Alchemy  level 1 of 30 mastered
  █·····························
  trains level 2, 2 of 3 exams, 80% needed in their mean
    ····················   0 of 50  0% to 7%     checkpoint-5000-20260101-0005
    █████████▏··········  23 of 50  33% to 60%   checkpoint-6000-20260101-0006
  ▲ level 1 at 2026-01-01T00:00:03Z: 82.0% over 3 exams
  ▼ level 1 fell to 62.0% (bin/checkpoint-4000-20260101-0004-l1-v1.0.0)
"""


def test_the_last_exams_and_what_earned_a_level_stand_in_columns(climbed: Home) -> None:
    say_training(climbed)
    shown = click.unstyle(in_terminal(climbed, "guild", width=80))
    assert "ATK    2.38 (1 / training loss)\nDEF    2.20 (1 / validation loss)\nACC    46.0 % (latest exams)" in shown
    assert shown.endswith(SHOWN)


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal(climbed: Home, width: int) -> None:
    assert max(map(cells, in_terminal(climbed, "guild", width=width).splitlines())) <= width


def test_as_json_it_has_the_evidence(climbed: Home) -> None:
    told = orjson.loads(realm(climbed, "guild", "--json").stdout)
    skill = told["skills"]["bin"]
    assert (skill["mastered_level"], skill["training_level"], skill["is_complete"]) == (1, 2, False)
    assert [one.rpartition("-l")[2] for one in skill["level_ups"][0]["evidence"]] == ["1-v1.0.0"] * 3
    assert told["hero"]["accuracy"] == 0.46


@pytest.mark.parametrize(("daemons", "when"), [((), "obeys when it starts"), (("scheduler",), "obeys at once")])
def test_a_level_is_taken_back_by_an_order(climbed: Home, daemons: tuple[str, ...], when: str) -> None:
    with alive(climbed, *daemons):
        said = realm(climbed, "guild", "revert", "bin", 1, "--why", "wrong papers").stdout
    assert "asked: bin level 1 and above are to be earned again; " in said
    assert when in said
    order = Control(climbed).next_order("scheduler")
    assert order
    assert (order.action, order.arguments) == ("revert", {"skill": "bin", "level": 1, "why": "wrong papers"})


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("bim", "1"), "unknown skill 'bim': choose one of bin, or add it in "),
        (("bin", "2"), "bin level 2 is not mastered: 1 levels are mastered\n"),
    ],
)
def test_what_cannot_be_taken_back_is_refused_at_once(climbed: Home, words: tuple[str, ...], sentence: str) -> None:
    said = realm(climbed, "guild", "revert", *words, "--why", "?", ends_with=1).stderr
    assert said.startswith(f"Error: {sentence}")
    assert said.count("\n") == 1
    assert Control(climbed).next_order("scheduler") is None


def test_a_reason_and_a_level_from_1_are_asked_for(climbed: Home) -> None:
    assert "Missing option '--why'" in realm(climbed, "guild", "revert", "bin", "1", ends_with=2).stderr
    assert "0 is not in the range" in realm(climbed, "guild", "revert", "bin", "0", "--why", "?", ends_with=2).stderr


def test_damaged_annals_are_one_sentence_that_says_how_to_mend_them(climbed: Home) -> None:
    with annals_file(climbed).open("ab") as file:
        file.write(b"scribble\n")
    for words in (("guild",), ("guild", "revert", "bin", "1", "--why", "?"), ("curriculum", "preview")):
        said = realm(climbed, *words, ends_with=1).stderr
        assert "scheduler.jsonl, line 7: " in said
        assert "mend the line by hand from a backup, or delete it" in said
        assert said.count("\n") == 1


def test_it_writes_nothing(climbed: Home) -> None:
    with annals_file(climbed).open("ab") as file:
        file.write(b'{"kind": "gra')
    before = picture(climbed)
    for words in (("guild",), ("guild", "--json"), ("curriculum", "show"), ("curriculum", "preview")):
        realm(climbed, *words)
    assert picture(climbed) == before
