"""How people and daemons steer daemons: flags, holds and orders, all of them files under control/.

A level (.pause, .stop) holds while its file exists, across restarts; no daemon removes one. A one-shot (.skip,
.seal) is removed by the trainer once its identity is in the journal. A hold is a pause that a daemon needs, with
its reason. An order is a JSON file with arguments; its answer appears in done/ under the same name.

People make these files with `touch` and `echo`, in more than one step: a one-shot or an order is taken only when
two looks, a moment apart, see the same file.
"""

import hashlib
import os
import re
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from realm.core.files import fsync_directory, temporary_in, write_whole
from realm.core.json_safe import json_safe
from realm.core.paths import DAEMONS, Home
from realm.core.rename import rename_new

FlagName = Literal["pause", "stop", "skip", "seal"]

FLAGS: tuple[FlagName, ...] = get_args(FlagName)
LEVELS: tuple[FlagName, ...] = ("pause", "stop")
ONE_SHOTS: tuple[FlagName, ...] = ("skip", "seal")

SETTLE = 0.02  # seconds between two looks that must agree
KEPT_ANSWERS = 200  # of each daemon; older ones are deleted

_LONGEST_REASON = 500  # characters
_LONGEST_FILE = 1 << 20  # bytes that are read of anything here
_ORDER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class ControlError(ValueError):
    """A flag, daemon or order that does not exist or is not allowed."""


@dataclass(frozen=True)
class Flag:
    """A flag that is up. `identity` tells this placing of it from every other."""

    name: FlagName
    identity: str
    placed_at: datetime
    reason: str


@dataclass(frozen=True)
class Hold:
    daemon: str  # who needs the pause
    placed_at: datetime
    reason: str


class OrderText(Struct, frozen=True, forbid_unknown_fields=True):
    """What the file of an order holds."""

    action: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}\Z")]
    arguments: dict[str, Any] = {}


@dataclass(frozen=True)
class Order:
    daemon: str  # who is to carry it out
    id: str  # the file's name without .json
    path: Path
    identity: str
    action: str
    arguments: dict[str, Any]


class Answer(Struct, frozen=True, kw_only=True):
    """What done/<id>.json holds: `result`, or the `error` that says why there is none."""

    id: str
    order: str  # identity of the order's file: an id may be used again
    answered_at: datetime
    action: str  # empty if the order could not be read
    result: Any = None
    error: str | None = None
    problems: list[str] = []  # why numbers in `result` are null


