"""Snapshots are copies that nothing later changes, and seals of them are plain safetensors."""

import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from safetensors.torch import load
from torch import nn

from realm.arena.battle import snapshot as snapshot_module
from realm.arena.battle.campaign import Campaign
from realm.arena.battle.chat import Example
from realm.arena.battle.engine import Engine
from realm.arena.battle.sealed_state import SealedState
from realm.arena.battle.snapshot import OPTIMIZER, WEIGHTS, Camera, TensorSnapshot
from realm.core.config import Config
from tests.arena.battle import engines
from tests.settings import TRAINING

STATE = SealedState(campaign=Campaign(hero="squire", training=TRAINING), fingerprint={})


class Subject:
    """A small model in training."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        torch.manual_seed(1)
        self.module = nn.Sequential(nn.Linear(5, 7), nn.Linear(7, 3)).to(torch.float32)
        self.module.register_parameter("halved", nn.Parameter(torch.ones(3, dtype=torch.bfloat16)))
        self.optimizer = torch.optim.AdamW(self.module.parameters())
        self.camera = Camera(self, self.optimizer)  # type: ignore[arg-type]
        self.step()

    def named_parameters(self) -> Any:
        return self.module.named_parameters()

    def step(self) -> None:
        loss = self.module(torch.ones(2, 5)).sum() + self.module.get_parameter("halved").float().sum()
        loss.backward()
        self.camera.settle()
        self.optimizer.step()

    def weights(self) -> dict[str, torch.Tensor]:
        return {name: one.detach().clone() for name, one in self.named_parameters()}


@pytest.fixture
def subject() -> Subject:
    return Subject()


def sealed(snapshot: TensorSnapshot, part: str) -> dict[str, torch.Tensor]:
    """Read back by the library that owns the format."""
    return dict(load(b"".join(bytes(chunk) for chunk in snapshot.parts()[part])))


def are_equal(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(
        left[name].dtype == right[name].dtype and torch.equal(left[name], right[name]) for name in left
    )


def test_a_seal_is_plain_safetensors_of_weights_and_moments(subject: Subject) -> None:
    snapshot = subject.camera.take(STATE)
    assert are_equal(sealed(snapshot, WEIGHTS), subject.weights())
    moments = sealed(snapshot, OPTIMIZER)
    assert moments.keys() == {
        f"{name}/{key}" for name in subject.weights() for key in ("step", "exp_avg", "exp_avg_sq")
    }
    assert all(moments[f"{name}/step"].shape == () for name in subject.weights())
    parameter = subject.module.get_parameter("0.weight")
    assert torch.equal(moments["0.weight/exp_avg"], subject.optimizer.state[parameter]["exp_avg"])
    assert snapshot.size == sum(one.nbytes for one in (*subject.weights().values(), *moments.values()))


def test_what_is_trained_next_changes_no_snapshot(subject: Subject) -> None:
    before, snapshot = subject.weights(), subject.camera.take(STATE)
    moments = sealed(snapshot, OPTIMIZER)
    subject.step()
    later = subject.camera.take(STATE)
    subject.step()
    assert are_equal(sealed(snapshot, WEIGHTS), before)
    assert are_equal(sealed(snapshot, OPTIMIZER), moments)
    assert not are_equal(sealed(later, WEIGHTS), before)


def test_what_is_still_being_written_is_not_overwritten(subject: Subject) -> None:
    before = subject.weights()
    chunks = subject.camera.take(STATE).parts()[WEIGHTS]  # the writer has no more than these
    subject.step()
    subject.camera.take(STATE)
    assert are_equal(dict(load(b"".join(bytes(chunk) for chunk in chunks))), before)


def test_memory_is_used_again_once_a_snapshot_is_forgotten(subject: Subject) -> None:
    first = subject.camera.take(STATE).weights["0.weight"].data_ptr()
    again = subject.camera.take(STATE)
    assert again.weights["0.weight"].data_ptr() == first
    assert subject.camera.take(STATE).weights["0.weight"].data_ptr() != first


class LateCopies:
    """Copies that are not begun before the engine waits for them."""

    def __init__(self, engine: Engine, monkeypatch: pytest.MonkeyPatch):
        self._wanted = threading.Event()
        self._camera, self._filled = engine._camera, snapshot_module._filled
        self._settle = engine._camera.settle
        monkeypatch.setattr(snapshot_module, "_filled", self._fill_late)
        monkeypatch.setattr(engine._camera, "settle", self.settle)

    def _fill_late(self, *what: Any) -> Any:
        self._wanted.wait()
        return self._filled(*what)

    def settle(self) -> None:
        if self._camera._copies:
            self._wanted.set()
        self._settle()


@pytest.fixture
def engine(squire: Path) -> Engine:
    """Within its training, with moments."""
    engine = engines.loaded(squire, Config())
    train(engine, 1)
    return engine


def train(engine: Engine, number: int) -> None:
    engine.step(number, ((Example([5, 6, 7, 8], [-100, 6, 7, 8]),),))


def live(engine: Engine) -> dict[str, torch.Tensor]:
    return {name: one.detach().clone() for name, one in engine.model.named_parameters()}


def updates(snapshot: TensorSnapshot) -> set[float]:
    """How many of them the moments have seen."""
    return {float(one) for name, one in sealed(snapshot, OPTIMIZER).items() if name.endswith("/step")}


def test_a_step_overwrites_nothing_that_is_still_to_be_copied(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    before, late = live(engine), LateCopies(engine, monkeypatch)
    snapshot = engine.snapshot(engines.STATE)
    train(engine, 2)
    late.settle()
    assert not are_equal(live(engine), before)
    assert are_equal(sealed(snapshot, WEIGHTS), before)
    assert updates(snapshot) == {1.0}


def test_another_precision_waits_for_the_copies(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    before, late = live(engine), LateCopies(engine, monkeypatch)
    snapshot = engine.snapshot(engines.STATE)
    engine.adopt(msgspec.structs.replace(engines.SETTINGS, precision="pure_bf16"))
    train(engine, 2)
    late.settle()
    assert are_equal(sealed(snapshot, WEIGHTS), before)
    assert updates(snapshot) == {1.0}


def test_what_goes_wrong_with_a_copy_is_not_hidden(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*what: Any) -> Any:
        raise RuntimeError("the device is gone")

    monkeypatch.setattr(snapshot_module, "_filled", fail)
    snapshot = engine.snapshot(engines.STATE)
    with pytest.raises(RuntimeError, match="the device is gone"):
        snapshot.parts()
    with pytest.raises(RuntimeError, match="the device is gone"):
        train(engine, 2)
