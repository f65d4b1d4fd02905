"""How long a save keeps training waiting: python -m tests.benchmarks.seal_stall --rounds 5

60 M parameters with AdamW, 713 MB in fp32. Ours copies them beside the next step's passes, whose update waits for the
copies, and writes behind training's back, with digests and fsync. Beside it safetensors and fsync while training waits,
and what HF Trainer does, without fsync.
"""

import os
import sys
import tempfile
from functools import partial
from pathlib import Path
from statistics import median

import msgspec

from tests.benchmarks import measuring, subject
from tests.benchmarks.measuring import Asked, Row, Table, paired
from tests.benchmarks.throughput import write_examples
from tests.benchmarks.workers import HF_PADDED, Order, rivals_python, working

OURS, PLAIN, HF = "ours", "safetensors + fsync", "HF Trainer, no fsync"


def measure(asked: Asked) -> list[Table]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        architecture = subject.TINY if asked.small else subject.SIXTY_MILLION
        model, quest = subject.make_hero(folder / "model", architecture), folder / "quest.jsonl"
        quest.write_bytes(subject.forge(16))
        write_examples(quest, model, folder / "examples.json")
        given = {
            "model": model,
            "examples": folder / "examples.json",
            "folder": folder,
            "threads": len(os.sched_getaffinity(0)),
        }
        orders = {OURS: Order(Path(sys.executable), "tests.benchmarks.our_seals", given)}
        if asked.rivals:
            what = {**given, "act": "resident", "way": HF_PADDED, "training": msgspec.to_builtins(subject.TRAINING)}
            orders[HF] = Order(rivals_python(), "tests.benchmarks.rival_trainers", what)
        with working(orders) as workers:
            ways = {OURS: partial(workers[OURS].ask, "seal"), PLAIN: partial(workers[OURS].ask, "save")}
            if asked.rivals:
                ways[HF] = partial(workers[HF].ask, "save")
            first, *_ = (way() for way in ways.values())  # into fresh memory; HF makes its optimizer
            answers = paired(ways, asked.rounds)
    ours = answers[OURS]
    rows = [Row(way, [answer["seconds"] for answer in rounds]) for way, rounds in answers.items()]
    rows[0].note = f"the first of a process, into fresh memory: {first['seconds']:.3g}"
    lost = Row("ours, with what the steps beside the write lost", [answer["lost"] for answer in ours])
    return [
        Table(
            title=f"Seal stall: {subject.parameters(architecture) / 1e6:.1f} M parameters, {ours[0]['bytes']:,} bytes",
            unit="s that training waits",
            rows=[rows[0], lost, *rows[1:]],
            rival=PLAIN,
            notes=[
                f"ours is durable after {median(answer['durable'] for answer in ours):.2f} s; a quiet step takes"
                f" {median(answer['step'] for answer in ours):.2f} s"
            ],
        )
    ]


if __name__ == "__main__":
    measuring.run(__doc__, measure)
