"""Real tokens a second, padding not counted: python -m tests.benchmarks.throughput --rounds 5

A Qwen3 of 6 M parameters learns 300 short chats once, from the same weights in each round. Ours reads the file,
tokenises, checks every label mask and trains, deterministic algorithms on; the rivals are given the examples tokenised
and, TRL, packed. All get the same threads, tokens per step and optimizer. After the first round one judge takes the
loss of every way's weights over those examples: where they differ, the comparison is void.
"""

import json
import os
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path
from statistics import median

import msgspec
import torch

from realm.arena.battle.chat import ChatTokenizer
from realm.arena.battle.specs import get_spec
from realm.arena.battle.stream import Cursor, window_examples, windows
from realm.armory.heroes import HERO_FILE, load_hero
from realm.armory.vram import GIB
from tests.benchmarks import measuring, subject
from tests.benchmarks.measuring import Asked, Row, Table, paired
from tests.benchmarks.workers import HF_GROUPED, HF_PADDED, TRL_PACKING, Answer, Order, Worker, rivals_python, working

EAGER, COMPILED, RANKS = "ours", "ours, compiled", "ours, a rank for each core"
LOSSES_DIFFER = 0.05  # share; each way shuffles as it does


def measure(asked: Asked) -> list[Table]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        architecture, chats = (subject.TINY, 40) if asked.small else (subject.SIX_MILLION, 300)
        subject.make_hero(folder / "model", architecture)
        return [compared(asked, folder, chats, subject.parameters(architecture))]


def compared(asked: Asked, folder: Path, chats: int, parameters: int) -> Table:
    """All ways, with the hero in folder/model and its training."""
    model, quest = folder / "model", folder / "quest.jsonl"
    quest.write_bytes(subject.forge(chats))
    examples = write_examples(quest, model, folder / "examples.json")
    given = {
        "model": model,
        "quest": quest,
        "examples": folder / "examples.json",
        "folder": folder,
        "threads": len(os.sched_getaffinity(0)),
        "training": msgspec.to_builtins(load_hero(model / HERO_FILE).training),
    }
    with working(orders(asked, given)) as workers:
        return throughput(asked, workers, examples, parameters)


def write_examples(quest: Path, model: Path, file: Path) -> list[dict[str, list[int]]]:
    """The quest's examples as the rivals are given them: token ids, and labels with -100 where there is no loss."""
    chat, spec = ChatTokenizer.load(model), get_spec("chat_sft_v1")
    examples = [
        {"input_ids": example.ids, "labels": example.labels}
        for window in windows(quest, Cursor(1))
        for example in window_examples(window, chat, spec, subject.TRAINING, held_out=lambda line: False)[0]
    ]
    file.write_text(json.dumps(examples))
    return examples


def orders(asked: Asked, given: dict[str, object]) -> dict[str, Order]:
    made = {EAGER: Order(Path(sys.executable), "tests.benchmarks.our_trainer", {**given, "compile": False})}
    if not torch.cuda.is_available():
        ranked = {**given, "compile": False, "devices": given["threads"]}
        made[RANKS] = Order(Path(sys.executable), "tests.benchmarks.our_trainer", ranked)
    if shutil.which("g++"):
        made[COMPILED] = Order(Path(sys.executable), "tests.benchmarks.our_trainer", {**given, "compile": True})
    if asked.rivals:
        for way in (TRL_PACKING, HF_GROUPED, HF_PADDED):
            made[way] = Order(
                rivals_python(), "tests.benchmarks.rival_trainers", {**given, "act": "resident", "way": way}
            )
    return made


def throughput(
    asked: Asked, workers: dict[str, Worker], examples: list[dict[str, list[int]]], parameters: int
) -> Table:
    tokens = sum(len(example["input_ids"]) for example in examples)
    labelled = sum(label != -100 for example in examples for label in example["labels"])
    before = workers[EAGER].ask("judge")["loss"]
    losses = {}
    for way, worker in workers.items():  # each one's first round is not measured: it warms up
        worker.ask("train")
        losses[way] = worker.ask("judge")["loss"]
    ways = {way: partial(worker.ask, "train") for way, worker in workers.items()}
    answers = paired({**ways, "peak": partial(workers[EAGER].ask, "peak")}, asked.rounds)
    peak = median(answer["peak"] for answer in answers.pop("peak"))
    rows = []
    for way, rounds in answers.items():
        speeds = [tokens / answer["seconds"] for answer in rounds]
        share = 6 * parameters * median(speeds) / peak
        note = f"{share:.0%} of the matmul peak, {rounds[0]['steps']} steps, loss {losses[way]:.4f}{memory(rounds[0])}"
        rows.append(Row(way, speeds, note))
    return Table(
        title=f"Throughput: {parameters / 1e6:.1f} M parameters, {len(examples)} chats, {tokens:,} tokens",
        unit="real tokens/s",
        rows=rows,
        rival=TRL_PACKING if TRL_PACKING in workers else None,
        notes=[
            f"{labelled / tokens:.0%} of the tokens are labelled; fill {tokens / answers[EAGER][0]['padded']:.2f};"
            f" matmul peak {peak / 1e9:,.0f} GFLOP/s",
            f"loss over the examples {before:.4f} before; {agreement(losses)}",
            *([] if COMPILED in workers else ["g++ is not installed: nothing was compiled"]),
        ],
    )


def memory(answer: Answer) -> str:
    """On an accelerator."""
    return f", {answer['memory'] / GIB:.1f} GiB" if answer["memory"] else ""


def agreement(losses: dict[str, float]) -> str:
    spread = max(losses.values()) / min(losses.values()) - 1
    verdict = "THEY DIFFER: the comparison is void" if spread > LOSSES_DIFFER else "the same after the same examples"
    return f"after one round within {spread:.1%} of each other: {verdict}"


if __name__ == "__main__":
    measuring.run(__doc__, measure)
