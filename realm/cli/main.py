"""The `realm` command. Each noun is a file of its own, imported only when it is used, so that the CLI starts fast."""

import os
import sys
from importlib import import_module
from io import TextIOWrapper
from typing import NamedTuple

import click

# Read by libgomp when torch is loaded: threads that wait spin for about a microsecond, then sleep. Squire trains at
# 12,400 to 15,100 tokens/s with it, at 7,700 if they sleep at once, and beside other programs at 1,200 to 8,600 with
# ten times the spin and 2,300 without an end to it.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")


class Noun(NamedTuple):
    module: str  # realm.cli.<module> holds a command of the noun's name
    meaning: str


NOUNS = {
    "init": Noun("init", "Make a realm's home, and its hero."),
    "play": Noun("play", "Make a realm, give it first quests, and run it."),
    "up": Noun("up", "Run all daemons in the foreground."),
    "run": Noun("run", "Run a daemon in the foreground."),
    "status": Noun("status", "What the realm is doing now."),
    "open": Noun("open", "The tavern in a browser."),
    "watch": Noun("watch", "The battle on one screen, as it happens."),
    "events": Noun("events", "What happened, newest last."),
    "quest": Noun("quest", "Quests: drop, list, show, retry, move, remove."),
    "pause": Noun("control", "Hold training still; the model stays in memory."),
    "resume": Noun("control", "Let training go on after a pause or a stop."),
    "stop": Noun("control", "Seal, release the accelerator, and wait."),
    "skip": Noun("control", "End the present quest; what was trained of it stays."),
    "seal": Noun("control", "Make everything trained so far durable now."),
    "config": Noun("config", "Settings: show, change, compare, unlock."),
    "ledger": Noun("ledger", "Checkpoints: list, show, find the best."),
    "champion": Noun("champion", "The crowned checkpoint: show, compare, set."),
    "hero": Noun("hero", "Heroes: list them, build one."),
    "vram": Noun("vram", "What a step takes of a GPU's memory, and which cards it fits."),
    "oracle": Noun("oracle", "Ask any checkpoint: list, load, chat, keys."),
    "skill": Noun("skill", "Skills: list, show, sample, check, examine."),
    "guild": Noun("guild", "The hero's stats, and its level in every skill."),
    "curriculum": Noun("curriculum", "What is taught next, and by which plan."),
    "doctor": Noun("doctor", "What is wrong, why, and how to mend it."),
    "migrate": Noun("migrate", "Move an older home on to this version's format."),
    "units": Noun("units", "The daemons as services of systemd."),
    "completion": Noun("completion", "The script with which Tab completes `realm`."),
    "scroll": Noun("scroll", "Utilities: forge a quest, train on it, examine a checkpoint."),
}


class Nouns(click.Group):
    """Imports a noun's module when that noun is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(NOUNS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in NOUNS:
            return None
        command: click.Command = getattr(import_module(f"realm.cli.{NOUNS[name].module}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, noun.meaning) for name, noun in NOUNS.items()])


@click.command(cls=Nouns, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--home",
    type=click.Path(file_okay=False),
    help="The realm's home. Default: $REALM_HOME, else /var/lib/realm if it exists, else $XDG_DATA_HOME/realm.",
)
@click.version_option(package_name="realm-of-training")
@click.pass_context
def main(ctx: click.Context, home: str | None) -> None:
    """Realm of Training: a home-lab server that trains a language model for ever, file by file."""
    if home == "":
        raise click.BadParameter("the name is empty: name a folder", param_hint="--home")
    if home is not None:
        os.environ["REALM_HOME"] = home  # for realm.core.paths.home() and for whatever this process starts
    if os.environ.get("NO_COLOR"):
        ctx.color = False
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without Unicode shows question marks, not a traceback
