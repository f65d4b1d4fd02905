"""The files that make the daemons services of systemd: what is in them, where they belong, which of them are there.

They are those in systemd/, as they are but for the path of `realm` itself. A person's also name the home, start at
login, and leave out what only the machine's systemd can do (systemd/system/). What a daemon of the machine may not
write comes from the home's table.
"""

import os
import sys
import sysconfig
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import click

from realm.core.files import write_whole
from realm.core.paths import PACKAGE, PLACES, SYSTEM_HOME

ORIGIN = "# Installed by `realm units`, which overwrites it: changes belong into `systemctl edit`.\n"
SHIPPED_COMMAND = "/opt/realm/bin/realm"
AT_BOOT, AT_LOGIN = "multi-user.target", "default.target"
UNITS = ("realm.target", "realm-*.service", "realm-*.service.d/*.conf")
OF_THE_MACHINE = {"sysusers.d/realm.conf": "realm.sysusers", "tmpfiles.d/realm.conf": "realm.tmpfiles"}


@dataclass(frozen=True)
class UnitFiles:
    """What one systemd finds below `root`."""

    root: Path
    folder: str  # of units, below root
    texts: dict[str, str]  # name below root -> content

    @cached_property
    def services(self) -> list[str]:
        return [Path(name).name for name in self.texts if name.endswith(".service")]

    def present(self) -> list[Path]:
        """Those that are there, in this version or another; a file that a person made is none of them."""
        patterns = [*(f"{self.folder}/{pattern}" for pattern in UNITS), *OF_THE_MACHINE]
        found = [path for pattern in patterns for path in sorted(self.root.glob(pattern))]
        return [path for path in found if path.read_text(errors="replace").startswith(ORIGIN)]

    def put(self) -> None:
        """Writes them, and removes those of another version that are no more. Raises OSError."""
        wanted = {self.root / name: text for name, text in self.texts.items()}
        for path in set(self.present()) - set(wanted):
            path.unlink()
        for path, text in wanted.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, text.encode())

    def remove(self) -> None:
        """Folders of drop-ins go with them if nothing else is in there. Raises OSError."""
        for path in self.present():
            path.unlink()
            if path.parent.name.endswith(".service.d") and not any(path.parent.iterdir()):
                path.parent.rmdir()


def of_the_machine() -> UnitFiles:
    """Raises click.ClickException."""
    home = Path(os.environ.get("REALM_HOME") or SYSTEM_HOME)
    if home != SYSTEM_HOME:
        raise click.ClickException(
            f"the machine's services keep their home in {SYSTEM_HOME}, not in {home}: mount a larger disk there,"
            " or use --user"
        )
    shipped, command = _shipped(), str(realm_command())
    units = {**_units_of(shipped, command), **_units_of(shipped / "system", command)}
    for service in [name for name in units if name.endswith(".service")]:
        units[f"{service}.d/40-places.conf"] = _places(service.removeprefix("realm-").removesuffix(".service"))
    others = {name: (shipped / source).read_text() for name, source in OF_THE_MACHINE.items()}
    return _unit_files(Path("/usr/local/lib"), "systemd/system", units, others)


def of_one_person(home: Path) -> UnitFiles:
    """Raises click.ClickException."""
    command = f"{_quoted(realm_command())} --home {_quoted(home).replace('$', '$$')}"  # no $ is seen in the first word
    units = {name: text.replace(AT_BOOT, AT_LOGIN) for name, text in _units_of(_shipped(), command).items()}
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return _unit_files(config, "systemd/user", units, {})


def realm_command() -> Path:
    """`realm` beside this interpreter. Raises click.ClickException."""
    command = Path(sysconfig.get_path("scripts")) / "realm"
    if not command.exists():
        raise click.ClickException(f"{command} does not exist: install realm into {sys.prefix}")
    return command


def _shipped() -> Path:
    installed, checkout = PACKAGE / "systemd", PACKAGE.parent / "systemd"
    for folder in (installed, checkout):
        if folder.is_dir():
            return folder
    raise click.ClickException(f"neither {installed} nor {checkout} exists: install realm again")


def _units_of(folder: Path, command: str) -> dict[str, str]:
    """By name below the folder of units."""
    found = [path for pattern in UNITS for path in folder.glob(pattern)]
    return {path.relative_to(folder).as_posix(): path.read_text().replace(SHIPPED_COMMAND, command) for path in found}


def _places(daemon: str) -> str:
    """Only whole top-level folders are read-only: a mount below one would stand in the way of a rename."""
    written = {place.path.partition("/")[0] for place in PLACES if daemon in place.writers}
    folders = [place.path for place in PLACES if place.kind == "folder" and "/" not in place.path]
    lines = [f"ReadOnlyPaths=-{SYSTEM_HOME}/{folder}\n" for folder in folders if folder not in written]
    return f"# Where the {daemon} writes nothing, by the home's table.\n\n[Service]\n{''.join(lines)}"


def _unit_files(root: Path, folder: str, units: dict[str, str], others: dict[str, str]) -> UnitFiles:
    texts = {**{f"{folder}/{name}": units[name] for name in sorted(units)}, **others}
    return UnitFiles(root, folder, {name: ORIGIN + text for name, text in texts.items()})


def _quoted(path: Path) -> str:
    """As one word of ExecStart=."""
    text = str(path)
    for sign, written in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%")):
        text = text.replace(sign, written)
    return f'"{text}"'
