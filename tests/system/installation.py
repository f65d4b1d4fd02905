"""Puts this checkout onto a box's machine, as `make install` does, with people on it."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from realm.cli.units import HIDDEN
from tests.system.box import Box

ROOT = Path(__file__).parents[2]
BINDS = (f"{ROOT}:/src", f"{sysconfig.get_path('purelib')}:/opt/packages")  # what the box must be started with
PIP = "--no-index --no-deps --no-build-isolation"


def interpreter() -> tuple[str, str | None]:
    """An interpreter for the services that can load the packages of this one, and else why there is none."""
    if os.geteuid() != 0:
        return "", "system tests boot a systemd of their own: run them as root"
    ours = os.path.realpath(sys.executable)
    python = "/usr/bin/python3" if ours.startswith(tuple(f"{folder}/" for folder in HIDDEN)) else ours
    tell = "import ensurepip, sys; print('{}.{}'.format(*sys.version_info))"
    told = subprocess.run([python, "-c", tell], capture_output=True, text=True)
    wanted = "{}.{}".format(*sys.version_info)
    if told.stdout.strip() != wanted:
        return "", f"system tests need {python} to be Python {wanted} with venv: {told.stdout or told.stderr}"
    return python, None


def install(machine: Box, python: str, config: str) -> None:
    """The packages come from this interpreter's environment, so that nothing is downloaded; all else is real."""
    site = f"/opt/realm/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    machine.sh(f"{python} -m venv --without-pip /opt/realm; echo /opt/packages > {site}/packages.pth")
    machine.install_log = machine.sh(f"umask 077; cd /src; make install PYTHON={python} PIP_OPTIONS='{PIP}'")
    machine.sh("useradd -m -G realm alice; useradd -m bob")
    machine.sh(f"echo '{config}' > /var/lib/realm/config.json")
