"""realm run: a daemon in the foreground, as systemd starts it."""

import os
from importlib import import_module

import click

from realm.cli.failures import complete_home

DAEMONS = {
    "trainer": "realm.arena.trainer",
    "queue-watcher": "realm.arena.queue_watcher",
}


@click.command()
@click.argument("daemon", metavar="DAEMON", type=click.Choice(list(DAEMONS)))
def run(daemon: str) -> None:
    """Run DAEMON (trainer or queue-watcher) in the foreground.

    SIGTERM or Ctrl-C asks for its end at the next safe point, a second one ends it at once. Exit status: 0 it was told
    to end, 75 another one runs already, 78 a file must be mended first.
    """
    try:
        home = complete_home()
    except click.ClickException as error:
        error.show()
        raise SystemExit(os.EX_CONFIG) from None  # systemd does not start it again
    import_module(DAEMONS[daemon]).main(home.root)
