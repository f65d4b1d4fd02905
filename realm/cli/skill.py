"""realm skill: what can be learned, and whether it can be relied on."""

from typing import TYPE_CHECKING, Any

import click
from msgspec import ValidationError, convert
from msgspec.structs import asdict, replace

from realm.cli.failures import one_sentence
from realm.cli.scroll import exam
from realm.cli.terminal import echo_json, echo_lines, fields, printable, table, wrapped
from realm.guild.skills import Skill, SkillError, get_skill, get_trainer, load_skills

if TYPE_CHECKING:
    from realm.guild.exams import Item
    from realm.guild.skills.self_test import Fault

SHOWN_FAULTS = 5

one_level = click.option("--level", type=int, required=True)
as_json = click.option("--json", "as_json", is_flag=True, help="As JSON.")


@click.group()
def skill() -> None:
    """Skills: what a hero can learn."""


skill.add_command(exam)


@skill.command()
@as_json
def ls(as_json: bool) -> None:
    """List the skills, and where their items come from."""
    with one_sentence(SkillError):
        known = load_skills()
    if as_json:
        echo_json([_described(one) for one in known.values()])
        return
    for one in known.values():
        click.echo(f"{one.icon} {one.id:8} {one.name} {one.version} · {one.max_level} levels · {_source(one)}")
        click.echo(f"   {wrapped(printable(one.description), 3)}")


@skill.command()
@click.argument("skill_id")
@as_json
def show(skill_id: str, as_json: bool) -> None:
    """All that SKILL_ID's file says, and the size of each level."""
    with one_sentence(SkillError):
        one = get_skill(skill_id)
        trainer = get_trainer(skill_id)
        spaces = {level: trainer.space(level) for level in one.levels}
    if as_json:
        sizes = {level: {"size": space.size, "split": space.split} for level, space in spaces.items()}
        echo_json({**_described(one), "spaces": {str(level): size for level, size in sizes.items()}})
        return
    facts = [
        ("what", one.description),
        ("version", one.version),
        ("category", one.category),
        ("in the game", f"{one.rpg_name}: {one.rpg_description}"),
        ("mastered at", f"{one.threshold:.0%}, mean of three exams"),
        ("items from", _source(one)),
    ]
    rows = [
        (str(level), one.levels[level], _rounded(space.size), f"split: {space.split}")
        for level, space in spaces.items()
    ]
    echo_lines([f"{one.icon} {one.name} ({one.id})", "", *fields(facts), ""])
    echo_lines(table(("level", "name", "problems", ""), rows, "><><", flexible=(1,)))


def _rounded(size: int) -> str:
    return f"{size:,}" if size < 10**9 else f"{size:.1e}"


def _described(one: Skill) -> dict[str, Any]:
    levels = {str(level): name for level, name in one.levels.items()}
    return {**asdict(one), "max_level": one.max_level, "levels": levels}


def _source(one: Skill) -> str:
    return "in this process" if one.in_process else one.api_url


@skill.command()
@click.argument("skill_id")
@one_level
@click.option("--count", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--split", type=click.Choice(["train", "exam"]), default="train", show_default=True)
@click.option("--first-index", type=click.IntRange(min=0), default=0, show_default=True, help="Of the train split.")
@click.option("--seed", default="0", show_default=True, help="Of an exam: any text draws others than the static five.")
@as_json
def sample(skill_id: str, level: int, count: int, split: str, first_index: int, seed: str, as_json: bool) -> None:
    """Show items of SKILL_ID, with their answers."""
    with one_sentence(SkillError, ValueError):
        trainer = get_trainer(skill_id)
        items = trainer.exam(level, count, seed) if split == "exam" else trainer.sample(level, count, first_index)
    if as_json:
        echo_json([_plain(item) for item in items])
    else:
        echo_lines(line for item in items for line in _shown(item))


@skill.command()
@click.argument("skill_id")
@click.option("--url", help="Ask the server there, whatever the skill's file says: http://HOST:PORT.")
def check(skill_id: str, url: str | None) -> None:
    """Whether SKILL_ID keeps its word at every level.

    The same items when asked again, static items first in every exam, no exam item trained where a level is split,
    1 for each gold answer and less for a spoilt one, no two levels alike. Exit status 1 if not, with an item that
    shows it.
    """
    from realm.guild.skills.self_test import self_test

    with one_sentence(SkillError):
        one = get_skill(skill_id)
        test = self_test(_at(one, url) if url else one)
    if test.faults:
        more = len(test.faults) - SHOWN_FAULTS
        shown = [line for fault in test.faults[:SHOWN_FAULTS] for line in _told(fault)]
        echo_lines([*shown, *([f"and {more:,} more"] if more > 0 else [])])
        raise click.ClickException(f"{one.id} {one.version} is refused: {len(test.faults):,} faults")
    source = url or _source(one)
    click.echo(
        f"{one.icon} {one.id} {one.version} keeps its word: {test.items:,} items of {one.max_level} levels, "
        f"{test.items_per_second:,.0f} items/s ({source})"
    )


def _at(one: Skill, url: str) -> Skill:
    """Raises SkillError for what is no address."""
    try:
        return convert(asdict(replace(one, api_url=url.rstrip("/"), in_process=None)), Skill)
    except ValidationError as error:
        raise SkillError(f"--url {url}: {error}") from None


def _told(fault: "Fault") -> list[str]:
    return [f"level {fault.level}: {printable(fault.sentence)}", *(_shown(fault.item) if fault.item else [])]


def _shown(item: "Item") -> list[str]:
    space = f"{_rounded(item.space_size)} problems, split: {item.space_split}"
    head = f"{item.id} · {item.difficulty} · {item.operation} · {space}"
    return [
        click.style(printable(head), dim=True),
        *(f"  {printable(line)}" for line in item.prompt.splitlines()),
        *(click.style(f"    {printable(line)}", fg="green") for line in item.answer.splitlines()),
    ]


def _plain(item: "Item") -> dict[str, Any]:
    keys = ("id", "level", "difficulty", "operation", "prompt", "answer", "space_size", "space_split")
    return {key: getattr(item, key) for key in keys}
