"""realm scroll: utilities that need no daemon."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
import msgspec

from realm.cli.failures import one_sentence
from realm.cli.terminal import printable

if TYPE_CHECKING:
    from realm.guild.exams import Report
    from realm.scrolls.convert import Conversion


def _levels(text: str) -> list[int]:
    """'3' or '1-3' -> levels."""
    first, _, last = text.partition("-")
    try:
        levels = list(range(int(first), int(last or first) + 1))
    except ValueError:
        levels = []
    if not levels:
        raise click.BadParameter(f"{text!r}: write a level such as 3, or a range such as 1-3")
    return levels


@click.group()
def scroll() -> None:
    """Utilities that need no daemon."""


@scroll.command()
@click.argument("skill")
@click.option("--level", required=True, help="A level or a range: 3, 1-3.")
@click.option("--count", type=click.IntRange(min=1), required=True, help="Lines to write.")
@click.option(
    "--first-index",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Index of each level's first item.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True)
def forge(skill: str, level: str, count: int, first_index: int, out: Path) -> None:
    """Write a quest of SKILL's training items as chat JSONL, with its sidecar."""
    from realm.scrolls.forge import forge as forge_quest

    try:
        forge_quest(skill, _levels(level), count, out, first_index=first_index)
    except (ValueError, FileExistsError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{count:,} lines of {skill} level {level} in {out}")


@scroll.command()
@click.argument("form", type=click.Choice(["sharegpt", "alpaca"]))
@click.argument("source", metavar="IN", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Quest to write: X.jsonl.")
@click.option("--skip-bad", is_flag=True, help="Leave out what cannot be converted, instead of writing nothing.")
@click.option("--system", metavar="TEXT", help="System turn of each chat that has none.")
def convert(form: Literal["sharegpt", "alpaca"], source: Path, out: Path, skip_bad: bool, system: str | None) -> None:
    """Turn IN into a quest of chats, with its sidecar.

    IN is JSONL, read line by line, or one JSON array, which must fit into memory; either may be compressed, as .gz.

    \b
    sharegpt   {"conversations": [{"from": "human", "value": "..."}, {"from": "gpt", "value": "..."}]}
    alpaca     {"instruction": "...", "input": "...", "output": "..."}; the input follows after a blank line
    """  # noqa: D301 - click reads the backspace as "leave these lines alone"
    from realm.scrolls.convert import NotConverted
    from realm.scrolls.convert import convert as convert_file

    try:
        with one_sentence():
            done = convert_file(form, source, out, skip_bad=skip_bad, system=system)
    except NotConverted as error:
        raise click.ClickException("\n".join([printable(str(error)), *_at_fault(error.done)])) from None
    left_out = f", {done.left_out:,} items left out" if done.left_out else ""
    click.echo("\n".join([f"{done.converted:,} chats in {printable(str(out))}{left_out}", *_at_fault(done)]))


def _at_fault(done: "Conversion") -> list[str]:
    more = [f"  and {done.left_out - len(done.bad):,} more"] if done.left_out > len(done.bad) else []
    return [*(f"  {printable(one)}" for one in done.bad), *more]


@scroll.command()
@click.argument("quests", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--model",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Model folder of a hero, or a checkpoint.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the checkpoint and metrics.jsonl.",
)
@click.option("--epochs", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--max-steps", type=click.IntRange(min=1), help="Stop after so many optimizer steps.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads; default: one per core.")
@click.option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change one of the hero's training settings."
)
def train(
    quests: tuple[Path, ...],
    model: Path,
    out: Path,
    epochs: int,
    max_steps: int | None,
    threads: int | None,
    changes: tuple[str, ...],
) -> None:
    """Fight one battle over QUESTS without daemons; a checkpoint stands at its end."""
    from realm.cli import battle_view
    from realm.scrolls.train import Plan

    battle_view.fight(Plan(quests, model, out, epochs, max_steps, threads, dict(map(_change, changes))))


def _change(text: str) -> tuple[str, object]:
    """'learning_rate=1e-3' -> (key, value), the value read as YAML."""
    import yaml

    key, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"{text!r}: write KEY=VALUE", param_hint="--set")
    # YAML 1.1 reads 1e-3 as text; numbers are numbers here.
    try:
        return key, float(value) if "e" in value.lower() else yaml.safe_load(value)
    except ValueError:
        return key, yaml.safe_load(value)


@scroll.command()
@click.argument("checkpoint", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--skill", required=True)
@click.option("--level", required=True, help="A level or a range: 3, 1-3; the items are spread over it evenly.")
@click.option("--count", type=click.IntRange(min=1), default=200, show_default=True, help="Items.")
@click.option("--seed", default="0", show_default=True, help="Any text; another one draws other items.")
@click.option(
    "--papers",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep prompt, answer and grade of each item here, as JSONL.",
)
@click.option("--pass", "wanted", type=click.FloatRange(0, 1), help="End with status 1 if the accuracy is lower.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def exam(
    checkpoint: Path,
    skill: str,
    level: str,
    count: int,
    seed: str,
    papers: Path | None,
    wanted: float | None,
    as_json: bool,
) -> None:
    """Let CHECKPOINT answer a skill's exam items and grade them."""
    from realm.armory.quiet import silence_transformers
    from realm.scrolls.exam import sit

    silence_transformers()
    levels = _levels(level)
    with one_sentence(ValueError):
        report = sit(checkpoint, skill, levels, count, seed=seed, papers=papers)
    click.echo(msgspec.json.encode(report) if as_json else _report_card(report))
    if papers and not as_json:
        click.echo(f"  papers: {papers}")
    if wanted is not None and report.accuracy < wanted:
        raise click.ClickException(f"{report.accuracy:.1%} is below the {wanted:.1%} asked for")


def _report_card(report: "Report") -> str:
    low, high = report.interval
    levels = "-".join(str(level) for level in dict.fromkeys((report.levels[0], report.levels[-1])))
    return "\n".join(
        [
            f"{report.checkpoint}  {report.skill} level {levels}",
            f"  {report.correct:g} of {report.count} right: {report.accuracy:.1%}  (95 %: {low:.1%} to {high:.1%})",
            *(f"  level {one}: {score:6.1%}   {report.spaces[one]}" for one, score in report.by_level.items()),
            *(f"  {one:7} {score:6.1%}" for one, score in report.by_difficulty.items()),
        ]
    )
