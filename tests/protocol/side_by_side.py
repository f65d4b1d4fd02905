"""`python -m tests.protocol` for each fault, all at once: most of a point's time is waited for the tracer."""

import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from tests.protocol.injection import CHECKOUT, FAULTS
from tests.protocol.table import Row


class SideBySide:
    """Processes that begin when it is entered, and end at the latest when it is left."""

    def __init__(self, folder: Path, *words: str):
        self._folder = folder
        self._words = words

    def __enter__(self) -> Self:
        command = [sys.executable, "-B", "-m", "tests.protocol", *self._words]
        self._processes = {
            fault: subprocess.Popen(
                [*command, "--fault", fault, "--json", self._file(fault)],
                cwd=CHECKOUT,
                stdout=(self._folder / f"{fault}.said").open("w"),
                stderr=subprocess.STDOUT,
            )
            for fault in FAULTS
        }
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes.values():
            process.terminate()
            process.wait()

    def wait_for(self, fault: str) -> tuple[list[Row], str, int]:
        """Its rows, what it said, and its exit status. Raises AssertionError if it came to no table."""
        status = self._processes[fault].wait()
        said = (self._folder / f"{fault}.said").read_text()
        assert self._file(fault).exists(), said
        return msgspec.json.decode(self._file(fault).read_bytes(), type=list[Row]), said, status

    def _file(self, fault: str) -> Path:
        return self._folder / f"{fault}.json"
