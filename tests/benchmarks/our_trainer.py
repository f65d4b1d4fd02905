"""Our engine on our stream, as the trainer uses them, in a process of its own (workers.py)."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch

from realm.arena.battle.chat import ChatTokenizer
from realm.arena.battle.crew import Crewed
from realm.arena.battle.engine import Engine
from realm.arena.battle.holdout import holdout_rule
from realm.arena.battle.loaded_hero import load
from realm.arena.battle.lookahead import Lookahead
from realm.arena.battle.mask import check_mask
from realm.arena.battle.peak import matmul_peak
from realm.arena.battle.precision import COMPUTE_DTYPES
from realm.arena.battle.specs import get_spec
from realm.arena.battle.stream import Cursor, steps
from realm.armory.heroes import HERO_FILE, load_hero
from realm.armory.quiet import silence_transformers
from realm.core.config import Config
from tests.benchmarks.judge import loss_over
from tests.benchmarks.workers import Answer, serve

SPEC = get_spec("chat_sft_v1")


class Resident:
    """Each round trains the file from its lines on, tokenising included; one rank begins anew each time."""

    def __init__(self, order: dict[str, Any]):
        model = Path(order["model"])
        self.quest = Path(order["quest"])
        self.training = load_hero(model / HERO_FILE).training
        self.ranks = order.get("devices", 1)
        config = Config(threads=order["threads"] // self.ranks, compile=order["compile"], devices=self.ranks)
        self.learner = load(model, None, self.training, config).learner
        self.engine: Engine = self.learner.engine if isinstance(self.learner, Crewed) else self.learner
        self.chat = ChatTokenizer.load(model)
        self.lookahead = Lookahead()
        self.fresh = {name: weight.clone() for name, weight in self.engine.model.state_dict().items()}
        self.examples = json.loads(Path(order["examples"]).read_text())

    def train(self) -> Answer:
        if self.ranks == 1:
            self.engine.model.load_state_dict(self.fresh)
            self.engine.optimizer.state.clear()
        began = time.perf_counter()
        tokens = padded = number = 0
        for number, streamed in enumerate(self._streamed(), start=1):
            check_mask([example for one in streamed.passes for example in one], self.chat, SPEC)
            result = self.learner.step(number, streamed.passes)
            tokens, padded = tokens + result.tokens, padded + result.padded_tokens
        seconds = time.perf_counter() - began
        return {"seconds": seconds, "steps": number, "tokens": tokens, "padded": padded, "memory": result.device_bytes}

    def _streamed(self) -> Any:
        return steps(
            self.quest,
            Cursor(1),
            chat=self.chat,
            spec=SPEC,
            training=self.training,
            held_out=holdout_rule(self.training.holdout),
            ready=self.lookahead.one_ahead,
        )

    def judge(self) -> Answer:
        with torch.no_grad():
            return {"loss": loss_over(self.engine.model, self.examples)}

    def peak(self) -> Answer:
        return {"peak": matmul_peak(self.engine.model.device, COMPUTE_DTYPES[self.training.precision])}


def main() -> None:
    order = json.loads(sys.argv[1])
    silence_transformers()
    resident = Resident(order)
    serve({"train": resident.train, "judge": resident.judge, "peak": resident.peak}, order["answers"])


if __name__ == "__main__":
    main()
