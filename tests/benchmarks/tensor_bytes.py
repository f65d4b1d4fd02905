"""Every tensor of a step, counted while it lives, without computing it: fake tensors have sizes and no content."""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import msgspec
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.optim import Optimizer
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary
from transformers import AutoModelForCausalLM, PreTrainedModel, Qwen3Config

from realm.arena.battle.adapters import adapt
from realm.arena.battle.chat import Example
from realm.arena.battle.engine import Engine
from realm.arena.battle.stream import Pass, Step
from realm.armory.heroes import Architecture
from realm.core.config import Training


class LiveBytes(TorchDispatchMode):
    """Bytes of all storages that live: now, and at most."""

    def __init__(self) -> None:
        super().__init__()
        self._known: Any = WeakIdKeyDictionary()
        self.now = self.peak = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        for one in tree_leaves(made):
            if isinstance(one, Tensor):
                self.count(one)
        return made

    def count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage not in self._known:
            self._known[storage] = size = storage.nbytes()
            self.now += size
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._forget, size)

    def _forget(self, size: int) -> None:
        self.now -= size


@contextmanager
def numbers_of_nothing() -> Iterator[None]:
    """A loss or a norm that is read is 1: nothing was computed."""
    with (
        patch.object(FakeTensor, "__float__", lambda _: 1.0, create=True),
        patch.object(FakeTensor, "__int__", lambda _: 1, create=True),
    ):
        yield


def fake_model(shape: Architecture, vocabulary: int, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    with FakeTensorMode(allow_non_fake_inputs=True):
        return AutoModelForCausalLM.from_config(_config(shape, vocabulary), dtype=dtype)  # type: ignore[no-any-return]


def _config(shape: Architecture, vocabulary: int) -> Qwen3Config:
    return Qwen3Config(**{**msgspec.to_builtins(shape), "vocab_size": vocabulary})


def peak_of(model: PreTrainedModel, optimizer: Optimizer, step: Callable[[], object]) -> int:
    """Bytes at the fullest moment of a step that is not the first."""
    with numbers_of_nothing():
        step()
        live = LiveBytes()
        for one in [*model.parameters(), *model.buffers(), *(t for s in optimizer.state.values() for t in s.values())]:
            live.count(one)
        with live:
            step()
    return live.peak


def our_peak(shape: Architecture, vocabulary: int, training: Training, step: Step | None = None) -> int:
    """Of the arena's engine; for a step of two full passes, all of whose tokens are labelled, unless one is given."""
    engine = Engine(fake_model(shape, vocabulary), training, pad=0)
    chosen = step or (full_pass(training),) * 2
    return peak_of(engine.model, engine.optimizer, lambda: engine.step(2, chosen))


def our_peak_with_adapters(shape: Architecture, vocabulary: int, training: Training, rank: int) -> int:
    """The same with LoRA, by real tensors, which are computed: peft makes no fake ones."""
    model = AutoModelForCausalLM.from_config(_config(shape, vocabulary), dtype=torch.float32)
    adapt(model, rank, seed=1)
    engine = Engine(model, training, pad=0)
    return peak_of(engine.model, engine.optimizer, lambda: engine.step(2, (full_pass(training),) * 2))


def full_pass(training: Training) -> Pass:
    return (example(training.max_length),) * training.batch_size


def example(tokens: int) -> Example:
    return Example(ids=[1] * tokens, labels=[1] * tokens)
