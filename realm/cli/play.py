"""realm play: from nothing to a hero that trains, in one command."""

import click

from realm.cli import init, up
from realm.cli.failures import one_sentence
from realm.cli.terminal import printable
from realm.core.config import ConfigError, load_config
from realm.core.files import write_whole
from realm.core.paths import Home, HomeError
from realm.core.paths import home as chosen_home
from realm.core.quests import QuestQueue

SKILL = "bin"
LINES = 3000  # of each quest: some ten seconds on two cores
CHAPTERS = (([1], 14), ([1, 2], 12), ([1, 2, 3], 24))  # levels, and how many quests


@click.command()
@click.pass_context
def play(ctx: click.Context) -> None:
    """Make a realm with squire in it, give it quests to begin with, and run it in the foreground.

    Again goes on where it stood: quests are forged only for a home in which there has been none.
    """
    home = Home(chosen_home())
    with one_sentence(HomeError, ConfigError):
        if home.missing() or not (home.models / load_config(home.config_file).model_name).exists():
            home.create()
            _write_config(home)
            ctx.invoke(init.init, next_steps=False)
        if _is_bare(home):
            _forge(home)
    up.run_all(home)


def _write_config(home: Home) -> None:
    """Squire's seals are small: a quest that was trained counts after two minutes at the latest, not after ten."""
    if not home.config_file.exists():
        write_whole(home.config_file, b'{\n  "model_name": "squire",\n  "seals": {"minutes": 2}\n}\n', mode=0o664)


def _is_bare(home: Home) -> bool:
    """There has never been a quest here."""
    inbox = [path for path in home.inbox.rglob("*") if path.is_file()]
    ended = [path for path in home.history.iterdir() if path.stat().st_size]
    return not inbox and not ended and QuestQueue(home).latest() is None


def _forge(home: Home) -> None:
    """Quests of low priority, so that whatever a person drops comes first."""
    from realm.scrolls.forge import forge

    total = sum(count for _, count in CHAPTERS)
    click.echo(f"forging {total} quests of {LINES:,} lines of binary arithmetic")
    number, index = 0, 0
    for levels, count in CHAPTERS:
        for _ in range(count):
            number += 1
            forge(SKILL, levels, LINES, home.inbox / "low" / f"bin-{number:02d}.jsonl", first_index=index)
            index += LINES
    click.echo(f"they lie in {printable(str(home.inbox / 'low'))}")