@dataclass(frozen=True)
class Control:
    """The folder control/ of a home."""

    home: Home
    wait: Callable[[float], object] = time.sleep  # seconds, between two looks

    # Flags

    def flag(self, name: FlagName) -> Flag | None:
        """The flag if it is up. Takes a moment (20 ms) for a one-shot that is."""
        path = self._flag_path(name)
        found = _look(path) if name in LEVELS else _look_twice(path, self.wait)
        if found is None or (name in ONE_SHOTS and found.is_folder):  # a folder could not be lowered
            return None
        return Flag(name, found.identity, found.changed_at, _first_line(found.content))

    def raise_flag(self, name: FlagName, reason: str = "") -> None:
        """Durably puts a flag up; one that is up already stays as it was placed."""
        path = self._flag_path(name)
        whole = temporary_in(self.home.control)
        write_whole(whole, _reason_line(reason))
        try:
            rename_new(whole, path)
        except FileExistsError:
            whole.unlink()
        except OSError:
            whole.unlink()
            raise
        fsync_directory(self.home.control)

    def lower(self, flag: Flag) -> bool:
        """Durably removes a one-shot the journal has; False if it was placed again meanwhile, or is gone.

        Two seals later the journal forgets its identity: if a power cut brought it back then, it would be obeyed again.
        """
        if flag.name not in ONE_SHOTS:
            raise ControlError(f".{flag.name} is a level: only a person's act removes it")
        lowered = _unlink_if_same(self._flag_path(flag.name), flag.identity)
        fsync_directory(self.home.control)
        return lowered

    def resume(self) -> list[Flag]:
        """A person's act, never a daemon's own: removes .pause and .stop; returns those that were up."""
        lifted = [flag for name in LEVELS if (flag := self.flag(name))]
        for flag in lifted:
            _remove(self._flag_path(flag.name))
        fsync_directory(self.home.control)
        return lifted

    # Holds

    def place_hold(self, daemon: str, reason: str) -> None:
        """Durably holds the trainer; a hold that is there with the same reason stays as it was placed."""
        path = self.home.holds / _checked_daemon(daemon)
        found = _look(path)
        if found is None or found.content != _reason_line(reason):
            write_whole(path, _reason_line(reason))
        fsync_directory(self.home.holds)  # a kill may have come before that of the first time

    def lift_hold(self, daemon: str) -> None:
        """Ends a daemon's hold; quiet if it has none."""
        (self.home.holds / _checked_daemon(daemon)).unlink(missing_ok=True)
        fsync_directory(self.home.holds)

    def holds(self) -> list[Hold]:
        """Every hold, by name: whatever lies there holds, also under a name that is no daemon's."""
        looks = [(path.name, _look(path)) for path in sorted(self.home.holds.iterdir()) if _is_public(path)]
        return [Hold(name, found.changed_at, _first_line(found.content)) for name, found in looks if found]

    # Orders

    def place_order(self, daemon: str, action: str, arguments: dict[str, Any] | None = None) -> str:
        """Durably gives an order; returns its id, which sorts by time."""
        try:
            order = msgspec.convert({"action": action, "arguments": arguments or {}}, OrderText)
        except msgspec.ValidationError as error:
            raise ControlError(f"order to {daemon}: {error}") from None
        order_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{os.urandom(4).hex()}"
        write_whole(self._orders(daemon) / f"{order_id}.json", msgspec.json.encode(order))
        return order_id

    def next_order(self, daemon: str) -> Order | None:
        """The first order by name. What is no order is answered with an error; what was answered is cleared."""
        for path in sorted(self._orders(daemon).glob("*.json")):
            order = self._read_order(daemon, path) if _is_public(path) else None
            if order:
                return order
        return None

    def answer(self, order: Order, result: Any = None) -> None:
        """Says that an order was carried out, then clears it. Again is harmless."""
        safe, problems = json_safe(result)
        self._finish(order, result=safe, problems=problems)

    def refuse(self, order: Order, error: str) -> None:
        """Says why an order was not carried out, then clears it. Again is harmless."""
        self._finish(order, error=error)

    def answer_to(self, daemon: str, order_id: str) -> Answer | None:
        """The answer to an order; None while there is none."""
        if not _ORDER_ID.fullmatch(order_id):
            raise ControlError(f"{order_id!r} is no order's id")
        try:
            content = (self._orders(daemon) / "done" / f"{order_id}.json").read_bytes()
            return msgspec.json.decode(content, type=Answer)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    # How

    def _flag_path(self, name: FlagName) -> Path:
        if name not in FLAGS:
            raise ControlError(f"{name!r} is no flag: {', '.join(FLAGS)}")
        return self.home.control / f".{name}"

    def _orders(self, daemon: str) -> Path:
        return self.home.orders / _checked_daemon(daemon)

    def _read_order(self, daemon: str, path: Path) -> Order | None:
        """None for what is answered here, at once; only folders and half-made files are left lying."""
        found = _look_twice(path, self.wait)
        if found is None or found.is_folder:
            return None
        order = Order(daemon, _order_id(path.name), path, found.identity, "", {})
        earlier = self.answer_to(daemon, order.id)
        if earlier and earlier.order == found.identity:  # a kill came between the answer and its clearing
            fsync_directory(path.parent / "done")
            _unlink_if_same(path, found.identity)
            return None
        try:
            text = _parse_order(path.name, found.content)
        except ControlError as error:
            self.refuse(order, f"{path.name!r}: {error}")
            return None
        return replace(order, action=text.action, arguments=text.arguments)

    def _finish(self, order: Order, **outcome: Any) -> None:
        """The answer first: a kill before the clearing is mended by the next look."""
        answer = Answer(
            id=order.id, order=order.identity, action=order.action, answered_at=datetime.now(UTC), **outcome
        )
        done = self._orders(order.daemon) / "done"
        write_whole(done / f"{order.id}.json", msgspec.json.encode(answer))
        _unlink_if_same(order.path, order.identity)
        fsync_directory(order.path.parent)  # an order that came back after its answer was deleted would be obeyed again
        _keep_newest(done, KEPT_ANSWERS)


