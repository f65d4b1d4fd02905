"""realm curriculum: what is taught next, and by which plan."""

from typing import Any

import click
import msgspec
from msgspec import to_builtins

from realm.armory.heroes import HeroError
from realm.armory.settings import ChangedMeanwhile, Settings, UnknownKey
from realm.cli.failures import complete_home, one_sentence
from realm.cli.terminal import echo_json, echo_lines, fields, table
from realm.core.config import ConfigError, Curriculum, SkillPlan, config_of
from realm.core.history import DamagedHistory
from realm.core.paths import Home
from realm.guild.annals import Dispatched, read_annals
from realm.guild.curriculum import NothingToTeach, in_words, plans_of, taught
from realm.guild.curriculum import preview as previewed
from realm.guild.plan_change import write_changed
from realm.guild.presets import PRESETS, Preset, UnknownPreset, preset_of, with_preset
from realm.guild.progression import standing
from realm.guild.skills import SkillError, get_skill, list_skills

OFF = "off: a preset, or `realm curriculum set enabled true`, switches it on"
FORESEEN = (
    ConfigError,
    HeroError,
    UnknownKey,
    ChangedMeanwhile,
    UnknownPreset,
    NothingToTeach,
    SkillError,
    DamagedHistory,
)


@click.group()
def curriculum() -> None:
    """The curriculum: which skill and level the next batches are of."""


@curriculum.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def show(as_json: bool) -> None:
    """Show strategy, plans and presets."""
    with one_sentence(*FORESEEN):
        home = complete_home()
        settings = _settings(home)
        known = list_skills()
        plans = plans_of(settings, dict.fromkeys(known))
    name = preset_of(settings)
    if as_json:
        echo_json({**to_builtins(settings), "preset": name, "plans": to_builtins(plans)})
        return
    echo_lines(
        fields(
            (
                ("state", "on" if settings.enabled else OFF),
                ("preset", f"{name}: {PRESETS[name].description}" if name else "none: the plans were set one by one"),
                ("strategy", settings.strategy),
                ("batch", _batch(settings)),
                ("mix", f"{settings.mix.below:.0%} of mastered levels, {settings.mix.above:.0%} of the levels above"),
                ("exams", _exams(settings)),
            )
        )
    )
    rows = [
        (skill, "yes" if plan.enabled else "no", str(plan.priority), f"{plan.weight:g}")
        for skill, plan in plans.items()
    ]
    echo_lines(["", *table(("skill", "taught", "priority", "weight"), rows, "<<>>", flexible=(0,))])
    presets = [(one, _described(PRESETS[one], known)) for one in PRESETS]
    echo_lines(["", *table(("preset", "what it does"), presets, "<<", flexible=(1,))])


@curriculum.command()
@click.argument("name")
def preset(name: str) -> None:
    """Set the preset NAME. What it does not name is reset; batch and queue depth stay."""
    with one_sentence(*FORESEEN):
        home = complete_home()
        chosen = with_preset(_settings(home), name)
        plans_of(chosen, dict.fromkeys(list_skills()))
        write_changed(Settings.read(home), _merged(home, to_builtins(chosen)), by="realm curriculum")
    click.echo(f"curriculum: {name}, {PRESETS[name].description}; the next batch follows it")


@curriculum.command("set")
@click.argument("key")
@click.argument("value")
def set_(key: str, value: str) -> None:
    """Set one KEY of the curriculum: strategy, batch, mix.below, bin.weight, bin.priority, bin.enabled, ..."""
    with one_sentence(*FORESEEN):
        home = complete_home()
        settings = Settings.read(home)
        skill, _, field = key.partition(".")
        if field in SkillPlan.__struct_fields__ and skill != "others":
            get_skill(skill)  # raises SkillError
            plans = to_builtins(_settings(home))
            plan = plans["skills"].setdefault(skill, plans["others"].copy())
            plan[field] = _parsed(value)
            content = _merged(home, plans)
        else:
            content = settings.changed(f"curriculum.{key}", _parsed(value))
        plans_of(config_of(content, home.config_file).curriculum, dict.fromkeys(list_skills()))
        write_changed(settings, content, by="realm curriculum")
    click.echo(f"curriculum.{key} is {value}")


@curriculum.command()
@click.option("-n", "count", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many.")
@click.option("--preset", "name", help="As if this preset were set.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def preview(count: int, name: str | None, as_json: bool) -> None:
    """Show the next batches, if no exam is graded meanwhile. Changes nothing."""
    with one_sentence(*FORESEEN):
        home = complete_home()
        settings = _settings(home)
        lines = list(read_annals(home))
        before = [line for line in lines if isinstance(line, Dispatched)]
        chosen = with_preset(settings, name) if name else settings
        standings = {skill: standing(get_skill(skill), lines) for skill in list_skills()}
        decisions = previewed(count, len(before), chosen, standings, taught(before))
    if as_json:
        echo_json(to_builtins(decisions))
    else:
        rows = [(str(one.number), one.skill, in_words(one.parts), one.reason) for one in decisions]
        echo_lines(table(("batch", "skill", "examples", "why"), rows, "><<<", flexible=(3, 2)))


def _batch(settings: Curriculum) -> str:
    depth = settings.min_queue_depth
    return (
        f"{settings.batch:,} examples while fewer than {depth} quests wait" if depth else "none: min_queue_depth is 0"
    )


def _exams(settings: Curriculum) -> str:
    minutes = settings.exam_minutes
    ordered = f"ordered when none came for {minutes:g} minutes" if minutes else "never ordered: exam_minutes is 0"
    return f"of the newest checkpoint; one is {ordered}"


def _described(preset: Preset, known: list[str]) -> str:
    missing = ", ".join(sorted(preset.skills.keys() - set(known)))
    return f"{preset.description} (needs the skill {missing})" if missing else preset.description


def _settings(home: Home) -> Curriculum:
    return config_of(Settings.read(home).raw, home.config_file).curriculum


def _merged(home: Home, curriculum: dict[str, Any]) -> dict[str, Any]:
    """config.json with another curriculum."""
    return {**Settings.read(home).raw, "curriculum": curriculum}


def _parsed(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
