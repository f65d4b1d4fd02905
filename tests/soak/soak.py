"""One soak: a storm of drops, people and faults; a calm of drops and people alone; then rest, and the judge."""

import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from realm.core.paths import Home
from realm.sentinels.audit import broken
from tests.soak import faults, people, replay
from tests.soak.drops import Dropper
from tests.soak.gauges import Gauges
from tests.soak.judge import Verdict, judge, litter
from tests.soak.ledger import Ledger
from tests.soak.machine import SERVICES, Machine
from tests.soak.rest import come_to_rest
from tests.soak.stage import Stage, schedule
from tests.system.box import BoxError

STORM = 0.7  # share of the time in which things go wrong
DEATHS = re.compile(r"Main process exited, code=(\w+), status=(\S+)")
EXPECTED_DEATHS = ("9/KILL", "78/CONFIG")  # ours; a start while config.json is broken
GROWTH_ALLOWED = 64 * 2**20  # bytes of a daemon's memory, in the calm


@dataclass
class Outcome:
    """What a soak came to."""

    seconds: float
    ledger: Ledger
    gauges: Gauges
    home: Home  # a copy
    verdict: Verdict = field(default_factory=Verdict)
    growth: dict[str, int | None] = field(default_factory=dict)  # bytes of each daemon's memory, in the calm
    deaths: Counter[tuple[str, str]] = field(default_factory=Counter)  # (daemon, how) -> times
    restarts: dict[str, int] = field(default_factory=dict)
    litter: int = 0


def soak(machine: Machine, folder: Path, minutes: float, seed: int, per_minute: float) -> Outcome:
    """`folder` gets the ledger, the services' log and a copy of the home, whatever happens."""
    ledger = Ledger(folder / "ledger.jsonl")
    gauges = Gauges(machine)
    outcome = Outcome(minutes * 60, ledger, gauges, Home(folder / "home"))
    gauges.begin()
    try:
        _play(machine, ledger, gauges, outcome, seed, per_minute)
        outcome.verdict.wrong += [f"replayed to another {part}" for part in replay.differences(machine)]
    except (AssertionError, BoxError) as error:  # `until` gave up, or a command of the machine's did not answer
        outcome.verdict.stuck.append(str(error))
    finally:
        gauges.end()
        _save(machine, folder, outcome)
    _judge(outcome)
    return outcome


def _play(machine: Machine, ledger: Ledger, gauges: Gauges, outcome: Outcome, seed: int, per_minute: float) -> None:
    dropper = Dropper(machine, ledger, seed, per_minute)
    stage = Stage(machine, ledger, dropper, random.Random(seed))
    schedule(stage, faults.ACTS, 0.02 * outcome.seconds, STORM * outcome.seconds)
    schedule(stage, people.ACTS, 0.0, outcome.seconds)
    dropper.begin()
    began = time.monotonic()
    _until(stage, began, STORM * outcome.seconds)
    calm_since = time.monotonic()
    _until(stage, began, outcome.seconds)
    dropper.end()
    outcome.growth = {daemon: gauges.growth(daemon, calm_since) for daemon in SERVICES}
    come_to_rest(stage)


def _until(stage: Stage, began: float, end: float) -> None:
    """Plays what is due before `end`."""
    while (due := stage.due()) is not None and due < end:
        time.sleep(max(0.0, began + due - time.monotonic()))
        stage.now = time.monotonic() - began
        stage.play_next()
        _tell(stage)
    time.sleep(max(0.0, began + end - time.monotonic()))


def _tell(stage: Stage) -> None:
    """A line a minute, for who waits."""
    if stage.now >= stage.told_at + 60:
        stage.told_at = stage.now
        waiting = len(stage.queue.waiting())
        print(f"{stage.now / 60:5.1f} min: {len(stage.ledger.drops):,} drops, {waiting} waiting", flush=True)


# The end


def _save(machine: Machine, folder: Path, outcome: Outcome) -> None:
    """For the judge, and for a person."""
    logs = {daemon: machine.box.log(service) for daemon, service in SERVICES.items()}
    for daemon, log in logs.items():
        (folder / f"{daemon}.log").write_text(log)
        outcome.deaths += Counter((daemon, how) for _, how in DEATHS.findall(log))
        outcome.restarts[daemon] = log.count("event=start ")
        if traces := log.count("Traceback (most recent call last)"):
            outcome.verdict.wrong.append(f"{traces} tracebacks in {daemon}.log")
    outcome.gauges.save(folder / "memory.jsonl")
    machine.save(outcome.home.root)


def _judge(outcome: Outcome) -> None:
    """Adds to what was seen on the way."""
    verdict = judge(outcome.home, outcome.ledger)
    for name in vars(verdict):
        getattr(outcome.verdict, name).extend(getattr(verdict, name))
    outcome.verdict.audit += broken(outcome.home, deep=True, removed=outcome.ledger.removed)
    outcome.verdict.wrong += [*outcome.ledger.violations, *_own_deaths(outcome), *_leaks(outcome)]
    outcome.litter = len(litter(outcome.home))


def _own_deaths(outcome: Outcome) -> Iterator[str]:
    for (daemon, how), times in outcome.deaths.items():
        if how not in EXPECTED_DEATHS:
            yield f"the {daemon} died {times} times by itself: {how} ({daemon}.log)"


def _leaks(outcome: Outcome) -> Iterator[str]:
    for daemon, growth in outcome.growth.items():
        if growth is not None and growth > GROWTH_ALLOWED:
            yield f"the {daemon} grew by {growth / 2**20:.0f} MiB in the calm"
