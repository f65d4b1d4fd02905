"""Compiled steps: the losses of plain ones, the same bits again, and no program made in the middle of training."""

import shutil
from pathlib import Path

import msgspec
import pytest
import torch

from realm.arena.battle.engine import Engine
from realm.arena.battle.loaded_engine import Origin, load_engine
from realm.arena.battle.stream import cut_passes
from realm.armory.heroes import load_hero
from realm.core.config import Config, Training
from tests.arena.battle.test_crew import examples

SIZES = (9, 1, 17, 2, 30)  # examples of each step: passes of one row and of many, of all lengths

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed: nothing can be compiled")


@pytest.fixture
def training(squire: Path) -> Training:
    asked = msgspec.convert(load_hero(squire / "hero.yaml").training, Training)
    return msgspec.structs.replace(asked, batch_size=2, max_length=128, learning_rate=1e-3)


def loaded(squire: Path, training: Training, *, is_compiled: bool) -> Engine:
    return load_engine(Origin(squire, Config(compile=is_compiled, threads=1, device="cpu")), None, training)


def losses(engine: Engine) -> list[float]:
    steps = [cut_passes(examples(size, number), 256, packed=True) for number, size in enumerate(SIZES, 1)]
    return [engine.step(number, step).loss for number, step in enumerate(steps, 1)]


def weights(engine: Engine) -> torch.Tensor:
    return torch.cat([one.detach().flatten() for one in engine.model.parameters()])


def test_they_come_where_plain_ones_come_bit_by_bit_the_same_each_time(squire: Path, training: Training) -> None:
    plain, once, again = (loaded(squire, training, is_compiled=which) for which in (False, True, True))
    before, expected = weights(plain), losses(plain)
    with torch.compiler.set_stance("fail_on_recompile"):
        compiled = losses(once)
        assert losses(again) == compiled == pytest.approx(expected, rel=1e-4)
    assert torch.equal(weights(once), weights(again))
    assert float((weights(once) - weights(plain)).norm()) < 0.02 * float((weights(plain) - before).norm())


def test_what_is_measured_is_as_without(squire: Path, training: Training) -> None:
    passes = cut_passes(examples(9, 1), 256, packed=True)
    plain, compiled = (loaded(squire, training, is_compiled=which) for which in (False, True))
    assert compiled.validation_loss(passes) == plain.validation_loss(passes)
    assert torch.equal(weights(compiled), weights(plain))
