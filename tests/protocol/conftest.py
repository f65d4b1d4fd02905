"""Where this suite keeps its many small homes."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.protocol.injection import MEMORY


@pytest.fixture
def memory_path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)
