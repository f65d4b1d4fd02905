"""Append-only files of JSON lines, every line of them, and which of them cannot be read."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec

from realm.core.jsonl import rotated

Kind = TypeVar("Kind")


@dataclass
class Lines:
    """Counts what it reads."""

    count: int = 0
    damaged: list[str] = field(default_factory=list)  # FILE, line N: why
    torn: list[Path] = field(default_factory=list)  # files with an end that was never acknowledged

    def of(self, file: Path, kind: type[Kind]) -> Iterator[Kind]:
        """The lines that can be read, oldest first; none if there is no such file."""
        decoder = msgspec.json.Decoder(kind)
        torn: list[str] = []  # a power cut leaves lines with NUL bytes at the end, and nowhere else
        try:
            with file.open("rb") as lines:
                for number, line in enumerate(lines, start=1):
                    where = f"{file}, line {number}"
                    if b"\0" in line or not line.endswith(b"\n"):
                        torn.append(f"{where}: it is torn")
                        continue
                    self.damaged += torn
                    torn.clear()
                    self.count += 1
                    try:
                        decoded = decoder.decode(line)
                    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                        self.damaged.append(f"{where}: {error}")
                        continue
                    yield decoded
        except FileNotFoundError:
            return
        if torn:
            self.torn.append(file)


def generations(folder: Path) -> dict[Path, list[Path]]:
    """Of each daemon's file in the folder, those that were rotated away from it, oldest first, and itself."""
    current = [file for file in sorted(folder.glob("*.jsonl")) if not re.search(r"\.\d+\.jsonl$", file.name)]
    return {file: [*rotated(file), file] for file in current}
