"""Throughput on a CUDA device, for Qwen3-0.6B's shape: python -m tests.benchmarks.accelerator --rounds 3

As throughput.py, with DIO's settings: bf16 under autocast over fp32 weights, 4 x 2,048 tokens a pass. Weights are
random, so no download is needed. --small shows on a CPU that it runs, and nothing else.
"""

import tempfile
from pathlib import Path

import msgspec
import torch
from transformers import AutoModelForCausalLM

from realm.armory.heroes import Architecture, get_hero
from tests.benchmarks import measuring, subject
from tests.benchmarks.measuring import Asked, Table
from tests.benchmarks.throughput import compared

DIO = get_hero("dio")
WORDS = 151_936


def measure(asked: Asked) -> list[Table]:
    if not (asked.small or torch.cuda.is_available()):
        raise SystemExit("torch sees no CUDA device here: this is measured on one")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shape, words, chats = (subject.TINY, 8192, 40) if asked.small else (DIO.model.architecture, WORDS, 2000)
        make_hero(folder / "model", msgspec.structs.replace(shape, vocab_size=None), words)
        return [compared(asked, folder, chats, shape.parameters(words))]


def make_hero(folder: Path, shape: Architecture, words: int) -> None:
    """A hero whose tokenizer knows 4,096 words, with as many rows as a real one has."""
    training = msgspec.structs.replace(DIO.training, eval_steps=0, holdout=0.0, warmup_steps=0)
    subject.make_hero(folder, shape, training)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model.resize_token_embeddings(words, mean_resizing=False)
    model.save_pretrained(folder)


if __name__ == "__main__":
    measuring.run(__doc__, measure, rounds=3)
