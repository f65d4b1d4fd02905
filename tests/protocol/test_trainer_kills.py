"""The real trainer, killed at random moments, also while it recovers from a kill: it comes to the same end.

REALM_TEST_KILLS sets how many kills, REALM_TEST_SEED where they fall.
"""

import os
import random
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from realm.core.checkpoint_ledger import CheckpointLedger
from realm.core.events import tail
from realm.core.paths import Home
from tests.arena.preloaded import Life
from tests.arena.realm_home import log_of
from tests.protocol.trainer_acts import RATES
from tests.protocol.trainer_life import Outcome, begin, copied, live_on, outcome_of, poison_of, prepare

KILLS = int(os.environ.get("REALM_TEST_KILLS", "12"))
OF_A_CAMPAIGN, SEALS = 6, 6  # kills at most, and seals of a life without any
SEED = int(os.environ.get("REALM_TEST_SEED", "1"))

# What is waited for, and how many seconds later at most the kill falls.
AIMS: dict[str, tuple[Callable[[Home, str], bool], float]] = {
    "recovery": (lambda home, said: True, 0.3),
    "replay": (lambda home, said: "event=replay" in said or is_ready(said), 0.2),
    "work": (lambda home, said: is_ready(said), 0.8),
    "seal": (lambda home, said: is_sealing(home), 0.05),
    "checkpoint": (lambda home, said: is_making_checkpoint(home), 0.03),
}


def is_ready(said: str) -> bool:
    return "event=ready" in said


def is_sealing(home: Home) -> bool:
    return any(home.seals.glob(".[0-9]*"))


def is_making_checkpoint(home: Home) -> bool:
    return any(home.current_model.glob(".checkpoint-*"))


def phase(home: Home, said: str) -> str:
    """Where the kill fell, read from what it left: `said` are the log lines of the life that it ended."""
    if not is_ready(said):
        return "in recovery"
    if "event=replay from_step" in said and "finished_at_step" not in said and "left_out" not in said:
        return "in a replay"
    if is_making_checkpoint(home):
        return "in a checkpoint"
    if is_sealing(home):
        return "in a seal"
    trying = (home.current_model / ".attempt").read_bytes().split()[:1]
    return "in a step" if trying not in ([], [b"0"]) else "between steps"


def killed(home: Home, poison: str, aim: str, after: int, dice: random.Random) -> str | None:
    """One life until its kill; returns the phase, or None if it came to its end before. `after`: that many seals."""
    has_come, seconds = AIMS[aim]
    log = home.logs / "trainer.log"
    heard = log.stat().st_size if log.exists() else 0
    life = begin(home, poison)
    while life.poll() is None and not (newest_seal(home) >= after and has_come(home, said(log, heard))):
        ended_within(life, 0.004)
    ended_within(life, dice.uniform(0, seconds))
    life.kill()
    assert life.wait() in (0, -signal.SIGKILL), said(log, heard)
    return phase(home, said(log, heard)) if life.returncode else None


def said(log: Path, heard: int) -> str:
    return log.read_bytes()[heard:].decode(errors="replace")


def newest_seal(home: Home) -> int:
    return max((int(seal.name.partition("-")[2]) for seal in home.seals.glob("[0-9]*")), default=0)


def ended_within(life: Life, seconds: float) -> bool:
    try:
        life.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def killed_again_and_again(home: Home, poison: str, kills: int, dice: random.Random) -> list[str]:
    """A campaign to its end, through so many kills at most; returns their phases."""
    phases: list[str] = []
    for after in sorted(dice.choices(range(SEALS), k=kills)):
        fallen = killed(home, poison, dice.choice(list(AIMS)), after, dice)
        if fallen is None:
            return phases
        phases.append(fallen)
    live_on(home, poison)
    return phases


@pytest.mark.timeout(120 + 10 * KILLS)
def test_killed_at_random_moments_it_comes_to_the_same_end(squire: Path, tmp_path: Path) -> None:
    made = prepare(tmp_path / "made", squire)
    poison, calm = poison_of(made), copied(made, tmp_path / "calm")
    live_on(calm, poison)
    expected, dice = outcome_of(calm), random.Random(SEED)
    check_story(calm, expected)
    phases: list[str] = []
    for number in count(1):
        home = copied(made, tmp_path / f"{number}")
        phases += killed_again_and_again(home, poison, min(KILLS - len(phases), OF_A_CAMPAIGN), dice)
        assert outcome_of(home) == expected, log_of(home)
        shutil.rmtree(home.root)
        if len(phases) == KILLS:
            break
    print(f"{KILLS} kills of {number} campaigns, REALM_TEST_SEED={SEED}: {dict(Counter(phases))}")


def check_story(calm: Home, outcome: Outcome) -> None:
    """The life that all others are compared with has in it what it is meant to have."""
    assert [one[2] for one in outcome.history] == ["completed", "skipped", "completed", "completed"]
    assert [one["dropped_steps"] for one in outcome.results] == [1, 0, 0, 0]
    assert {rate for _, _, rate, *_ in outcome.rows.values()} >= set(RATES)
    assert len(CheckpointLedger(calm.current_model).list_all()) >= 2  # a slow disk has fewer: one is late, or none due
    kinds = [event.kind for event in tail([calm.events / "trainer.jsonl"], 100)]
    assert {"battle.paused", "battle.resumed"} <= set(kinds)
    assert kinds.count("seal.written") >= 4  # for the pause, for a person, for checkpoints, and at the end
