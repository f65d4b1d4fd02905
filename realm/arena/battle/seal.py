"""Seals: durable states that training resumes from. Names and bytes only; what the bytes mean is the caller's.

seals/<step>-<number>/ holds parts and a manifest.json with their SHA-256, written last. A folder has its name only
when it is whole and synced. The newest two that verify are kept; a bad one is renamed to corrupt-<name> and kept for
a person to look at.
"""

import hashlib
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct

from realm.core.files import publish_folder, sha256_of, write_whole

KEPT = 2
MANIFEST = "manifest.json"
NAME = re.compile(r"(\d+)-(\d+)")

Chunks = Iterable[bytes | memoryview]


class Part(Struct, frozen=True):
    sha256: str
    size: int  # bytes


class Manifest(Struct, frozen=True, kw_only=True):
    step: int
    number: int
    journal_seq: int  # the last journal line whose effect is in the seal
    parts: dict[str, Part]


@dataclass(frozen=True)
class Seal:
    """A verified seal."""

    folder: Path
    manifest: Manifest

    @property
    def step(self) -> int:
        return self.manifest.step

    @property
    def number(self) -> int:
        return self.manifest.number

    @property
    def size(self) -> int:
        return sum(part.size for part in self.manifest.parts.values())

    def path(self, part: str) -> Path:
        return self.folder / part


def write_seal(seals: Path, step: int, number: int, journal_seq: int, parts: Mapping[str, Chunks]) -> Seal:
    """Writes a seal whole or not at all. Numbers grow by one from seal to seal and are never used twice.

    Raises OSError (a full disk among them); what was begun is removed by the next call of `sweep`.
    """
    folder = seals / f"{step}-{number}"
    staging = seals / f".{folder.name}"
    staging.mkdir()
    written = {name: _write(staging / name, chunks) for name, chunks in parts.items()}
    manifest = Manifest(step=step, number=number, journal_seq=journal_seq, parts=written)
    write_whole(staging / MANIFEST, msgspec.json.encode(manifest))
    publish_folder(staging, folder)
    return Seal(folder, manifest)


def _write(path: Path, chunks: Chunks) -> Part:
    digest, size = hashlib.sha256(), 0
    with path.open("xb") as file:
        for chunk in chunks:
            digest.update(chunk)
            size += file.write(chunk)
    return Part(digest.hexdigest(), size)


def newest_verified(seals: Path) -> tuple[Seal | None, list[str]]:
    """(the newest seal whose parts have their digests, why newer ones do not). Bad ones are set aside.

    Raises OSError for one that cannot be read now: it may be good.
    """
    problems: list[str] = []
    for folder in reversed(_by_number(seals)):
        try:
            return _verified(folder), problems
        except (FileNotFoundError, ValueError, msgspec.MsgspecError) as error:
            problems.append(f"{folder.name}: {error}")
            _set_aside(folder)
    return None, problems


def retain(seals: Path) -> list[Manifest]:
    """Removes all but the newest KEPT; returns the manifests of those, oldest first."""
    folders = _by_number(seals)
    for folder in folders[:-KEPT]:
        doomed = folder.with_name(f".removed-{folder.name}")
        folder.rename(doomed)
        shutil.rmtree(doomed)
    return [_manifest(folder) for folder in folders[-KEPT:]]


def sweep(seals: Path) -> None:
    """Removes what a kill left half-written or half-removed."""
    for leftover in seals.glob(".*"):
        shutil.rmtree(leftover)


def _by_number(seals: Path) -> list[Path]:
    named = [(match, path) for path in seals.iterdir() if (match := NAME.fullmatch(path.name))]
    return [path for _, path in sorted(named, key=lambda pair: int(pair[0][2]))]


def _manifest(folder: Path) -> Manifest:
    return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)


def _verified(folder: Path) -> Seal:
    manifest = _manifest(folder)
    for name, part in manifest.parts.items():
        if sha256_of(folder / name) != part.sha256:
            raise ValueError(f"{name} does not have the digest of its manifest")
    return Seal(folder, manifest)


def _set_aside(folder: Path) -> None:
    target = folder.with_name(f"corrupt-{folder.name}")
    if target.exists():
        shutil.rmtree(target)
    folder.rename(target)
