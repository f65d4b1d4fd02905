"""Faults that a test injects into a daemon from within: what no kill from outside can place.

A test writes `before=hook("die_at(7)")`; the daemon's process calls the function before its main.
"""

import datetime as datetime_module
import itertools
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[2]
DIED = 9  # exit status of a process that a hook ends


def hook(*calls: str) -> str:
    """Python for `realm_home.start(before=...)`."""
    words = "; ".join(f"hooks.{call}" for call in calls)
    return f"import sys; sys.path.insert(0, {str(CHECKOUT)!r}); from tests.disasters import hooks; {words}; "


def wrap(owner: Any, name: str, act: Callable[..., Any]) -> None:
    """`owner.name(...)` becomes `act(real, ...)`."""
    real = getattr(owner, name)
    setattr(owner, name, lambda *args, **more: act(real, *args, **more))


# Training


def seal_at(*steps: int) -> None:
    """A seal of exactly these steps, durable before the next one."""
    from realm.arena.training import Trainer

    left = set(steps)

    def turn(real: Any, trainer: Any) -> None:
        real(trainer)
        if trainer.in_memory and trainer.fight.campaign.step in left and not trainer.fight.replay:
            left.discard(trainer.fight.campaign.step)
            trainer._seal()

    wrap(Trainer, "turn", turn)


def die_at(step: int) -> None:
    """Killed when it begins this step."""

    def train(real: Any, engine: Any, number: int, passes: Any) -> Any:
        return os._exit(DIED) if number == step else real(engine, number, passes)

    _wrap_step(train)


def hold_at(step: int, gate: str) -> None:
    """Stands still before this step until the file `gate` is there."""

    def train(real: Any, engine: Any, number: int, passes: Any) -> Any:
        if number == step:
            print(f"held at step {step}", flush=True)
            while not Path(gate).exists():
                time.sleep(0.01)
        return real(engine, number, passes)

    _wrap_step(train)


def die_of_line(line: int) -> None:
    """An example that kills the process whenever it is trained."""

    def train(real: Any, engine: Any, number: int, passes: Any) -> Any:
        deadly = any(example.line == line for one in passes for example in one)
        return os._exit(DIED) if deadly else real(engine, number, passes)

    _wrap_step(train)


def no_number_of_lines(*lines: int) -> None:
    """The gradients of steps that hold one of these lines are not numbers."""
    from realm.arena.battle.engine import Engine

    def loss(real: Any, engine: Any, examples: Any, backward_scale: float | None) -> float:
        bad = backward_scale is not None and any(example.line in lines for example in examples)
        return float(real(engine, examples, backward_scale and backward_scale * (math.nan if bad else 1)))

    wrap(Engine, "_pass_loss", loss)


def memory_of(tokens: int, from_step: int = 1) -> None:
    """A device that cannot hold a pass of more padded tokens than this."""
    import torch

    from realm.arena.battle.engine import Engine

    at = [0]

    def train(real: Any, engine: Any, number: int, passes: Any) -> Any:
        at[0] = number
        return real(engine, number, passes)

    def loss(real: Any, engine: Any, examples: Any, backward_scale: float | None) -> float:
        padded = len(examples) * max(len(example.ids) for example in examples)
        if backward_scale is not None and at[0] >= from_step and padded > tokens:
            raise torch.OutOfMemoryError(f"a test has memory for {tokens} tokens a pass")
        print(f"pass of step {at[0]}: {padded}", flush=True)
        return float(real(engine, examples, backward_scale))

    _wrap_step(train)
    wrap(Engine, "_pass_loss", loss)


def no_memory_for_line(line: int) -> None:
    """A device that cannot hold this example, alone or not."""
    import torch

    def loss(real: Any, engine: Any, examples: Any, backward_scale: float | None) -> Any:
        if backward_scale is not None and any(example.line == line for example in examples):
            raise torch.OutOfMemoryError("a test has no memory for this example")
        return real(engine, examples, backward_scale)

    from realm.arena.battle.engine import Engine

    wrap(Engine, "_pass_loss", loss)


def die_after_line(kind: str, count: int = 1) -> None:
    """Killed when the journal's `count`th line of this kind is durable and nothing has come of it yet."""
    from realm.arena.battle.journal import Journal

    seen = itertools.count(1)

    def append(real: Any, journal: Any, line_kind: str, at: Any, **data: Any) -> Any:
        line = real(journal, line_kind, at, **data)
        if line_kind == kind and next(seen) == count:
            os._exit(DIED)
        return line

    wrap(Journal, "append", append)


