"""What the sentinels' tests begin with."""

import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from realm.core.paths import Home
from realm.sentinels.finding import Finding
from realm.sentinels.health_inspector import inspect
from realm.sentinels.patient import Patient

HOMES = Path(__file__).parent / "homes"
DAEMONS = ("trainer", "queue-watcher")

Unpack = Callable[[str], Home]


@pytest.fixture
def unpack(tmp_path: Path) -> Unpack:
    """A home that an older version made: `<commit>-ended` or `<commit>-killed`."""

    def unpacked(name: str) -> Home:
        with tarfile.open(HOMES / f"{name}.tar.xz") as tar:
            tar.extractall(tmp_path / name, filter="fully_trusted")  # modes as they were
        return Home(tmp_path / name / "home")

    return unpacked


@pytest.fixture
def home(unpack: Unpack) -> Home:
    """A whole home with a tiny hero; two quests were trained, one refused, and the daemons ended as they were told."""
    return unpack("9f70af8-ended")


def examined(home: Home, **how: bool) -> dict[str, list[Finding]]:
    return inspect(Patient(home, DAEMONS, datetime.now(UTC), **how))


def of(home: Home, severity: str, **how: bool) -> list[Finding]:
    """Findings of one severity."""
    return [one for found in examined(home, **how).values() for one in found if one.severity == severity]


def troubles(home: Home, **how: bool) -> list[str]:
    return [one.what for one in of(home, "trouble", **how)]


def notes(home: Home, **how: bool) -> list[str]:
    return [one.what for one in of(home, "note", **how)]


def fines(home: Home, **how: bool) -> list[str]:
    return [one.what for one in of(home, "fine", **how)]
