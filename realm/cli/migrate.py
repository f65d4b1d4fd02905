"""realm migrate: an older home becomes one of this version's format."""

import click

from realm.cli.failures import one_sentence
from realm.cli.terminal import printable
from realm.core.instance import AlreadyRunning
from realm.core.paths import Home, HomeError
from realm.core.paths import home as chosen_home
from realm.sentinels.migration import CannotMigrate
from realm.sentinels.migration import migrate as move_on


@click.command()
def migrate() -> None:
    """Move an older home on to the format of this version. Again is harmless.

    End all daemons first, the trainer cleanly, so that a seal covers everything. What is changed is copied into
    vault/backups/ before; killed in the middle, it is finished by the next call. Folders that this version adds are
    made. A home that lacks nothing stays as it is.
    """
    home = Home(chosen_home())
    has_changed = False
    with one_sentence(CannotMigrate, AlreadyRunning, HomeError):
        missing = [place.path for place in home.missing()]
        for moved in move_on(home):
            click.echo(f"format {moved.to_version}: {moved.meaning}; the backup lies in {printable(str(moved.backup))}")
            has_changed = True
    if missing:
        click.echo(f"made: {', '.join(missing)}")
    end = "" if has_changed or missing else ": nothing to do"
    click.echo(f"🏰 {printable(str(home.root))} has format {home.format_file.read_text().strip()}{end}")
