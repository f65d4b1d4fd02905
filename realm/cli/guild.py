"""realm guild: the hero's stats, and where it stands in every skill. revert takes a mastered level back."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click
from msgspec import to_builtins

from realm.cli import figures
from realm.cli.failures import complete_home, one_sentence
from realm.cli.status_report import Report, Reporter
from realm.cli.terminal import bar, columns, echo_json, echo_lines, fields, padded, printable
from realm.core.control import Control
from realm.core.history import DamagedHistory
from realm.core.paths import Home, HomeError
from realm.core.status import is_locked
from realm.guild.annals import Graded, read_annals
from realm.guild.exams import wilson_interval
from realm.guild.hero_stats import HeroStats, hero_stats
from realm.guild.progression import WINDOW, Standing, standing
from realm.guild.skills import Skill, SkillError, get_skill, list_skills

LADDER = 30  # cells


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def guild(ctx: click.Context, as_json: bool) -> None:
    """Show the hero's stats and skills: levels, the last exams, and what earned each level."""
    if ctx.invoked_subcommand:
        return
    home = complete_home()
    with one_sentence(SkillError, DamagedHistory, HomeError):
        skills = [get_skill(skill) for skill in list_skills()]
        lines = list(read_annals(home))
        standings = {skill.id: standing(skill, lines) for skill in skills}
        report = Reporter(home).report(datetime.now(UTC))
    stats = _stats(report, standings)
    if as_json:
        echo_json({"hero": {"level": stats.level, **to_builtins(stats)}, "skills": _skills_json(standings)})
    else:
        echo_lines([*_hero_lines(stats), *(line for one in skills for line in _skill_lines(one, standings[one.id]))])


def _stats(report: Report, standings: dict[str, Standing]) -> HeroStats:
    training = report.training
    return hero_stats(
        report.step,
        training.loss_ema if training else None,
        training.validation_loss if training else None,
        report.completed_quests,
        standings.values(),
    )


def _skills_json(standings: dict[str, Standing]) -> dict[str, Any]:
    return {
        skill: {**to_builtins(now), "training_level": now.training_level, "is_complete": now.is_complete}
        for skill, now in standings.items()
    }


def _hero_lines(stats: HeroStats) -> Iterator[str]:
    values = (
        ("Level", f"{figures.number(stats.level)} · {figures.number(stats.xp)} XP (steps)"),
        ("ATK", f"{figures.decimal(stats.attack, 2)} (1 / training loss)"),
        ("DEF", f"{figures.decimal(stats.defence, 2)} (1 / validation loss)"),
        ("ACC", f"{figures.percent(stats.accuracy)} (latest exams)"),
        ("Gold", f"{figures.number(stats.gold)} (100 for each completed quest)"),
    )
    yield from fields(values)


def _skill_lines(skill: Skill, now: Standing) -> Iterator[str]:
    yield ""
    name = click.style(f"{skill.icon} {printable(skill.name)}", bold=True)
    yield f"{name}  level {now.mastered_level} of {now.max_level} mastered"
    yield f"  {bar(now.mastered_level / now.max_level, LADDER)}"
    level = "all mastered; trained on" if now.is_complete else "trains level"
    window = f"{len(now.window)} of {WINDOW} exams, {now.threshold:.0%} needed in their mean"
    yield f"  {level} {now.training_level}, {window}"
    for exam in now.window:
        yield f"    {_exam(exam)}"
    for earned in now.level_ups[-3:]:
        when = figures.utc(datetime.fromisoformat(earned.at))
        yield click.style(
            f"  ▲ level {earned.level} at {when}: {earned.mean:.1%} over {len(earned.evidence)} exams", fg="green"
        )
    for fell in now.regressions:
        yield click.style(f"  ▼ level {fell.level} fell to {fell.accuracy:.1%} ({fell.exam})", fg="yellow")


def _exam(exam: Graded) -> str:
    low, high = wilson_interval(exam.correct, exam.count)
    width = min(LADDER, (columns() or 80) // 4)
    right, interval = padded(f"{exam.correct:g} of {exam.count}", 9, ">"), padded(f"{low:.0%} to {high:.0%}", 11)
    return f"{bar(exam.accuracy, width)} {right}  {interval}  {exam.checkpoint}"


@guild.command()
@click.argument("skill")
@click.argument("level", type=click.IntRange(min=1))
@click.option("--why", required=True, help="The reason, for whoever reads the annals.")
def revert(skill: str, level: int, why: str) -> None:
    """Take mastered LEVEL of SKILL back, and all above it: they are to be earned again."""
    home = complete_home()
    with one_sentence(SkillError, DamagedHistory):
        mastered = standing(get_skill(skill), read_annals(home)).mastered_level
        if level > mastered:
            raise click.ClickException(f"{skill} level {level} is not mastered: {mastered} levels are mastered")
        Control(home).place_order("scheduler", "revert", {"skill": skill, "level": level, "why": why})
    click.echo(f"asked: {printable(skill)} level {level} and above are to be earned again; {_when(home)}")


def _when(home: Home) -> str:
    if is_locked(home.locks / "scheduler.lock"):
        return "the scheduler obeys at once, `realm events` tells of it"
    return "the scheduler is not running, and obeys when it starts: `realm run scheduler`"
