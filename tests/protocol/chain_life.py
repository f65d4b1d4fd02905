"""A whole life of the trainer with a hero that is a hash chain: every decision is real, and nothing is left to chance.

One thread does everything in a fixed order: a seal is written while later steps are trained, and status documents come
every few steps. So each life makes the same calls, and one that was cut can be told from one that was not.
"""

import json
import math
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import orjson

from realm.arena import checkpoint_maker, seal_keeper, training
from realm.arena.battle import attempt, sealer
from realm.arena.battle.seal import newest_verified
from realm.arena.battle_log import BattleLog
from realm.arena.training import Trainer
from realm.core import metrics
from realm.core.checkpoint_ledger import CheckpointLedger
from realm.core.control import FlagName
from realm.core.daemon import Frame
from realm.core.history import read_history
from realm.core.metrics import read_metrics
from realm.core.paths import Home
from realm.core.quests import STATES, QuestQueue
from tests.arena.realm_home import put_quest
from tests.protocol.chain_hero import LOADER, POISON, WEIGHTS, make_model_folder

RATES = (0.002, 0.0007)
PAUSE_AT, SKIP_AT, SEAL_AT, RATE_AT = 2, (2, 8), 12, 14  # steps; the skip is of that claim
SEAL_LOOKS = 3  # a seal is written at the third look at it: steps were trained meanwhile
HEARTBEAT_STEPS = 4
DIES_AT = 14


def prepare(home: Home) -> None:
    """Quests that are completed, skipped, failed by a bad line, and trained twice; one step is no number."""
    make_model_folder(home.models / "squire")
    own = {"batch_size": 1, "max_length": 128, "checkpoint_steps": 5, "eval_steps": 4, "learning_rate": RATES[0]}
    long = {"minutes": 200.0, "first_minutes": 200.0, "dry_minutes": 0.0, "gb_per_day": 1e6}
    config = {"training": own, "seals": long, "retention": {"last": 1, "every": 1000}}
    home.config_file.write_bytes(orjson.dumps(config))
    put_quest(home, lines(12, 0) + lines(1, 50, POISON.decode()), "completed.jsonl")
    put_quest(home, lines(12, 100), "skipped.jsonl")
    put_quest(home, lines(6, 200) + b"no JSON\n", "failed.jsonl")
    put_quest(home, lines(10, 300), "twice.jsonl", epochs=2)


def prepare_resume(home: Home) -> None:
    """The same, killed in the middle, and then its newest seal went bad: it resumes from the older one."""
    prepare(home)
    if (child := os.fork()) == 0:
        live(home, dies_at=DIES_AT)
    os.waitpid(child, 0)
    newest, _ = newest_verified(home.seals)
    assert newest
    newest.path(WEIGHTS).write_bytes(b"bad")


def lines(count: int, first: int, word: str = "make") -> bytes:
    told = ((f"{n} + {n}", f"{n} and {n} {word} {2 * n}") for n in range(first, first + count))
    chats = ([{"role": "user", "content": ask}, {"role": "assistant", "content": answer}] for ask, answer in told)
    return b"".join(orjson.dumps({"messages": chat}) + b"\n" for chat in chats)


def live(home: Home, dies_at: int | None = None) -> None:
    """From a start to the end of all quests, a last seal, and a clean end; or to a step at which it dies."""
    training.POLL = 0.0
    sealer.RETRY_SECONDS = seal_keeper.RETRY_SECONDS = checkpoint_maker.RETRY_SECONDS = 0.0
    metrics.FLUSH_SECONDS = math.inf  # rows go with seals and heartbeats
    attempt.DEATHS_ALLOWED = 10**6  # the deaths are ours: no example is to blame
    sealer.threading = SimpleNamespace(Thread=Later)  # type: ignore[assignment]
    log = BattleLog(home)
    with Frame("trainer", home.locks, interval_s=3600) as frame:
        trainer = Trainer(frame, home, log, LOADER)
        trainer.recover()
        memory_of(home).mkdir(exist_ok=True)
        obey_people(trainer, People(frame, dies_at))
        trainer.run()


