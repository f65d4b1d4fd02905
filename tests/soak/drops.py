"""How drops come into the inbox: every way a person or a program would choose, several at a time."""

import errno
import gzip
import hashlib
import os
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import zstandard

from tests.soak import contents
from tests.soak.ledger import Drop, Fate, Ledger
from tests.soak.machine import Machine

FOLDERS = ("", "", "high", "normal", "low", "low")
STRANGE_NAMES = ("a name with spaces-{}", "-begins-with-a-dash-{}", "Ünï©ode-{}", "line\nbreak-{}", "{}-" + "long" * 40)
MEANWHILE = 6  # drops at the same time: slow writers take seconds


@dataclass(frozen=True)
class Content:
    """What is dropped. `bytes` may be packed, `sha256` is of the plain ones."""

    serial: int
    name: str
    bytes: bytes
    sha256: str
    fate: Fate


Way = Callable[[Content, Path, random.Random], None]


class Dropper:
    """Drops by itself from `begin` to `end`, at moments and in ways that `seed` decides."""

    def __init__(self, machine: Machine, ledger: Ledger, seed: int, per_minute: float):
        self._machine, self._ledger = machine, ledger
        self._chance = random.Random(f"drops {seed}")
        self._pause = 60 / per_minute
        self._serials = count(1)
        self._kept: list[Content] = []  # good ones, to drop twins of
        self._pool = ThreadPoolExecutor(MEANWHILE, thread_name_prefix="drop")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dropper", daemon=True)
        self._ways: tuple[tuple[int, Way], ...] = (
            (24, self.copied),
            (24, self.moved),
            (8, self.written_slowly),
            (8, self.in_a_folder),
            (12, self.with_sidecar),
            (4, self.with_late_sidecar),
            (4, self.linked_hard),
            (3, self.private_at_first),
            (3, self.by_command),
        )
        self.hidden.mkdir(exist_ok=True)

    @property
    def hidden(self) -> Path:
        """Dot-named: nobody's business but its writer's. One rename from the inbox."""
        return self._machine.home.inbox / ".soak"

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Every drop that was begun is finished on return."""
        self._over.set()
        self._thread.join()
        self._pool.shutdown()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._over.wait(max(0.0, due - time.monotonic())):
            self.drop_one()
            due += self._chance.expovariate(1 / self._pause)

    def drop_one(self) -> None:
        """In a thread of its own."""
        chance = random.Random(self._chance.random())
        content, roll = self.content(), chance.random()
        if roll < 0.02:
            self._pool.submit(self._tried, self.as_link, content, chance)
        elif roll < 0.05 and content.fate == "trained":
            self._pool.submit(self._tried, self.with_bad_sidecar, content, chance)
        else:
            way = chance.choices([way for _, way in self._ways], [weight for weight, _ in self._ways])[0]
            self._pool.submit(self._tried, way, content, chance)

    def _tried(
        self, way: Callable[[Content, Path, random.Random], None], content: Content, chance: random.Random
    ) -> None:
        folder = self._machine.home.inbox / chance.choice(FOLDERS)
        try:
            way(content, folder, chance)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                self._ledger.did("drop given up on a full disk")
            else:
                self._ledger.violation(f"the driver could not drop {content.name!r}: {error}")
        except Exception as error:  # noqa: BLE001 - a thread of the pool would swallow it
            self._ledger.violation(f"the driver could not drop {content.name!r}: {error!r}")

    # What

    def content(self) -> Content:
        chance, serial = self._chance, next(self._serials)
        roll = chance.random()
        if roll < 0.06:
            data, suffix = contents.bad(serial, chance)
            return Content(serial, f"bad-{serial}{suffix}", data, _digest(data), "refused")
        if roll < 0.10 and self._kept:
            twin = chance.choice(self._kept[-40:])
            return Content(serial, f"twin-{serial}.jsonl", twin.bytes, twin.sha256, "either")
        data = contents.good(serial, chance)
        stem = chance.choice(STRANGE_NAMES).format(serial) if roll > 0.95 else f"quest-{serial}"
        plain = Content(serial, f"{stem}.jsonl", data, _digest(data), "trained")
        self._kept.append(plain)
        if 0.10 <= roll < 0.25:
            return Content(serial, f"{stem}.jsonl.gz", gzip.compress(data), plain.sha256, "trained")
        if 0.25 <= roll < 0.40:
            packed = zstandard.ZstdCompressor().compress(data)
            return Content(serial, f"{stem}.jsonl.zst", packed, plain.sha256, "trained")
        return plain

    # Ways. Each ends with an entry in the ledger, or raises and leaves nothing behind.

    def copied(self, content: Content, folder: Path, chance: random.Random) -> None:
        """As `cp`: under its own name while it is written."""
        self._write(folder / content.name, content, chance, pieces=1)
        self._enter(content, "copied")

    def written_slowly(self, content: Content, folder: Path, chance: random.Random) -> None:
        self._write(folder / content.name, content, chance, pieces=chance.randint(2, 4))
        self._enter(content, "written slowly")

    def moved(self, content: Content, folder: Path, chance: random.Random) -> None:
        """As `mv` on the same disk."""
        self.prepared(content, chance).rename(folder / content.name)
        self._enter(content, "moved")

    def in_a_folder(self, content: Content, folder: Path, chance: random.Random) -> None:
        inner = folder / f"batch-{content.serial}" / "part one"
        inner.mkdir(parents=True)
        self._write(inner / content.name, content, chance, pieces=1)
        self._enter(content, "in a folder")

    def with_sidecar(self, content: Content, folder: Path, chance: random.Random) -> None:
        ready = self.prepared(content, chance)
        self._moved_sidecar(content, folder, contents.sidecar(content.serial, chance))
        ready.rename(folder / content.name)
        self._enter(content, "with a sidecar")

    def with_late_sidecar(self, content: Content, folder: Path, chance: random.Random) -> None:
        """As rsync does: it is there under another name, and gets its own after the drop."""
        ready = self.prepared(content, chance)
        beside = folder / f"{content.name}.meta.json"
        temporary = folder / f".{content.name}.meta.json.Ab3d"
        _whole(temporary, contents.sidecar(content.serial, chance))
        ready.rename(folder / content.name)
        time.sleep(chance.uniform(0.3, 1.5))
        temporary.rename(beside)
        self._enter(content, "with a late sidecar")

    def with_bad_sidecar(self, content: Content, folder: Path, chance: random.Random) -> None:
        ready = self.prepared(content, chance)
        self._moved_sidecar(content, folder, b'{"epochs": "many"}')
        ready.rename(folder / content.name)
        self._enter(content, "with a bad sidecar", "refused")

    def linked_hard(self, content: Content, folder: Path, chance: random.Random) -> None:
        ready = self.prepared(content, chance)
        (folder / content.name).hardlink_to(ready)
        self._enter(content, "linked hard")
        time.sleep(chance.uniform(0.0, 3.0))
        ready.unlink()

    def private_at_first(self, content: Content, folder: Path, chance: random.Random) -> None:
        """Another user's, who moved it in before anybody else may read it."""
        ready = self.prepared(content, chance)
        ready.chmod(0o600)
        os.chown(ready, self._machine.users["bob"], self._machine.users["bob"])
        target = folder / content.name
        ready.rename(target)
        time.sleep(chance.uniform(0.5, 2.0))
        target.chmod(0o644)
        self._enter(content, "private at first")

    def as_link(self, content: Content, folder: Path, chance: random.Random) -> None:
        to = f"/srv/elsewhere-{content.serial}.jsonl"
        (folder / content.name).symlink_to(to)
        self._ledger.dropped(_drop(content, "as a link", "refused", _digest(os.fsencode(to))))

    def by_command(self, content: Content, folder: Path, chance: random.Random) -> None:
        source = self._machine.yard / content.name
        source.write_bytes(content.bytes)
        told = self._machine.realm(f"quest drop --priority low -- {_quoted(self._machine.inside(source))}", "alice")
        source.unlink()
        if "📥" in told:
            self._enter(content, "by command")
        else:
            self._ledger.did("drop that the command refused", told)

    def prepared(self, content: Content, chance: random.Random) -> Path:
        """Whole, on the same disk, and not in the inbox yet."""
        path = self.hidden / f"{content.serial}"
        self._write(path, content, chance, pieces=1)
        return path

    def released(self, ready: Path, content: Content) -> None:
        ready.rename(self._machine.home.inbox / content.name)
        self._enter(content, "moved on a full disk")

    # How

    def _moved_sidecar(self, content: Content, folder: Path, text: bytes) -> None:
        ready = self.hidden / f"{content.serial}.meta.json"
        _whole(ready, text)
        ready.rename(folder / f"{content.name}.meta.json")

    def _write(self, path: Path, content: Content, chance: random.Random, pieces: int) -> None:
        """On a full disk it is removed before it is closed, so that nobody takes half of it."""
        size = -(-len(content.bytes) // pieces)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o664)
        try:
            if chance.random() < 0.5:
                os.fchown(file, self._machine.users["alice"], self._machine.group)
            for start in range(0, len(content.bytes), max(1, size)):
                if start:
                    time.sleep(chance.uniform(0.3, 1.2))
                _write_all(file, content.bytes[start : start + size])
        except OSError:
            path.unlink()
            raise
        finally:
            os.close(file)

    def _enter(self, content: Content, way: str, fate: Fate | None = None) -> None:
        self._ledger.dropped(_drop(content, way, fate or content.fate, content.sha256))


def _drop(content: Content, way: str, fate: Fate, sha256: str) -> Drop:
    return Drop(content.serial, content.name, way, fate, sha256, time.time())


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def _whole(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError:
        with suppress(FileNotFoundError):
            path.unlink()
        raise


def _quoted(path: str) -> str:
    return "'" + path.replace("'", "'\\''") + "'"
