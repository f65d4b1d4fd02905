"""One machine for all system tests: booted, `make install`ed from this checkout, with people on it."""

import os
import time
from collections.abc import Callable, Iterator

import pytest

from tests.system.box import Box
from tests.system.installation import BINDS, install, interpreter

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
    python, reason = interpreter()
    try:
        reason = reason or machine.start(*BINDS)
        if reason:
            (pytest.fail if os.environ.get("REALM_SYSTEM_TESTS") == "required" else pytest.skip)(reason)
        install(machine, python, CONFIG)
        yield machine
        say(f"tests/system took {time.monotonic() - began:.0f} s")
    finally:
        machine.stop()
