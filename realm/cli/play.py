"""realm play: from nothing to a hero that trains, in one command."""

import click
import msgspec

from realm.cli import init, up
from realm.cli.failures import one_sentence
from realm.core.config import ConfigError, load_config
from realm.core.files import write_whole
from realm.core.paths import Home, HomeError
from realm.core.paths import home as chosen_home

FIRST_CONFIG = {
    "model_name": "squire",
    "seals": {"minutes": 2},  # squire's are small: a quest counts after two minutes at the latest, not after ten
    "curriculum": {  # preset bin_only
        "enabled": True,
        "strategy": "focus",
        "skills": {"bin": {}},
        "others": {"enabled": False},
    },
}


@click.command()
@click.pass_context
def play(ctx: click.Context) -> None:
    """Make a realm with squire in it, switch the curriculum on, and run it in the foreground.

    The scheduler drops quests of binary arithmetic into inbox/low whenever few wait, so whatever a person drops comes
    first. Again goes on where it stood, with the settings that the realm has by then.
    """
    home = Home(chosen_home())
    with one_sentence(HomeError, ConfigError):
        if home.missing() or not (home.models / load_config(home.config_file).model_name).exists():
            home.create()
            if not home.config_file.exists():
                content = msgspec.json.format(msgspec.json.encode(FIRST_CONFIG), indent=2)
                write_whole(home.config_file, content + b"\n", mode=0o664)
            ctx.invoke(init.init, next_steps=False)
    up.run_all(home)
