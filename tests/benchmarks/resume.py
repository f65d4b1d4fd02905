"""From a kill -9 to the first step after it: python -m tests.benchmarks.resume --rounds 5

The trainer, run as a person runs it, is killed while it trains, and started again: it finds the newest seal, verifies
it, and trains what the journal has since. Beside it a process in which HF Trainer resumes from a checkpoint that it
made itself, and does its next step. Time runs from the start of the process.
"""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.benchmarks import measuring, subject
from tests.benchmarks.living import LivingRealm
from tests.benchmarks.measuring import Asked, Row, Table, paired
from tests.benchmarks.turnaround import cold, ended
from tests.benchmarks.workers import HF_PADDED

OURS, HF = "ours", "HF Trainer, resume_from_checkpoint"
STEPS_BEFORE_THE_KILL = 4
OFTEN = {"minutes": 0.05, "first_minutes": 0.0, "gb_per_day": 10_000.0}


def measure(asked: Asked) -> list[Table]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        architecture, lines = (subject.TINY, 20_000) if asked.small else (subject.SIX_MILLION, 5_000)
        model = subject.make_hero(folder / "model", architecture)
        ways: dict[str, Callable[[], float]] = {}
        with LivingRealm(folder / "home", model, seals=OFTEN) as realm:
            realm.drop("long", subject.forge(lines))
            realm.wait_for(lambda: any(realm.home.seals.glob("*-*")), "a seal")
            realm.kill("trainer")
            ways[OURS] = partial(resumed, realm)
            if asked.rivals:
                quest = folder / "quest.jsonl"
                quest.write_bytes(subject.forge(200))
                cold(HF_PADDED, quest, model, keeps=True)
                ways[HF] = partial(cold, HF_PADDED, quest, model, max_steps=2, checkpoint=folder / "checkpoint-1")
            rounds = paired(ways, asked.rounds)
    return [
        Table(
            title=f"Resume after kill -9: {subject.parameters(architecture) / 1e6:.1f} M parameters",
            unit="s from the start of the process to the end of its first step",
            rows=[Row(way, values) for way, values in rounds.items()],
            rival=HF if asked.rivals else None,
        )
    ]


def resumed(realm: LivingRealm) -> float:
    """The trainer begins again, makes a few steps, and is killed."""
    began = time.time()
    realm.start("trainer")
    realm.wait_for(lambda: len(since(realm, began)) >= STEPS_BEFORE_THE_KILL, "steps after the kill")
    realm.kill("trainer")
    return since(realm, began)[0] - began


def since(realm: LivingRealm, moment: float) -> list[float]:
    """When steps after that moment ended."""
    return [end for end in map(ended, realm.rows()) if end > moment]


if __name__ == "__main__":
    measuring.run(__doc__, measure)
