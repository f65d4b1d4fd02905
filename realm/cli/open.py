"""realm open: the tavern in a browser."""

import socket
import webbrowser

import click

from realm.cli.failures import complete_home, one_sentence
from realm.core.config import ConfigError, load_config
from realm.core.status import is_locked
from realm.tavern import entrance_of, url_of


def _open(*, lan: bool) -> None:
    """Open the tavern's pages in a browser, and print their address.

    --lan prints an address for another machine instead: it is good for one entry within ten minutes, and that browser
    is let in from then on. The tavern has to listen on the network: `realm config set tavern.host 0.0.0.0`.
    """
    home = complete_home()
    with one_sentence(ConfigError, OSError):
        where = load_config(home.config_file).tavern
        if not is_locked(home.locks / "tavern.lock"):
            click.echo("the tavern is closed: `realm up`, or `systemctl start realm.target`, opens it", err=True)
        if lan:
            address = entrance_of(home, where, socket.gethostname())
            click.echo(f"{address}\nIt is good once, for ten minutes.")
            return
    click.echo(url_of(where))
    webbrowser.open(url_of(where))


open = click.option("--lan", is_flag=True, help="An address for another machine.")(click.command("open")(_open))  # noqa: A001
