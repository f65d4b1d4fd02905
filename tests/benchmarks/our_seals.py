"""Our seals, and a plain synchronous save of the same tensors, in a process that trains between them (workers.py)."""

import json
import os
import sys
from pathlib import Path
from statistics import median
from typing import Any

import torch
from safetensors.torch import save_file

from realm.arena.battle.campaign import Campaign
from realm.arena.battle.chat import Example
from realm.arena.battle.learner import StepResult
from realm.arena.battle.loaded_engine import Origin, load_engine
from realm.arena.battle.seal import retain
from realm.arena.battle.sealed_state import SealedState
from realm.arena.battle.sealer import Sealer
from realm.arena.battle.stream import cut_passes
from realm.armory.heroes import HERO_FILE, load_hero
from realm.armory.quiet import silence_transformers
from realm.core.config import Config, Seals
from realm.core.files import fsync_directory
from tests.benchmarks.measuring import seconds_of
from tests.benchmarks.workers import Answer, serve

EXAMPLES = 4  # of a step
QUIET_STEPS = 3


class Resident:
    def __init__(self, order: dict[str, Any]):
        model, self.folder = Path(order["model"]), Path(order["folder"])
        training = load_hero(model / HERO_FILE).training
        self.engine = load_engine(Origin(model, Config(threads=order["threads"])), None, training)
        examples = json.loads(Path(order["examples"]).read_text())[:EXAMPLES]
        made = [Example(example["input_ids"], example["labels"]) for example in examples]
        self.passes = cut_passes(made, training.tokens_per_pass, packed=True)
        self.state = SealedState(campaign=Campaign(hero="bench", training=training), fingerprint={})
        self.seals = self.folder / "seals"
        self.seals.mkdir()
        self.sealer = Sealer(self.seals, Seals(), last_number=0)
        self.steps = 0
        self.step()

    def step(self) -> StepResult:
        self.steps += 1
        return self.engine.step(self.steps, self.passes)

    def seal(self) -> Answer:
        """How long training stood still, what the steps beside the write lost, and when the seal was durable."""
        start = seconds_of(lambda: self.sealer.start(self.engine.snapshot(self.state)))
        beside, report = [], None
        while report is None and self.sealer.busy:
            beside.append(self.step())
            report = self.sealer.finished()
        assert report, self.sealer.problem
        durable, size = report.seconds, report.seal.size
        retain(self.seals)
        quiet = [self.step() for _ in range(QUIET_STEPS)]
        step, update = median(one.seconds for one in quiet), median(one.split["optimizer"] for one in quiet)
        return {
            "seconds": start + max(0.0, beside[0].split["optimizer"] - update),  # an update waits for the copies
            "lost": start + sum(one.seconds for one in beside) - step * len(beside),
            "durable": durable,
            "bytes": size,
            "step": step,
        }

    @torch.no_grad()
    def save(self) -> Answer:
        """Weights and moments as safetensors, synced, while training waits."""
        folder = self.folder / "plain"
        folder.mkdir(exist_ok=True)
        return {"seconds": seconds_of(lambda: self._save(folder))}

    def _save(self, folder: Path) -> None:
        names = list(self.engine.model.named_parameters())
        weights = {name: parameter.detach() for name, parameter in names}
        state = self.engine.optimizer.state
        moments = {f"{name}/{key}": value for name, one in names for key, value in state[one].items()}
        for file, tensors in (("weights", weights), ("moments", moments)):
            path = folder / f"{file}.safetensors"
            save_file(tensors, path)
            with path.open("rb") as written:
                os.fsync(written.fileno())
        fsync_directory(folder)


def main() -> None:
    order = json.loads(sys.argv[1])
    silence_transformers()
    resident = Resident(order)
    serve({"seal": resident.seal, "save": resident.save}, order["answers"])


if __name__ == "__main__":
    main()
