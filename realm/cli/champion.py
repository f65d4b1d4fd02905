"""realm champion: which checkpoint wears the crown, whether another one is better, and crowning it."""

import click
from msgspec import MsgspecError, to_builtins

from realm.cli import figures
from realm.cli.failures import complete_home, one_sentence
from realm.cli.terminal import echo_json, echo_lines, fields, printable
from realm.core.config import ConfigError
from realm.core.crown import DamagedCrown, read_crown
from realm.core.crown import place_crown as place
from realm.core.history import DamagedHistory
from realm.core.paths import Home
from realm.guild.annals import read_annals
from realm.guild.comparison import Comparison, compare, paired
from realm.guild.progression import standing
from realm.guild.skills import SkillError, get_skill, get_trainer
from realm.oracle.shelf import DamagedModel, Shelf, UnknownModel, Volume

FAILURES = (ConfigError, DamagedCrown, DamagedHistory, DamagedModel, MsgspecError, SkillError, UnknownModel, ValueError)
SEED = "champion"  # of the items that both answer

sits = click.option("--sit", type=click.IntRange(10, 2000), metavar="ITEMS", help="Both answer so many items now.")
of_skill = click.option("--skill", default="bin", show_default=True, help="Whose items, with --sit.")
at_level = click.option("--level", type=click.IntRange(min=1), help="Of the items. Default: the training level.")


@click.group()
def champion() -> None:
    """Show the crowned checkpoint, compare two, crown another one."""


@champion.command()
@click.option("--json", "as_json", is_flag=True, help="The crown as JSON; null if nobody wears it.")
def show(as_json: bool) -> None:
    """Show who wears the crown, since when, and by which evidence."""
    home = complete_home()
    with one_sentence(*FAILURES):
        crown = read_crown(home)
    if as_json:
        echo_json(to_builtins(crown))
    elif crown is None:
        click.echo("nobody wears the crown: `realm champion set latest` gives it to the newest checkpoint")
    else:
        click.echo(f"👑 {click.style(crown.checkpoint, bold=True)}")
        evidence = crown.evidence
        rows = [("since", f"{crown.crowned_at:%Y-%m-%d %H:%M} UTC, by {printable(crown.crowned_by)}")]
        if crown.reason:
            rows.append(("because", printable(crown.reason)))
        if evidence:
            rows += [
                ("beside", printable(evidence.rival)),
                ("items", f"{evidence.items:,} of {printable(', '.join(evidence.exams))}"),
                ("right", f"only it {evidence.only_new:,}, only the other {evidence.only_rival:,}"),
                ("p", f"{evidence.p_value:.2g}, McNemar's exact test"),
            ]
        echo_lines(fields([*rows, ("SHA-256", crown.digest)]))


@champion.command("compare")
@click.argument("new")
@click.argument("rival", default="champion")
@sits
@of_skill
@at_level
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def compare_(new: str, rival: str, sit: int | None, skill: str, level: int | None, as_json: bool) -> None:
    """Compare checkpoint NEW with RIVAL, by default the champion, on the same exam items.

    Without --sit the items are those of exams that both have sat: mostly the five static ones of each level.
    """
    home = complete_home()
    with one_sentence(*FAILURES):
        shelf = Shelf(home)
        found = _compared(home, shelf.find(new), shelf.find(rival), sit, skill, level)
    if as_json:
        evidence = found.evidence
        echo_json({"new": found.new, "is_better": found.is_better, **to_builtins(evidence)})
    else:
        _print(found)


@champion.command("set")
@click.argument("name")
@click.option("--reason", help="Why, where the comparison does not show that it is better; the chronicle tells it.")
@sits
@of_skill
@at_level
def set_(name: str, reason: str | None, sit: int | None, skill: str, level: int | None) -> None:
    """Crown checkpoint NAME (latest, step:N, or its name).

    It is compared with the present champion first. If it is not right more often, by more than chance (p < 0.05), it is
    crowned only with a --reason.
    """
    home = complete_home()
    with one_sentence(*FAILURES):
        new = Shelf(home).find(name)
        if new.record is None:
            raise click.ClickException("base is no checkpoint: a crown is for what was trained")
        old = read_crown(home)
    if old and old.checkpoint == new.name:
        raise click.ClickException(f"{new.name} wears the crown already, since {old.crowned_at:%Y-%m-%d %H:%M} UTC")
    evidence = None
    if old:
        with one_sentence(*FAILURES):
            found = _compared(home, new, Shelf(home).find("champion"), sit, skill, level)
        _print(found)
        if found.doubt and not reason:
            raise click.ClickException(f"{found.doubt}; --sit 400 asks both more, --reason TEXT crowns it")
        evidence = found.evidence
    with one_sentence(*FAILURES):
        digest = new.record.manifest["model.safetensors"]
        place(home, new.name, digest, by="realm champion set", reason=reason, evidence=evidence)
    click.echo(f"👑 {new.name} is the champion")


def _compared(home: Home, new: Volume, rival: Volume, sit: int | None, skill: str, level: int | None) -> Comparison:
    if sit is None:
        return compare(home, new.name, rival.name)
    from realm.scrolls.exam import examine  # torch

    trainer = get_trainer(skill)
    chosen = level or standing(get_skill(skill), read_annals(home)).training_level
    items = trainer.exam(chosen, sit, SEED)
    ours, theirs = (examine(one.folder, skill, trainer, items)[1] for one in (new, rival))
    return paired(new.name, rival.name, skill, trainer.VERSION, ours, theirs)


def _print(found: Comparison) -> None:
    evidence = found.evidence
    if not evidence.items:
        click.echo(f"{found.doubt}: --sit 200 asks both the same items now")
        return
    rows = [
        (name, f"{figures.percent(share)} right, {low:.0%} to {high:.0%}")
        for name, share, (low, high) in zip((found.new, found.rival), found.accuracies, found.intervals, strict=True)
    ]
    verdict = "better" if found.is_better else "not shown to be better"
    rows += [
        ("items", f"{evidence.items:,} of {printable(', '.join(evidence.exams))}"),
        ("right alone", f"{evidence.only_new:,} against {evidence.only_rival:,}"),
        ("p", f"{evidence.p_value:.2g}: {found.new} is {verdict}"),
    ]
    echo_lines(fields(rows))
