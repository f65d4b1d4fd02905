"""Several devices of one machine: rank 0 is the trainer, which owns the files; its crew are the other ranks' processes.

The crew hears of every step and every new setting through pipes, and dies with the trainer. If one of them dies, so
does the trainer: its next start takes up where the newest seal and the journal say.
"""

import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from torch import distributed

from realm.arena.battle.engine import Engine
from realm.arena.battle.learner import OutOfMemory, StepResult
from realm.arena.battle.loaded_engine import Origin, adopted, load_engine
from realm.arena.battle.ranks import Ranks
from realm.arena.battle.seal import Seal
from realm.arena.battle.sealed_state import SealedState
from realm.arena.battle.snapshot import TensorSnapshot
from realm.arena.battle.stream import Step
from realm.armory.quiet import silence_transformers
from realm.core.config import Config, Training
from realm.core.parent import end_with_parent

MEET = "meet"  # the file in which they find each other


class RankDied(RuntimeError):
    """A process of the crew ended by itself."""


class Crewed:
    """A Learner whose steps a crew trains with it."""

    def __init__(self, engine: Engine, origin: Origin, crew: "Crew"):
        self.engine, self._origin, self._crew = engine, origin, crew

    def adopt(self, training: Training) -> None:
        self._crew.tell("adopt", training)
        self.engine = adopted(self.engine, self._origin, training)

    def step(self, number: int, step: Step) -> StepResult:
        """Raises OutOfMemory if the device of one of them is too small."""
        self._crew.tell("step", number, step)
        return self.engine.step(number, step)

    def validation_loss(self, passes: Step) -> float:
        self._crew.tell("validate", passes)
        return self.engine.validation_loss(passes)

    def snapshot(self, state: SealedState) -> TensorSnapshot:
        self._crew.tell("lend")
        return self.engine.snapshot(state)


class Crew:
    """The other ranks' processes, from their start until this is forgotten."""

    def __init__(self, folder: Path, seal: Seal | None, training: Training, config: Config):
        """Begins to load them; who loads this rank's engine waits for them."""
        assert not distributed.is_initialized(), "a crew of before is not forgotten yet"
        meeting = Path(tempfile.mkdtemp(prefix="realm-crew-"))
        self.origin = Origin(folder, config, Ranks(0, config.devices, meeting / MEET))
        self._pipes: list[Connection] = []
        processes, over = [], threading.Event()
        for rank in range(1, config.devices):
            ours, theirs = Pipe()
            command = [sys.executable, "-m", __name__, str(theirs.fileno())]
            process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
            theirs.close()
            ranks = Ranks(rank, config.devices, meeting / MEET)
            ours.send((self.origin._replace(ranks=ranks), seal, training))
            threading.Thread(target=_watch, args=(rank, process, over), name=f"rank {rank}", daemon=True).start()
            self._pipes.append(ours)
            processes.append(process)
        weakref.finalize(self, _end, processes, over, meeting)

    def tell(self, *command: Any) -> None:
        for pipe in self._pipes:
            pipe.send(command)


def _watch(rank: int, process: "subprocess.Popen[bytes]", over: threading.Event) -> None:
    """A step that waits for a rank that is dead may wait for ever: what is raised here ends the trainer."""
    status = process.wait()
    if not over.is_set():
        raise RankDied(f"rank {rank} ended with {status}: the trainer ends with it, and starts again")


def _end(processes: Sequence["subprocess.Popen[bytes]"], over: threading.Event, folder: Path) -> None:
    over.set()
    for process in processes:
        process.kill()
        process.wait()
    if distributed.is_initialized():
        distributed.destroy_process_group()
    shutil.rmtree(folder)


def main(orders: Connection) -> None:
    """A rank's process: what it hears it does, together with all others."""
    end_with_parent(signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the trainer's to hear
    silence_transformers()
    origin, seal, training = orders.recv()
    engine = load_engine(origin, seal, training)
    while True:
        match orders.recv():
            case "adopt", settings:
                engine = adopted(engine, origin, settings)
            case "validate", passes:
                engine.validation_loss(passes)
            case ("lend",):
                engine.lend()
            case "step", number, step:
                try:
                    engine.step(number, step)
                except OutOfMemory:
                    continue  # rank 0 raised it too, and tells of smaller passes next


if __name__ == "__main__":
    main(Connection(int(sys.argv[1])))
