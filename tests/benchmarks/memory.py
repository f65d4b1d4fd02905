"""Memory of a training step for Qwen3-0.6B's shape, without a GPU: python -m tests.benchmarks.memory

Every tensor is counted while it lives; none is computed (tensor_bytes.py). Beside the arena's engine stands what plain
transformers takes: logits of every token, and torch's AdamW over weights of the same kind. Then how far the formula of
`realm vram` is off, and what an example of 8,192 tokens costs beside short ones. Not counted: CUDA's own context (0.5
to 0.9 GiB), cuBLAS' workspace, and what lies unused between tensors.
"""

from contextlib import nullcontext
from itertools import product

import msgspec
import torch
from torch.optim import AdamW

from realm.arena.battle.stream import cut_passes
from realm.armory.heroes import Architecture, get_hero
from realm.armory.vram import GIB, Model, need
from realm.core.config import Precision, Training
from tests.benchmarks import measuring
from tests.benchmarks.measuring import Asked, Row, Table
from tests.benchmarks.tensor_bytes import example, fake_model, full_pass, our_peak, peak_of

DIO = get_hero("dio")
PRECISIONS: tuple[Precision, ...] = ("pure_bf16", "bf16", "fp32")
SHAPES = ((4, 2048), (1, 2048), (16, 384))  # examples x tokens
LONG, SHORT = 8192, 128  # tokens
UNIT = "GiB of tensors at the fullest moment"


def measure(asked: Asked) -> list[Table]:
    shape = DIO.model.architecture
    if asked.small:
        shape = msgspec.structs.replace(shape, num_hidden_layers=2)
    return [beside_transformers(shape), formula(shape), long_example(shape)]


def settings(precision: Precision, batch: int, length: int, *, checkpointing: bool = True) -> Training:
    return msgspec.structs.replace(
        DIO.training,
        precision=precision,
        batch_size=batch,
        max_length=length,
        gradient_checkpointing=checkpointing,
        exact=False,
    )


def beside_transformers(shape: Architecture) -> Table:
    rows = []
    for precision in PRECISIONS:
        training = settings(precision, 4, 2048)
        ours, plain = our_peak(shape, words(), training, (full_pass(training),)), plain_peak(shape, training)
        rows += [
            Row(f"ours, {precision}", [ours / GIB], f"{ours / plain:.0%} of transformers'"),
            Row(f"ours, {precision}, a second such pass", [our_peak(shape, words(), training) / GIB]),
            Row(f"transformers, {precision}", [plain / GIB]),
        ]
    return Table("Memory: 4 x 2,048 tokens, gradient checkpointing", UNIT, rows)


def words() -> int:
    assert DIO.model.architecture.vocab_size
    return DIO.model.architecture.vocab_size


def plain_peak(shape: Architecture, training: Training) -> int:
    """transformers' own loss, every label counted, and torch's AdamW."""
    dtype = torch.bfloat16 if training.precision == "pure_bf16" else torch.float32
    model = fake_model(shape, words(), dtype)
    model.activation_checkpointing_enable({"use_reentrant": False})
    model.train()
    optimizer = AdamW(model.parameters())
    ids = torch.ones(training.batch_size, training.max_length, dtype=torch.long)
    autocast = torch.autocast("cpu", torch.bfloat16) if training.precision == "bf16" else nullcontext()

    def step() -> None:
        with autocast:
            model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return peak_of(model, optimizer, step)


def formula(shape: Architecture) -> Table:
    rows = []
    for precision, (batch, length), checkpointing in product(PRECISIONS, SHAPES, (True, False)):
        training = settings(precision, batch, length, checkpointing=checkpointing)
        measured = our_peak(shape, words(), training)
        foreseen = need(Model(shape, words()), training, context=0).total
        way = f"{precision}, {batch} x {length:,}, {'checkpointed' if checkpointing else 'kept'}"
        rows.append(Row(way, [measured / GIB], f"foreseen {foreseen / GIB:.2f}, {foreseen / measured - 1:+.1%}"))
    return Table("The formula of `realm vram`", UNIT, rows)


def long_example(shape: Architecture) -> Table:
    """Steps of as many tokens, in passes of at most the same size."""
    training = settings("bf16", 4, 2048)
    short = [example(SHORT)] * (2 * LONG // SHORT)
    long = [example(LONG), *short[: LONG // SHORT]]
    rows = [
        Row(f"{len(examples)} examples, the longest of {max(len(one.ids) for one in examples):,} tokens", [peak / GIB])
        for examples in (short, long)
        for peak in [our_peak(shape, words(), training, cut_passes(examples, training.tokens_per_pass, packed=True))]
    ]
    return Table(f"One long example among short ones: steps of {2 * LONG:,} tokens", UNIT, rows, rival=rows[0].way)


if __name__ == "__main__":
    measuring.run(__doc__, measure, rounds=1)