def count_snapshots() -> None:
    from realm.arena.battle.engine import Engine

    def snapshot(real: Any, engine: Any, state: Any) -> Any:
        print("a snapshot is taken", flush=True)
        return real(engine, state)

    wrap(Engine, "snapshot", snapshot)


def _wrap_step(train: Callable[..., Any]) -> None:
    from realm.arena.battle.engine import Engine

    wrap(Engine, "step", train)


# Disk


def fill_in_seal(ballast: str, part: str) -> None:
    """The disk fills up while the first seal's `part` is being written."""
    from realm.arena.battle import seal, sealer

    seen = itertools.count(1)

    def write(real: Any, path: Path, chunks: Any) -> Any:
        if path.name == part and next(seen) == 1:
            fill(Path(ballast))
        return real(path, chunks)

    def sweep(real: Any, folder: Path) -> None:
        real(folder)
        fill(Path(ballast))  # others are waiting for what the half-written seal gives back

    wrap(seal, "_write", write)
    wrap(sealer, "sweep", sweep)


def fill_after_seal(ballast: str) -> None:
    """The disk fills up when the first seal is durable, before anything has come of it."""
    from realm.arena.battle import sealer

    seen = itertools.count(1)

    def write(real: Any, *args: Any) -> Any:
        sealed = real(*args)
        if next(seen) == 1:
            fill(Path(ballast))
        return sealed

    wrap(sealer, "write_seal", write)


def fill_in_checkpoint(ballast: str) -> None:
    """The disk fills up while the first checkpoint's weights are being written."""
    from realm.arena.battle import snapshot

    seen = itertools.count(1)

    def save(real: Any, *args: Any) -> Any:
        if next(seen) == 1:
            fill(Path(ballast), leave=2**20)
        return real(*args)

    wrap(snapshot, "save_pretrained", save)


def die_in_checkpoint() -> None:
    from realm.arena.battle import checkpoint

    wrap(checkpoint, "publish_folder", lambda real, *folders: os._exit(DIED))


def fill(ballast: Path, leave: int = 0) -> None:
    """Takes what is free, but for `leave` bytes."""
    free = os.statvfs(ballast.parent)
    size = free.f_bavail * free.f_frsize - leave
    with ballast.open("ab") as file:
        if size > 0:
            os.posix_fallocate(file.fileno(), file.tell(), size)


# Clocks


def run_fast(factor: float) -> None:
    """The clock of seals and of what is tried again: with a factor of 60, minutes become seconds."""
    from realm.arena import checkpoint_maker, seal_keeper
    from realm.arena.battle import sealer

    class Fast:
        monotonic = staticmethod(lambda: time.monotonic() * factor)
        perf_counter = staticmethod(time.perf_counter)

    for module in (sealer, seal_keeper, checkpoint_maker):
        module.time = Fast  # type: ignore[attr-defined]


def set_clock(file: str) -> None:
    """The wall clock is off by the seconds that `file` holds at the moment of asking, as after a person's `date -s`."""

    def offset() -> float:
        return float(Path(file).read_text() or 0)

    real_time, real_time_ns, real_datetime = time.time, time.time_ns, datetime_module.datetime
    time.time = lambda: real_time() + offset()
    time.time_ns = lambda: real_time_ns() + round(offset() * 1e9)

    class Clock(real_datetime):  # type: ignore[misc, valid-type]
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return real_datetime.now(tz) + datetime_module.timedelta(seconds=offset())

    for module in [module for name, module in sys.modules.items() if name.startswith("realm.")]:
        if getattr(module, "datetime", None) is real_datetime:
            module.datetime = Clock  # type: ignore[attr-defined]
    from realm.core import quests

    kept = quests.new_name.__kwdefaults__
    if kept:
        kept["clock"] = time.time_ns


# Kernel


def await_tracer() -> None:
    """Until strace is attached, so that it sees every call."""
    while "TracerPid:\t0\n" in Path("/proc/self/status").read_text():
        time.sleep(0.01)


def no_leases(quiet_seconds: float) -> None:
    """As many network file systems; and a shorter patience with them."""
    import errno
    import fcntl

    from realm.arena.intake import inbox

    inbox.QUIET_SECONDS = quiet_seconds

    def call(real: Any, descriptor: int, command: int, *rest: Any) -> Any:
        if command == fcntl.F_SETLEASE:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return real(descriptor, command, *rest)

    wrap(fcntl, "fcntl", call)
