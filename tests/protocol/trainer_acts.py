"""In the trainer's own process: what people do at exact steps of a life, and a stop at a thread's gate for a tracer.

A wish is a function of the step alone: after a crash it is withdrawn, as if by a hand, until training stands there
again. So every life comes to the same end, wherever it is cut.
"""

import ctypes
import hashlib
import json
import os
import signal
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from realm.arena import checkpoint_maker, seal_keeper, training
from realm.arena import trainer as daemon
from realm.arena.battle import attempt, sealer
from realm.arena.battle.engine import Engine
from realm.arena.training import Trainer

PAUSE_AT, SKIP_AT, SEAL_AT, RATE_AT = 5, (2, 12), 15, 19  # steps; the skip is of that claim
RATES = (0.002, 0.0007)
PR_SET_NAME = 15


def install(poison: str, gate: str = "", door: str = "") -> None:
    """`poison`: digest of the example whose gradient is no number. Thread `gate` waits for a byte in pipe `door`."""
    daemon.INTERVAL = 0.25  # status documents are among what may fail
    training.POLL = 0.02
    sealer.RETRY_SECONDS = seal_keeper.RETRY_SECONDS = checkpoint_maker.RETRY_SECONDS = 0.1
    attempt.DEATHS_ALLOWED = 10**6  # the kills are ours: no example is to blame
    _poison(poison)
    _at_every_turn(People())
    _name_threads(gate, door)


class People:
    """A pause until its seal is durable, a skip, a wish for a seal, another learning rate; and SIGTERM at the end."""

    def __init__(self) -> None:
        self._have_ended_it = False

    def __call__(self, trainer: Trainer) -> None:
        campaign, control = trainer.fight.campaign, trainer.home.control
        claim = campaign.active.number if campaign.active else None
        is_sealed = trainer.keeper.covers(campaign)
        self._wish(control, "pause", campaign.step == PAUSE_AT and not is_sealed)
        for name, wanted in (
            ("skip", (claim, campaign.step) == SKIP_AT),
            ("seal", campaign.step == SEAL_AT and not is_sealed),
        ):
            flag = trainer.control.flag(name)
            if flag is None or flag.identity not in trainer.one_shots_obeyed:  # else it is only unlinked
                self._wish(control, name, wanted)
        self._set_rate(trainer.home.config_file, RATES[campaign.step >= RATE_AT])
        if not campaign.claims and not trainer.board.queue.waiting() and not self._have_ended_it:
            self._have_ended_it = True  # as a second signal would end it at once
            os.kill(os.getpid(), signal.SIGTERM)

    def leave_it(self, trainer: Trainer) -> None:
        """A pause of the life before would hold the replay for ever: its step is still to come."""
        self._wish(trainer.home.control, "pause", False)

    def _wish(self, control: Path, name: str, wanted: bool) -> None:
        """As by hand: touch, and rm."""
        flag = control / f".{name}"
        if wanted and not flag.exists():
            flag.touch()
        if not wanted:
            flag.unlink(missing_ok=True)

    def _set_rate(self, file: Path, rate: float) -> None:
        config = json.loads(file.read_bytes())
        if config["training"]["learning_rate"] != rate:
            config["training"]["learning_rate"] = rate
            whole = file.with_name(".config.json")
            whole.write_text(json.dumps(config))
            whole.rename(file)


def _at_every_turn(people: People) -> None:
    """In a thread of their own, which no tracer follows."""
    real = Trainer.turn

    def turn(trainer: Trainer) -> None:
        if trainer.in_memory:
            act = people.leave_it if trainer.fight.replay else people
            acting = threading.Thread(target=act, args=(trainer,), name="people")
            acting.start()
            acting.join()
        real(trainer)

    Trainer.turn = turn  # type: ignore[method-assign]


def _poison(digest: str) -> None:
    real = Engine._pass_loss

    def pass_loss(engine: Engine, examples: Any, backward_scale: float | None) -> float:
        poisoned = digest_of(examples[0].ids) == digest
        return real(engine, examples, backward_scale) * (float("nan") if poisoned else 1)

    Engine._pass_loss = pass_loss  # type: ignore[method-assign, assignment]


def digest_of(ids: list[int]) -> str:
    return hashlib.sha256(str(ids).encode()).hexdigest()


def _name_threads(gate: str, door: str) -> None:
    """Threads get names that a tracer sees: main, heartbeat, sealer-1, sealer-2 …"""
    libc, begun, real = ctypes.CDLL(None), Counter[str](), threading.Thread.run

    def called(name: str) -> None:
        opened = os.open(door, os.O_RDWR) if name == gate else None  # before a tracer finds the name and counts calls
        libc.prctl(PR_SET_NAME, name.encode())
        if opened is not None:
            os.read(opened, 1)
            os.close(opened)

    def run(thread: threading.Thread) -> None:
        begun[thread.name] += 1
        called(f"{thread.name}-{begun[thread.name]}" if thread.name == "sealer" else thread.name)
        real(thread)

    threading.Thread.run = run  # type: ignore[method-assign]
    called("main")