# Looking at one path


@dataclass(frozen=True)
class _Look:
    identity: str  # inode and ctime in nanoseconds: inode numbers are used again, ctimes are not
    changed_at: datetime
    is_folder: bool
    content: bytes | None  # of a regular file; None if it may not be read


def _look(path: Path) -> _Look | None:
    try:
        seen = path.lstat()
        content = _read(path) if stat.S_ISREG(seen.st_mode) else b""
    except FileNotFoundError:
        return None
    changed_at = datetime.fromtimestamp(seen.st_ctime_ns / 1e9, UTC)
    return _Look(_identity(seen), changed_at, stat.S_ISDIR(seen.st_mode), content)


def _look_twice(path: Path, wait: Callable[[float], object]) -> _Look | None:
    """What lies there and rests; None while it is still being made."""
    found = _look(path)
    for _ in range(5):
        if found is None:
            break
        wait(SETTLE)
        again = _look(path)
        if again == found:
            return found
        found = again
    return None


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST_FILE)
    except PermissionError:
        return None


def _identity(seen: os.stat_result) -> str:
    return f"{seen.st_ino}-{seen.st_ctime_ns}"


def _unlink_if_same(path: Path, identity: str) -> bool:
    try:
        if _identity(path.lstat()) != identity:
            return False
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def _is_public(path: Path) -> bool:
    return not path.name.startswith(".") and not path.name.endswith((".tmp", ".part", "~"))


def _keep_newest(folder: Path, count: int) -> None:
    files = sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime_ns)
    for file in files[:-count]:
        file.unlink(missing_ok=True)


# What the files say


def _reason_line(reason: str) -> bytes:
    line = _first_line(reason.encode("utf-8", "backslashreplace"))
    return f"{line}\n".encode() if line else b""


def _first_line(content: bytes | None) -> str:
    text = (content or b"").partition(b"\n")[0].decode("utf-8", "replace")
    return text.strip()[:_LONGEST_REASON]


def _parse_order(file_name: str, content: bytes | None) -> OrderText:
    """Raises ControlError with a text that tells how to mend the file."""
    if not _ORDER_ID.fullmatch(file_name.removesuffix(".json")):
        raise ControlError("an order's file is named with at most 100 letters, digits, dots, hyphens, underscores")
    if content is None:
        raise ControlError("the daemon may not read it: chmod a+r")
    try:
        return msgspec.json.decode(content, type=OrderText)
    except msgspec.DecodeError as error:
        raise ControlError(f'expected {{"action": "...", "arguments": {{...}}}}: {error}') from None


def _order_id(file_name: str) -> str:
    """The id becomes the name of the answer; a file name that cannot be an id is answered under its hash."""
    stem = file_name.removesuffix(".json")
    if _ORDER_ID.fullmatch(stem):
        return stem
    return f"misnamed-{hashlib.sha256(os.fsencode(stem)).hexdigest()[:16]}"


def _checked_daemon(name: str) -> str:
    if name not in DAEMONS:
        raise ControlError(f"{name!r} is no daemon: {', '.join(DAEMONS)}")
    return name
