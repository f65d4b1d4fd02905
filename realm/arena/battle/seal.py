"""Seals: durable states that training resumes from. Names and bytes only; what the bytes mean is the caller's.

seals/<step>-<number>/ holds parts and a manifest.json with their SHA-256 and its own, written last. A folder has its
name only when it is whole and synced. The newest two that verify are kept; a bad one is renamed to corrupt-<name> and
kept for a person to look at.
"""

import hashlib
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from realm.core.files import fsync_directory, publish_folder, sha256_of, write_whole

KEPT = 2
MANIFEST = "manifest.json"
NAME = re.compile(r"(\d+)-(\d+)")

BAD = (FileNotFoundError, ValueError, msgspec.MsgspecError)  # what reading a damaged seal raises

Chunks = Iterable[bytes | memoryview]


class Part(Struct, frozen=True, forbid_unknown_fields=True):
    sha256: str
    size: int  # bytes


class Manifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    step: int
    number: int
    journal_seq: int  # the last journal line whose effect is in the seal
    parts: dict[str, Part]
    sha256: str = ""  # of the manifest without it; empty in those of earlier versions


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
    write_whole(staging / MANIFEST, msgspec.json.encode(replace(manifest, sha256=_digest(manifest))))
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
        except BAD as error:
            problems.append(f"{folder.name}: {error}")
            _set_aside(folder)
    return None, problems


def retain(seals: Path) -> list[Manifest]:
    """Removes all but the newest KEPT; returns the manifests of those, oldest first.

    One whose manifest is damaged is set aside and does not count.
    """
    kept: list[Manifest] = []
    for folder in reversed(_by_number(seals)):
        if len(kept) == KEPT:
            doomed = folder.with_name(f".removed-{folder.name}")
            folder.rename(doomed)
            fsync_directory(seals)  # a power cut must not bring it back under its name without its parts
            shutil.rmtree(doomed)
            continue
        try:
            kept.append(_manifest(folder))
        except BAD:
            _set_aside(folder)
    return kept[::-1]


def sweep(seals: Path) -> None:
    """Removes what a kill left half-written or half-removed, and makes durable what it left to the kernel alone."""
    fsync_directory(seals)
    for leftover in seals.glob(".*"):
        shutil.rmtree(leftover)


def _by_number(seals: Path) -> list[Path]:
    named = [(match, path) for path in seals.iterdir() if (match := NAME.fullmatch(path.name))]
    return [path for _, path in sorted(named, key=lambda pair: int(pair[0][2]))]


def _manifest(folder: Path) -> Manifest:
    manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    if manifest.sha256 and manifest.sha256 != _digest(manifest):
        raise ValueError(f"{MANIFEST} does not have its own digest")
    return manifest


def _digest(manifest: Manifest) -> str:
    return hashlib.sha256(msgspec.json.encode(replace(manifest, sha256=""))).hexdigest()


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
