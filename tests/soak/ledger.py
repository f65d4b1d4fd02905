"""The driver's own books: what it dropped and what it did to quests, to be held against the realm's."""

import json
import threading
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

Fate = Literal["trained", "refused", "either"]


@dataclass(frozen=True)
class Drop:
    serial: int
    name: str  # of the file
    way: str  # how it came into the inbox
    fate: Fate  # what must become of it; either: a twin, which depends on when it comes
    sha256: str  # as the realm counts it: of the plain bytes, of a link's target
    at: float  # seconds since 1970, when it was finished


class Ledger:
    """Several threads write it. Every entry is also a line of `file`, for a person to look at."""

    def __init__(self, file: Path):
        self.drops: list[Drop] = []
        self.removed: dict[str, str] = {}  # quest -> its SHA-256: `realm quest rm` said that it is deleted
        self.retried: Counter[str] = Counter()  # quest -> how often `realm quest retry` said that it waits again
        self.damaged: set[str] = set()  # seals that a byte was flipped in
        self.set_aside: set[str] = set()  # damaged ones that the trainer found, and that were then removed
        self.acts: Counter[str] = Counter()
        self.violations: list[str] = []  # seen on the way; the judge adds its own
        self._file = file.open("a", encoding="utf-8")
        self._lock = threading.Lock()

    def dropped(self, drop: Drop) -> None:
        with self._lock:
            self.drops.append(drop)
        self._write("drop", asdict(drop))

    def did(self, act: str, told: str = "") -> None:
        with self._lock:
            self.acts[act] += 1
        self._write(act, told)

    def violation(self, text: str) -> None:
        self.violations.append(text)
        self._write("VIOLATION", text)
        print(f"violation: {text}", flush=True)

    def _write(self, what: str, told: object) -> None:
        with self._lock:
            print(json.dumps({what: told}), file=self._file, flush=True)
