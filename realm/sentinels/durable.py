"""What of the battle is durable, read without changing anything, also while the trainer writes it.

Seals and journal are written by realm/arena/battle/; here they are read from their bytes alone, as an auditor does:
a fault in the code that writes them is not repeated.
"""

import hashlib
import re
import zlib
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from realm.core.files import sha256_of

MANIFEST = "manifest.json"
SEAL_NAME = re.compile(r"(\d+)-(\d+)")


class Part(Struct, frozen=True):
    sha256: str
    size: int  # bytes


class Manifest(Struct, frozen=True, kw_only=True):
    step: int
    number: int
    journal_seq: int  # the last journal line whose effect is in the seal
    parts: dict[str, Part]
    sha256: str = ""  # of the manifest's bytes without it; earlier versions wrote none

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts.values())


class Seal(NamedTuple):
    """A folder below seals/. `manifest` is None if it cannot be read; `problem` says why training cannot resume."""

    folder: Path
    manifest: Manifest | None
    problem: str | None


def seals(folder: Path, *, deep: bool = False) -> list[Seal]:
    """Newest first. `deep` reads every byte, otherwise names and sizes are compared."""
    named = [(match, path) for path in folder.iterdir() if (match := SEAL_NAME.fullmatch(path.name))]
    newest_first = [path for _, path in sorted(named, key=lambda pair: int(pair[0][2]), reverse=True)]
    looks = [_look(path, deep=deep) for path in newest_first]
    return [seal for seal in looks if seal.folder.exists()]  # the trainer may have removed an older one meanwhile


def newest_whole(folder: Path, *, deep: bool = False) -> Manifest | None:
    """Of the seal that training would resume from; its bytes are read only if `deep`."""
    return next((seal.manifest for seal in seals(folder, deep=deep) if seal.problem is None), None)


def _look(folder: Path, *, deep: bool) -> Seal:
    try:
        content = (folder / MANIFEST).read_bytes()
        manifest = msgspec.json.decode(content, type=Manifest)
        problems = [
            problem for name, part in manifest.parts.items() if (problem := _differs(folder / name, part, deep))
        ]
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        return Seal(folder, None, str(error))
    unsigned = content.replace(b'"%s"' % manifest.sha256.encode(), b'""')
    if manifest.sha256 and hashlib.sha256(unsigned).hexdigest() != manifest.sha256:
        return Seal(folder, None, f"{MANIFEST} does not have its own digest")
    return Seal(folder, manifest, "; ".join(problems) or None)


def _differs(file: Path, part: Part, deep: bool) -> str | None:
    size = file.stat().st_size
    if size != part.size:
        return f"{file.name} has {size:,} bytes, its manifest says {part.size:,}"
    if deep and sha256_of(file) != part.sha256:
        return f"{file.name} does not have the digest of its manifest"
    return None


# The journal


class JournalHole(ValueError):
    """Lines are missing in the middle."""


class Decision(Struct):
    """One line."""

    seq: int
    kind: str
    data: dict[str, Any] = {}


class Lines(NamedTuple):
    """Which lines a journal holds: from `first` to `last`, none if that is smaller."""

    first: int
    last: int


def journal_lines(folder: Path) -> Lines | None:
    """None if there is no segment. Raises JournalHole, OSError."""
    journal = read_journal(folder)
    return journal and Lines(journal[0], journal[0] + len(journal[1]) - 1)


def read_journal(folder: Path) -> tuple[int, list[Decision]] | None:
    """The number of its first line, and its lines; None if there is no segment.

    A torn tail is no fault, nobody was told of it. Raises JournalHole, OSError.
    """
    segments = sorted(folder.glob("[0-9]*.log"))
    contents: dict[Path, bytes] = {}
    for segment in reversed(segments):  # newest first: what the trainer appends meanwhile makes no hole
        try:
            contents[segment] = segment.read_bytes()
        except FileNotFoundError:  # a seal has just made it needless
            break
    present = [segment for segment in segments if segment in contents]
    if not present:
        return None
    first = int(present[0].stem)
    decisions: list[Decision] = []
    for segment in present:
        expected = first + len(decisions)
        if int(segment.stem) != expected:
            raise JournalHole(f"{segment.name}: the lines {expected} to {int(segment.stem) - 1} are missing")
        decisions += _whole_lines(segment.name, contents[segment], expected)
    return first, decisions


def _whole_lines(name: str, content: bytes, first: int) -> list[Decision]:
    """Those that a segment begins with. Raises JournalHole for one behind a damaged one."""
    texts = content.split(b"\n")[:-1]
    whole = [line for line in takewhile(lambda line: line is not None, map(_decision, texts)) if line]
    behind = [text.strip(b"\0") for text in texts[len(whole) :]]
    if any(_decision(text) is not None for text in behind):
        raise JournalHole(f"{name}: line {first + len(whole)} is damaged, with whole lines behind it")
    if [line.seq for line in whole] != list(range(first, first + len(whole))):
        raise JournalHole(f"{name}: its lines are not those from {first} on")
    return whole


def _decision(text: bytes) -> Decision | None:
    """Of a whole line: `crc32 json`; None for any other bytes."""
    crc, _, body = text.partition(b" ")
    if crc != b"%08x" % zlib.crc32(body):
        return None
    return msgspec.json.decode(body, type=Decision)
