"""The formula, held against every tensor of a step; and what is read from it."""

import msgspec
import pytest

from realm.armory.heroes import Architecture
from realm.armory.vram import GIB, Battle, Model, context_of, largest_batch, need
from realm.core.config import Precision, Training
from tests.benchmarks.tensor_bytes import our_peak, our_peak_with_adapters
from tests.settings import TRAINING

DEEP = Architecture(
    hidden_size=128,
    intermediate_size=512,
    num_hidden_layers=4,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=64,
    max_position_embeddings=4096,
    rope_theta=10000.0,
    rms_norm_eps=1e-6,
    tie_word_embeddings=True,
    initializer_range=0.02,
)
WIDE = msgspec.structs.replace(DEEP, hidden_size=512, num_hidden_layers=2, num_attention_heads=8, intermediate_size=640)
UNTIED = msgspec.structs.replace(WIDE, tie_word_embeddings=False)


def settings(precision: Precision, *, checkpointing: bool, batch: int = 8, length: int = 512) -> Training:
    return msgspec.structs.replace(
        TRAINING,
        precision=precision,
        gradient_checkpointing=checkpointing,
        batch_size=batch,
        max_length=length,
        exact=False,
    )


@pytest.mark.parametrize("precision", ["fp32", "bf16", "pure_bf16"])
@pytest.mark.parametrize("checkpointing", [True, False], ids=["checkpointed", "kept"])
@pytest.mark.parametrize(
    ("shape", "vocabulary", "batch"),
    [(DEEP, 1000, 16), (WIDE, 1000, 16), (WIDE, 50_000, 2), (UNTIED, 50_000, 2)],
    ids=["deep", "wide", "words", "untied"],
)
def test_the_formula_is_near_every_tensor_of_a_step(
    shape: Architecture, vocabulary: int, batch: int, precision: Precision, checkpointing: bool
) -> None:
    training = settings(precision, checkpointing=checkpointing, batch=batch)
    foreseen = need(Model(shape, vocabulary), training, context=0).total
    assert foreseen == pytest.approx(our_peak(shape, vocabulary, training), rel=0.08)


@pytest.mark.parametrize("checkpointing", [True, False], ids=["checkpointed", "kept"])
def test_with_adapters_it_is_nearer_than_a_fifth(checkpointing: bool) -> None:
    training = settings("bf16", checkpointing=checkpointing, batch=4)
    model = Model(DEEP, 1000, lora_rank=16)
    measured = our_peak_with_adapters(DEEP, 1000, training, rank=16)
    assert need(model, training, context=0).total == pytest.approx(measured, rel=0.2)


def test_the_largest_batch_is_the_last_that_fits() -> None:
    training = settings("bf16", checkpointing=True)
    there = 3 * GIB
    batch = largest_batch(Model(DEEP, 1000), training, there)
    assert batch > 1
    fitting, beyond = (
        need(Model(DEEP, 1000), msgspec.structs.replace(training, batch_size=one)).total for one in (batch, batch + 1)
    )
    assert fitting <= there < beyond
    assert largest_batch(Model(DEEP, 1000), training, 0.5 * GIB) == 0
    assert largest_batch(Model(DEEP, 1000), training, 1e18) == 1024


def test_finished_battles_tell_what_the_tensors_do_not() -> None:
    training = settings("bf16", checkpointing=True)
    tensors = need(Model(DEEP, 1000), training, context=0).total
    battles = [Battle(training, tensors + beside) for beside in (10**8, 3 * 10**8, 2 * 10**8)]
    default = need(Model(DEEP, 1000), training).context
    assert context_of(Model(DEEP, 1000), battles) == 2 * 10**8 + default
    assert context_of(Model(DEEP, 1000), []) is None
