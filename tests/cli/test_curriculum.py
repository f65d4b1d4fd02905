"""realm curriculum, as a person types it: what is shown, what is set, and what is refused before it is written."""

import click
import orjson
import pytest

from realm.cli.terminal import cells
from realm.core.config import SkillPlan, load_config
from realm.core.paths import Home
from realm.guild.annals import Annals
from realm.guild.presets import PRESETS, preset_of
from tests.cli.console import in_terminal, realm
from tests.guild.climbers import exam

NEW = """\
state     off: a preset, or `realm curriculum set enabled true`, switches it on
preset    none: the plans were set one by one
strategy  equal
batch     3,000 examples while fewer than 2 quests wait
mix       25% of mastered levels, 40% of the levels above
exams     of the newest checkpoint; one is ordered when none came for 30 minutes

skill  taught  priority  weight
bin    yes            1       1
"""


def curriculum(home: Home, *words: object, ends_with: int = 0) -> str:
    done = realm(home, "curriculum", *words, ends_with=ends_with)
    return done.stderr if ends_with else done.stdout


def test_a_new_home_is_taught_nothing_and_says_how_it_would_be(home: Home) -> None:
    shown = curriculum(home, "show")
    assert shown.startswith(NEW)
    assert "bin_only   BIN alone\n" in shown
    assert "sy_only    SY alone (needs the skill sy)\n" in shown
    told = orjson.loads(curriculum(home, "show", "--json"))
    assert (told["enabled"], told["preset"], told["plans"]["bin"]["weight"]) == (False, None, 1.0)


def test_what_is_switched_off_is_shown_as_that(home: Home) -> None:
    curriculum(home, "set", "min_queue_depth", 0)
    curriculum(home, "set", "exam_minutes", 0)
    shown = curriculum(home, "show")
    assert "batch     none: min_queue_depth is 0\n" in shown
    assert "one is never ordered: exam_minutes is 0\n" in shown


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("words", [("show",), ("preview",)])
def test_no_line_is_wider_than_the_terminal(home: Home, width: int, words: tuple[str, ...]) -> None:
    climb(home, 29)
    assert max(map(cells, in_terminal(home, "curriculum", *words, width=width).splitlines())) <= width


def climb(home: Home, levels: int) -> None:
    annals = Annals(home)
    for number in range(3 * levels):
        annals.append(exam(number, 1 + number // 3, 1.0))


def test_a_preview_is_short_enough_to_read_however_many_levels_are_kept_up(home: Home) -> None:
    climb(home, 29)
    shown = click.unstyle(in_terminal(home, "curriculum", "preview", "-n", 2, width=80)).splitlines()
    assert shown == [
        "batch  skill  examples                               why",
        "    0  bin    2,250 of level 30, 750 of levels 1-29  each skill in turn",
        "    1  bin    2,250 of level 30, 750 of levels 1-29  each skill in turn",
    ]


def test_a_preview_under_a_preset_changes_nothing(home: Home) -> None:
    told = orjson.loads(curriculum(home, "preview", "-n", 1, "--preset", "catch_up", "--json"))
    assert told[0]["reason"] == "the lowest: 0 levels mastered"
    assert not home.config_file.exists()


@pytest.mark.parametrize("name", [name for name, preset in PRESETS.items() if "sy" not in preset.skills])
def test_a_preset_is_set_and_named(home: Home, name: str) -> None:
    assert curriculum(home, "preset", name).startswith(f"curriculum: {name}, ")
    settings = load_config(home.config_file).curriculum
    assert (settings.enabled, preset_of(settings)) == (True, name)
    assert f"preset    {name}: " in curriculum(home, "show")


def test_one_key_is_set_of_all_and_of_one_skill(home: Home) -> None:
    assert curriculum(home, "set", "mix.below", "0.5") == "curriculum.mix.below is 0.5\n"
    curriculum(home, "set", "bin.weight", 2.5)
    curriculum(home, "set", "bin.priority", 7)
    settings = load_config(home.config_file).curriculum
    assert (settings.mix.below, settings.skills) == (0.5, {"bin": SkillPlan(weight=2.5, priority=7)})


KEYS = "the keys are curriculum.enabled, curriculum.strategy, "
REFUSED = {
    ("preset", "nope"): "'nope' is no preset: choose balanced, bin_focus, ",
    ("preset", "sy_only"): "curriculum.skills names sy, but the skills of this realm are bin: choose another preset, ",
    ("preview", "--preset", "nope"): "'nope' is no preset: choose balanced, ",
    ("set", "nope", "3"): f"curriculum.nope is unknown: {KEYS}",
    ("set", "bin.wieght", "3"): f"curriculum.bin.wieght is unknown: {KEYS}",
    ("set", "bim.weight", "3"): "unknown skill 'bim': choose one of bin, or add it in ",
    ("set", "bin.weight", "heavy"): "curriculum.skills.bin.weight is 'heavy': expected `float`, got `str`",
    ("set", "bin.weight", "0"): "curriculum.skills.bin.weight is 0: expected `float` > 0.0",
    ("set", "batch", "0"): "curriculum.batch is 0: expected `int` >= 1",
    ("set", "mix.below", "0.9"): "curriculum.mix.below is 0.9: expected `float` <= 0.5",
    ("set", "enabled", "yes"): "curriculum.enabled is 'yes': expected `bool`, got `str`",
    ("set", "strategy", "fast"): "curriculum.strategy is 'fast': invalid enum value 'fast': choose equal, focus, ",
    ("set", "skills", '{"juggling": {}}'): "curriculum.skills names juggling, but the skills of this realm are bin",
    ("set", "skills", '{"bin": {"wieght": 2}}'): "curriculum.skills.bin.wieght is unknown: the keys here are enabled, ",
    ("set", "skills", '{"bin": 3}'): "curriculum.skills.bin is 3: an object with keys is expected",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_be_is_one_sentence_and_nothing_is_written(home: Home, words: tuple[str, ...]) -> None:
    said = curriculum(home, *words, ends_with=1)
    assert REFUSED[words] in said
    assert (said.count("\n"), len(said) < 400) == (1, True)
    assert not home.config_file.exists()


def test_where_no_skill_is_taught_the_way_back_is_told(home: Home) -> None:
    curriculum(home, "set", "bin.enabled", "false")
    assert "no skill is enabled: `realm curriculum preset balanced` enables all" in curriculum(
        home, "preview", ends_with=1
    )


def test_a_plan_of_a_skill_that_is_gone_is_named_and_a_preset_mends_it(home: Home) -> None:
    home.config_file.write_text('{"curriculum": {"skills": {"juggling": {"weight": 2}}}}')
    for words in (("show",), ("preview",)):
        assert "curriculum.skills names juggling" in curriculum(home, *words, ends_with=1)
    curriculum(home, "preset", "balanced")
    assert "preset    balanced" in curriculum(home, "show")


def test_what_was_set_is_told_to_be_set_by_this_command(home: Home) -> None:
    curriculum(home, "set", "batch", 70)
    change = orjson.loads(home.curriculum_change.read_bytes())
    assert (change["by"], change["before"], change["after"]) == ("realm curriculum", None, {"batch": 70})
    curriculum(home, "preset", "bin_only")
    change = orjson.loads(home.curriculum_change.read_bytes())
    assert (change["before"], change["after"]["batch"], change["after"]["strategy"]) == ({"batch": 70}, 70, "focus")
