"""realm units: the daemons as services of systemd, run by the machine or by one person."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from realm.cli.failures import complete_home, one_sentence
from realm.cli.terminal import echo_lines
from realm.cli.unit_files import UnitFiles, of_one_person, of_the_machine, realm_command
from realm.core.paths import SYSTEM_HOME, Home

ACCOUNT = "realm"  # user and group
HIDDEN = ("/root", "/home", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - from services, by ProtectHome=, PrivateTmp=

for_one = click.option("--user", "for_one", is_flag=True, help="Your own systemd, with this Python and your home.")


@click.group()
def units() -> None:
    """Run the daemons as services of systemd."""


@units.command()
@for_one
def show(for_one: bool) -> None:
    """Print every file that install would write."""
    files = _files(for_one)
    echo_lines(f"# {files.root / name}\n{text}" for name, text in files.texts.items())


@units.command()
@for_one
def install(for_one: bool) -> None:
    """Make the daemons services of this machine (as root), or with --user your own. Again is an upgrade."""
    files = _files(for_one)
    if not for_one:
        _require_root()
        _require_reachable()
    with one_sentence():
        known = {path.name for path in files.present()}
        files.put()
        if not for_one:
            _make_account_and_home()
    if _is_booted():
        _systemctl(for_one, "daemon-reload")
    if new := [service for service in files.services if service not in known]:  # who disabled one keeps it disabled
        _systemctl(for_one, "enable", *new)
    echo_lines([f"🏰 {', '.join(files.services)} in {files.root / files.folder}", *_next_steps(for_one, bool(known))])
    if not _is_booted():
        click.echo("note: systemd does not run here now; `realm run DAEMON` runs a daemon in the foreground")


@units.command()
@for_one
def uninstall(for_one: bool) -> None:
    """Stop the services and remove them. The home stays as it is."""
    files = _files(for_one)
    if not for_one:
        _require_root()
    names = [path.name for path in files.present() if path.suffix in (".service", ".target")]
    if names and _is_booted():
        _systemctl(for_one, "stop", *(name.replace("@.", "@*.") for name in names))  # of a template, all there are
    if names:
        _systemctl(for_one, "disable", *names)
    with one_sentence():
        files.remove()
    if _is_booted():
        _systemctl(for_one, "daemon-reload")
    click.echo(f"{', '.join(names) or 'no unit'} in {files.root / files.folder}: stopped and removed; the home stays")


def _files(for_one: bool) -> UnitFiles:
    return of_one_person(complete_home().root) if for_one else of_the_machine()


# The machine


def _require_root() -> None:
    if os.geteuid() != 0:
        raise click.ClickException("the machine's services are root's to change: use sudo, or --user for your own")


def _require_reachable() -> None:
    for path in (Path(sys.prefix), Path(sys.executable).resolve()):
        if hidden := next((folder for folder in HIDDEN if path.is_relative_to(folder)), None):
            raise click.ClickException(
                f"{hidden} is hidden from the machine's services, and {path} is in it:"
                " `sudo make install PYTHON=/usr/bin/python3` puts realm into /opt/realm"
            )


def _make_account_and_home() -> None:
    _run(["systemd-sysusers", "realm.conf"])
    home = Home(SYSTEM_HOME)
    if not home.format_file.exists():
        home.root.mkdir(parents=True, exist_ok=True)
        shutil.chown(home.root, ACCOUNT, ACCOUNT)
        _init_as_account(home)
    _run(["systemd-tmpfiles", "--create", "realm.conf"])


def _init_as_account(home: Home) -> None:
    """Raises click.ClickException; what `realm init` says is seen."""
    done = subprocess.run(
        [realm_command(), "--home", home.root, "init"],
        check=False,
        user=ACCOUNT,
        group=ACCOUNT,
        extra_groups=[],
        umask=0o022,
        cwd="/",
        env={**os.environ, "HOME": str(home.root)},
    )
    if done.returncode:
        raise click.ClickException(f"{home.root} could not be made as user {ACCOUNT}: the lines above say why")


# systemd


def _is_booted() -> bool:
    """As sd_booted(3) tells it: systemd runs here. In a container that is being built it does not."""
    return Path("/run/systemd/system").is_dir()


def _systemctl(for_one: bool, *words: str) -> None:
    """Raises click.ClickException with what it answers if it refuses."""
    _run(["systemctl", *(["--user"] if for_one else []), *words])


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    except FileNotFoundError:
        raise click.ClickException(
            f"{command[0]} is not there: without systemd, `realm run DAEMON` runs a daemon in the foreground"
        ) from None
    if done.returncode:
        raise click.ClickException(f"{' '.join(command)}: {' '.join(done.stderr.split())}")


def _next_steps(for_one: bool, is_upgrade: bool) -> Iterator[str]:
    user = " --user" if for_one else ""
    steps = [
        (f"systemctl{user} enable --now realm.target", "starts them now and from now on, instead of `realm up`"),
        (f"systemctl{user} status 'realm-*'", "says what each one does"),
        (f"journalctl{user} -f -u 'realm-*'", "follows their log"),
        ("loginctl enable-linger", "keeps them running when you are not logged in")
        if for_one
        else (f"usermod -aG {ACCOUNT} NAME", f"lets NAME drop quests into {SYSTEM_HOME}/inbox"),
    ]
    if is_upgrade:
        steps.insert(0, (f"systemctl{user} restart realm.target", "those that run go on in this version"))
    width = max(len(command) for command, _ in steps)
    yield "Next:"
    yield from (f"  {click.style(command.ljust(width), bold=True)}  {what}" for command, what in steps)
