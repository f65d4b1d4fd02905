"""One machine for all system tests: booted, `make install`ed from this checkout, with people on it."""

import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from realm.cli.units import HIDDEN
from tests.system.box import Box

ROOT = Path(__file__).parents[2]
PIP = "--no-index --no-deps --no-build-isolation"
# So that nobody waits for seals.
CONFIG = '{"threads": 1, "seals": {"minutes": 0.05, "first_minutes": 0.05, "dry_minutes": 0.0}}'


@pytest.fixture(scope="session")
def say(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Prints a figure where pytest itself prints."""
    capture = pytestconfig.pluginmanager.get_plugin("capturemanager")

    def printed(text: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f" {text}", end=" ", flush=True)

    return printed


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory, say: Callable[[str], None]) -> Iterator[Box]:
    """The machine. Skips, or fails where REALM_SYSTEM_TESTS=required, with the reason why there can be none."""
    began = time.monotonic()
    machine = Box(tmp_path_factory.mktemp("system") / f"realm-{os.getpid()}")
    python, reason = _python()
    try:
        reason = reason or machine.start(f"{ROOT}:/src", f"{sysconfig.get_path('purelib')}:/opt/packages")
        if reason:
            (pytest.fail if os.environ.get("REALM_SYSTEM_TESTS") == "required" else pytest.skip)(reason)
        _install(machine, python)
        yield machine
        say(f"tests/system took {time.monotonic() - began:.0f} s")
    finally:
        machine.stop()


def _python() -> tuple[str, str | None]:
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


def _install(machine: Box, python: str) -> None:
    """The packages come from this interpreter's environment, so that nothing is downloaded; all else is real."""
    site = f"/opt/realm/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    machine.sh(f"{python} -m venv --without-pip /opt/realm; echo /opt/packages > {site}/packages.pth")
    machine.install_log = machine.sh(f"umask 077; cd /src; make install PYTHON={python} PIP_OPTIONS='{PIP}'")
    machine.sh("useradd -m -G realm alice; useradd -m bob")
    machine.sh(f"echo '{CONFIG}' > /var/lib/realm/config.json")
