"""What surrounds a seal."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from realm.arena.battle.sealer import Sealer
from realm.core.config import Seals


@dataclass
class Bytes:
    """A snapshot of nothing but bytes."""

    state: Any
    size: int = 5

    def parts(self) -> dict[str, Iterator[bytes]]:
        return {"weights": iter([b"heavy"])}


def test_what_must_not_be_younger_than_a_seal_comes_first(tmp_path: Path) -> None:
    seen: list[list[str]] = []
    sealer = Sealer(tmp_path, Seals(), 0, before=lambda: seen.append([path.name for path in tmp_path.iterdir()]))
    snapshot: Any = Bytes(SimpleNamespace(campaign=SimpleNamespace(step=7, journal_seq=3)))
    assert sealer.start(snapshot)
    report = sealer.finished(wait=True)
    assert report
    assert report.seal.folder.name == "7-1"
    assert seen == [[]]
