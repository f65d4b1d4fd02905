"""A model and its optimizer as a seal's parts, and back. The copy is taken at a step boundary, the bytes made later."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch
from safetensors.torch import load_file, save
from torch import Tensor

from realm.arena.battle.campaign import Campaign
from realm.arena.battle.engine import Engine
from realm.arena.battle.exactness import Fingerprint
from realm.arena.battle.seal import Chunks, Seal

WEIGHTS, OPTIMIZER, STATE = "weights.safetensors", "optimizer.safetensors", "state.json"


class SealedState(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a seal that is not tensors."""

    campaign: Campaign
    fingerprint: Fingerprint


@dataclass(frozen=True)
class Snapshot:
    """Copies of everything, independent of what is trained next."""

    weights: dict[str, Tensor]
    moments: dict[str, Tensor]
    state: SealedState

    @property
    def size(self) -> int:
        """Bytes of its tensors."""
        return sum(tensor.nbytes for tensors in (self.weights, self.moments) for tensor in tensors.values())

    def parts(self) -> dict[str, Chunks]:
        return {
            WEIGHTS: _serialised(self.weights),
            OPTIMIZER: _serialised(self.moments),
            STATE: [msgspec.json.encode(self.state)],
        }


def take_snapshot(engine: Engine, campaign: Campaign, fingerprint: Fingerprint) -> Snapshot:
    weights = {name: _copied(parameter.data) for name, parameter in engine.model.named_parameters()}
    moments = {
        f"{name}/{key}": _copied(value)
        for name, parameter in engine.model.named_parameters()
        for key, value in engine.optimizer.state.get(parameter, {}).items()
    }
    return Snapshot(weights, moments, SealedState(campaign=campaign, fingerprint=fingerprint))


def read_state(seal: Seal) -> SealedState:
    return msgspec.json.decode(seal.path(STATE).read_bytes(), type=SealedState)


@torch.no_grad()
def restore(engine: Engine, seal: Seal) -> None:
    """Puts a seal's weights and moments into a fresh engine of the same shape. Raises KeyError, RuntimeError."""
    weights, moments = _tensors(seal.path(WEIGHTS)), _tensors(seal.path(OPTIMIZER))
    for name, parameter in engine.model.named_parameters():
        parameter.copy_(weights[name])
        keys = [key for key in moments if key.rpartition("/")[0] == name]
        if keys:
            on_device = {key.rpartition("/")[2]: moments[key].to(parameter.device) for key in keys}
            engine.optimizer.state[parameter] = on_device


def _copied(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", copy=True)


def _serialised(tensors: dict[str, Tensor]) -> Iterator[bytes]:
    """Bytes made when the writer asks for them, so not in the step loop."""
    yield save(tensors)


def _tensors(path: Path) -> dict[str, Tensor]:
    return dict(load_file(path))
