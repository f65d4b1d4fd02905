"""Several ranks train what one would train: real processes, over gloo."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
import torch

from realm.arena.battle.chat import Example
from realm.arena.battle.engine import Engine
from realm.arena.battle.learner import Learner
from realm.arena.battle.loaded_hero import load
from realm.arena.battle.ranks import Ranks
from realm.arena.battle.seal import Seal
from realm.arena.battle.sharding import own
from realm.arena.battle.snapshot import TensorSnapshot
from realm.arena.battle.stream import Step, cut_passes
from realm.armory.heroes import load_hero
from realm.armory.memory import give_back
from realm.armory.vram import Model, need
from realm.core.config import Config, Training
from tests.arena.battle.engines import STATE, sealed


def examples(count: int, seed: int) -> list[Example]:
    dice = random.Random(seed)
    lengths = [dice.randint(5, 60) for _ in range(count)]
    ids = [[dice.randrange(200) for _ in range(length)] for length in lengths]
    return [Example(one, [-100, *one[1:]]) for one in ids]


@pytest.fixture
def training(squire: Path) -> Training:
    asked = msgspec.convert(load_hero(squire / "hero.yaml").training, Training)
    return msgspec.structs.replace(asked, batch_size=2, max_length=128)


SIZES = [9, 1, 17, 2]  # also fewer passes than ranks
ONE = Config(threads=1, device="cpu")
TWO = msgspec.structs.replace(ONE, devices=2)
SHARDED = msgspec.structs.replace(TWO, sharded=True)


class Trained(NamedTuple):
    losses: list[float]
    validation: float
    weights: torch.Tensor  # all in one
    norms: list[float]
    held: int  # bytes of weights and moments in the memory of rank 0


@contextmanager
def loaded(squire: Path, training: Training, config: Config, seal: Seal | None = None) -> Iterator[Learner]:
    hero = load(squire, seal, training, config)
    try:
        yield hero.learner
    finally:
        del hero
        give_back()


def trained(learner: Learner, training: Training, sizes: list[int], first: int = 1) -> Trained:
    steps = [
        cut_passes(examples(size, number), training.tokens_per_pass, packed=True)
        for number, size in enumerate(sizes, first)
    ]
    results = [learner.step(number, step) for number, step in enumerate(steps, first)]
    validation = learner.validation_loss(cut_passes(examples(5, 99), training.tokens_per_pass, packed=True))
    snapshot = learner.snapshot(STATE)
    assert isinstance(snapshot, TensorSnapshot)
    weights = torch.cat([one.float().flatten() for one in snapshot.weights.values()])
    engine = getattr(learner, "engine", learner)
    return Trained(
        [one.loss for one in results], validation, weights, [one.gradient_norm for one in results], held_by(engine)
    )


def held_by(engine: Engine) -> int:
    moments = [one for state in engine.optimizer.state.values() for one in state.values()]
    return sum(own(one).nbytes for one in [*engine.model.parameters(), *moments])


def assert_alike(one: Trained, other: Trained, begun: torch.Tensor) -> None:
    assert other.losses == pytest.approx(one.losses, rel=1e-4)
    assert other.validation == pytest.approx(one.validation, rel=1e-4)
    assert other.norms == pytest.approx(one.norms, rel=1e-3)
    assert float((other.weights - one.weights).norm()) < 0.02 * float((one.weights - begun).norm())


@pytest.fixture
def begun(squire: Path, training: Training) -> torch.Tensor:
    with loaded(squire, training, ONE) as learner:
        return trained(learner, training, []).weights


@pytest.fixture
def alone(squire: Path, training: Training) -> Trained:
    with loaded(squire, training, ONE) as learner:
        return trained(learner, training, SIZES)


def test_two_ranks_come_where_one_comes(squire: Path, training: Training, alone: Trained, begun: torch.Tensor) -> None:
    with loaded(squire, training, TWO) as learner:
        assert_alike(alone, trained(learner, training, SIZES), begun)


def test_adapters_beside_slices_come_where_they_come_alone(squire: Path, training: Training) -> None:
    ends = []
    for config in (ONE, SHARDED):
        with loaded(squire, training, msgspec.structs.replace(config, lora_rank=4)) as learner:
            ends.append(trained(learner, training, SIZES))
            del learner
    alone, sliced = ends
    assert sliced.losses == pytest.approx(alone.losses, rel=1e-4)
    assert sliced.held < 0.6 * alone.held


def test_ranks_with_slices_come_where_one_comes_and_hold_a_part(
    squire: Path, training: Training, alone: Trained, begun: torch.Tensor
) -> None:
    with loaded(squire, training, SHARDED) as learner:
        sliced = trained(learner, training, SIZES)
    assert_alike(alone, sliced, begun)
    assert sliced.held < 0.6 * alone.held
    assert sliced.held == pytest.approx(foreseen(squire, training), rel=0.01)


def foreseen(squire: Path, training: Training) -> int:
    """Bytes of weights and moments on each of two devices, by the formula of `realm vram`."""
    words = int(msgspec.json.decode((squire / "config.json").read_bytes())["vocab_size"])
    needed = need(Model(load_hero(squire / "hero.yaml").model.architecture, words, shards=2), training)
    return needed.weights + needed.optimizer


def test_slices_under_autocast_and_checkpointing_come_where_they_come_alone(squire: Path, training: Training) -> None:
    settings = msgspec.structs.replace(training, precision="bf16", gradient_checkpointing=True)
    ends = []
    for config in (ONE, SHARDED):
        with loaded(squire, settings, config) as learner:
            ends.append(trained(learner, settings, SIZES))
            del learner  # with its crew: there is only one at a time
    alone, sliced = ends
    assert sliced.losses == pytest.approx(alone.losses, rel=2e-3)
    assert sliced.norms == pytest.approx(alone.norms, rel=2e-2)
    assert float((sliced.weights - alone.weights).norm()) < 0.01 * float(alone.weights.norm())


@pytest.mark.parametrize(("then", "now"), [(SHARDED, ONE), (ONE, SHARDED)])
def test_a_seal_of_slices_is_whole(
    squire: Path, training: Training, begun: torch.Tensor, tmp_path: Path, then: Config, now: Config
) -> None:
    with loaded(squire, training, then) as learner:
        trained(learner, training, SIZES)
        seal = sealed(learner, tmp_path / "seals")
        further = trained(learner, training, [7, 3], first=5)
        del learner  # with its crew: there is only one at a time
    with loaded(squire, training, now, seal) as learner:
        assert_alike(further, trained(learner, training, [7, 3], first=5), begun)


def test_slices_become_other_numbers(squire: Path, training: Training) -> None:
    pure = msgspec.structs.replace(training, precision="pure_bf16")
    ends = []
    for config in (ONE, SHARDED):
        with loaded(squire, training, config) as learner:
            before = trained(learner, training, SIZES)
            learner.adopt(pure)
            assert trained(learner, pure, []).held < 0.55 * before.held
            ends.append(trained(learner, pure, [5, 9], first=5))
            del learner  # with its crew: there is only one at a time
    one, sliced = ends
    assert sliced.losses == pytest.approx(one.losses, rel=5e-3)
    assert float((sliced.weights - one.weights).norm()) < 0.01 * float(one.weights.norm())  # what rounding cut off


@pytest.mark.parametrize("packed", [True, False])
def test_every_example_is_of_one_rank_and_none_has_much_more_than_others(packed: bool) -> None:
    step: Step = cut_passes(examples(50, 1), 256, packed=packed)
    shares = Ranks(0, 3).shares(step, packed=packed)
    together = [example for share in shares for one in share for example in one]
    assert sorted(map(id, together)) == sorted(id(example) for one in step for example in one)
    costs = [sum(len(example.ids) for one in share for example in one) for share in shares]
    assert max(costs) - min(costs) < (60 if packed else 2 * 256)
    assert all(sum(len(example.ids) for example in one) <= 256 for share in shares for one in share)
    assert Ranks().shares(step, packed=packed) == [step]
