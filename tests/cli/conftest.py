"""What every test of the CLI begins with."""

from pathlib import Path

import pytest

from realm.core.paths import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A whole home without a hero."""
    made = Home(tmp_path / "home")
    made.create()
    return made