class Later:
    """A thread that runs, whole, when it has been looked at a few times, or is waited for."""

    def __init__(self, target: Callable[[], None], name: str):
        self._target: Callable[[], None] | None = target
        self._looks = 0

    def start(self) -> None:
        pass

    def is_alive(self) -> bool:
        self._looks += 1
        if self._looks >= SEAL_LOOKS:
            self.join()
        return self._target is not None

    def join(self) -> None:
        target, self._target = self._target, None
        if target:
            target()


def obey_people(trainer: Trainer, people: "People") -> None:
    """People act in a thread of their own: their calls are not counted among the trainer's."""
    real = trainer.turn

    def turn() -> None:
        if trainer.in_memory and not trainer.fight.replay:
            acting = threading.Thread(target=people, args=(trainer,))
            acting.start()
            acting.join()
        if trainer.fight.campaign.step % HEARTBEAT_STEPS == 0:
            trainer.log.heartbeat(trainer.frame)
        real()

    trainer.turn = turn  # type: ignore[method-assign]


def memory_of(home: Home) -> Path:
    """What people remember; no part of the home."""
    return home.root.parent / f"people of {home.root.name}"


class People:
    """They wish something at a step, and not again once it was granted: from then on the journal has to know it.

    Until then a wish is withdrawn after a cut, until training stands there again. So every life comes to the same end.
    """

    def __init__(self, frame: Frame, dies_at: int | None):
        self._frame = frame
        self._dies_at = dies_at

    def __call__(self, trainer: Trainer) -> None:
        campaign, home = trainer.fight.campaign, trainer.home
        if campaign.step == self._dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        claim = campaign.active.number if campaign.active else None
        is_sealed = trainer.keeper.covers(campaign)
        self._wish(trainer, "pause", campaign.step == PAUSE_AT and not is_sealed)
        self._wish(trainer, "skip", (claim, campaign.step) == SKIP_AT)
        self._wish(trainer, "seal", campaign.step == SEAL_AT and not is_sealed)
        self._set_rate(home.config_file, RATES[campaign.step >= RATE_AT])
        if not campaign.claims and not trainer.board.queue.waiting():
            self._frame.stopping.set()

    def _wish(self, trainer: Trainer, name: FlagName, wanted: bool) -> None:
        """As by hand: touch, and rm. What is gone without our doing was granted."""
        file = trainer.home.control / f".{name}"
        placed, granted = (memory_of(trainer.home) / f"{name} was {word}" for word in ("placed", "granted"))
        flag = trainer.control.flag(name)
        if placed.exists() and not flag:
            placed.rename(granted)
        if granted.exists() or (flag and flag.identity in trainer.one_shots_obeyed):
            return
        if wanted and not flag:
            file.touch()
            placed.touch()
        if not wanted and flag:
            placed.unlink(missing_ok=True)
            file.unlink()

    def _set_rate(self, file: Path, rate: float) -> None:
        config = json.loads(file.read_bytes())
        if config["training"]["learning_rate"] != rate:
            config["training"]["learning_rate"] = rate
            whole = file.with_name("config.json.new")
            whole.write_text(json.dumps(config))
            whole.rename(file)


@dataclass(frozen=True)
class Outcome:
    """What must be equal, wherever a life was cut."""

    weights: str
    history: list[tuple[object, ...]]
    folders: dict[str, list[str]]
    rows: dict[int, tuple[object, ...]]


def outcome_of(home: Home) -> Outcome:
    """Raises AssertionError for a seal or checkpoint that does not verify."""
    seal, problems = newest_verified(home.seals)
    assert seal
    assert not problems, problems
    ledger = CheckpointLedger(home.current_model)
    records = ledger.list_all()
    assert records, "there is no checkpoint"
    assert not (damaged := [problem for record in records for problem in ledger.verify(record)]), damaged
    ended = read_history(home.history / "trainer.jsonl")
    return Outcome(
        weights=seal.path(WEIGHTS).read_bytes().hex(),
        history=[(one.claim, one.quest, one.outcome, one.steps, one.tokens, one.examples) for one in ended],
        folders={state: QuestQueue(home).names(state) for state in STATES},
        rows={row["step"]: (row["claim"], row["loss"], row["learning_rate"]) for row in read_metrics(home.metrics)},
    )
