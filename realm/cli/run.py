"""realm run: a daemon in the foreground, as systemd starts it."""

import os
import re
from importlib import import_module

import click

from realm.cli.failures import complete_home

DAEMONS = {
    "trainer": "realm.arena.trainer",
    "queue-watcher": "realm.arena.queue_watcher",
    "scheduler": "realm.guild.scheduler",
    "watchtower": "realm.watchtower.watchtower",
    "tavern": "realm.tavern.tavern",
    "oracle": "realm.oracle.oracle",
}
SKILL_SERVER = "realm.guild.skills.server"


class _Daemon(click.Choice[str]):
    """One of DAEMONS, or skill@ID for any skill."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return value if re.fullmatch("skill@[a-z0-9]+", value) else super().convert(value, param, ctx)


@click.command()
@click.argument("daemon", metavar="DAEMON", type=_Daemon([*DAEMONS, "skill@ID"]))
def run(daemon: str) -> None:
    """Run DAEMON in the foreground; skill@ID is the server of a skill.

    SIGTERM or Ctrl-C asks for its end at the next safe point, a second one ends it at once. Exit status: 0 it was told
    to end, 75 another one runs already, 78 a file must be mended first.
    """
    try:
        home = complete_home()
    except click.ClickException as error:
        error.show()
        raise SystemExit(os.EX_CONFIG) from None  # systemd does not start it again
    if daemon in DAEMONS:
        import_module(DAEMONS[daemon]).main(home.root)
    else:
        import_module(SKILL_SERVER).main(home.root, daemon.removeprefix("skill@"))
