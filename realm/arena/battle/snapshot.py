"""A model and its optimizer as a seal's parts, and back. The copy is taken at a step boundary, the bytes made later."""

import errno
import os
import re
import struct
import weakref
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.optim import Optimizer
from transformers import PreTrainedModel

from realm.arena.battle.adapters import fitted, merged
from realm.arena.battle.moments import kept_as
from realm.arena.battle.seal import Chunks, Seal
from realm.arena.battle.sealed_state import STATE, SealedState
from realm.arena.battle.sharding import sliced_as, whole
from realm.core.config import CheckpointDtype

WEIGHTS, OPTIMIZER = "weights.safetensors", "optimizer.safetensors"
DTYPES: dict[CheckpointDtype, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}
SAFETENSORS_DTYPES = {torch.float32: "F32", torch.bfloat16: "BF16", torch.uint8: "U8", torch.int64: "I64"}

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class TensorSnapshot:
    """Copies of weights and moments, and the model whose shape they have."""

    model: PreTrainedModel
    weights: Tensors
    moments: Tensors
    state: SealedState

    @property
    def size(self) -> int:
        """Bytes of its tensors."""
        return sum(tensor.nbytes for tensors in (self.weights, self.moments) for tensor in tensors.values())

    def parts(self) -> dict[str, Chunks]:
        return {
            WEIGHTS: self._serialised(self.weights),
            OPTIMIZER: self._serialised(self.moments),
            STATE: [msgspec.json.encode(self.state)],
        }

    def save_pretrained(self, folder: Path, dtype: CheckpointDtype) -> None:
        save_pretrained(self.model, self.weights, folder, dtype)

    def _serialised(self, tensors: Tensors) -> Chunks:
        """A safetensors file, tensor by tensor: no second copy of them in memory. Holds on to the snapshot."""
        header, offset = {}, 0
        for name, tensor in tensors.items():
            header[name] = {
                "dtype": SAFETENSORS_DTYPES[tensor.dtype],
                "shape": list(tensor.shape),
                "data_offsets": [offset, offset + tensor.nbytes],
            }
            offset += tensor.nbytes
        text = msgspec.json.encode(header)
        text += b" " * (-len(text) % 8)
        yield struct.pack("<Q", len(text)) + text
        for tensor in tensors.values():
            yield tensor.view(-1).view(torch.uint8).numpy().data


class Kept(NamedTuple):
    """What a model goes on from: whole weights and moments, by the names that seals have."""

    weights: Tensors
    moments: Tensors

    @classmethod
    def of_seal(cls, seal: Seal) -> Self:
        return cls(load_file(seal.path(WEIGHTS)), load_file(seal.path(OPTIMIZER)))


class Camera:
    """Takes snapshots of one model and its optimizer, into buffers that it uses again once a snapshot is forgotten.

    The copies of a model on a CUDA device are in pinned memory.
    """

    def __init__(self, model: PreTrainedModel, optimizer: Optimizer):
        self._model, self._optimizer = model, optimizer
        self._buffers: Tensors = {}
        self._taken: Callable[[], TensorSnapshot | None] = lambda: None

    def take(self, state: SealedState) -> TensorSnapshot:
        """At a step boundary, on all ranks. What it costs is one copy of 12 bytes a parameter, in fp32."""
        if self._taken() is not None:
            self._buffers = {}  # they are that one's now
        weights, moments = (self._copies(tensors) for tensors in self._tensors())
        snapshot = TensorSnapshot(self._model, weights, moments, state)
        if self._model.device.type == "cuda":
            torch.cuda.synchronize(self._model.device)  # until all copies have arrived
        self._taken = weakref.ref(snapshot)
        return snapshot

    def lend(self) -> None:
        """Gives the slices of this rank to the one that takes a snapshot."""
        for tensors in self._tensors():
            for tensor in tensors.values():
                whole(tensor)

    def kept(self) -> Kept:
        """Copies of all in plain memory, on every rank."""
        weights, moments = (
            {name: whole(one).to("cpu", copy=True) for name, one in some.items()} for some in self._tensors()
        )
        return Kept(weights, moments)

    def _tensors(self) -> tuple[Tensors, Tensors]:
        """Weights, and moments, of which all ranks have the same names in the same order."""
        weights = {name: parameter.detach() for name, parameter in self._model.named_parameters()}
        moments = {
            f"{name}/{key}": value
            for name, parameter in self._model.named_parameters()
            for key, value in self._optimizer.state.get(parameter, {}).items()
        }
        return weights, moments

    def _copies(self, tensors: Tensors) -> Tensors:
        return {name: self._copy(name, tensor) for name, tensor in tensors.items()}

    def _copy(self, name: str, slice_: Tensor) -> Tensor:
        tensor = whole(slice_)
        buffer = self._buffers.get(name)
        if buffer is None:
            buffer = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=tensor.is_cuda)
            self._buffers[name] = buffer
        return buffer.copy_(tensor.detach(), non_blocking=True)


def save_pretrained(
    model: PreTrainedModel, weights: Mapping[str, Tensor], folder: Path, dtype: CheckpointDtype
) -> None:
    """Weights by parameter name, of the model's shape, as a plain Hugging Face folder. Raises OSError."""
    try:
        plain = {name: one.to(DTYPES[dtype]) for name, one in merged(weights).items()}
        model.save_pretrained(folder, state_dict=plain)
    except SafetensorError as error:  # it hides what the kernel said in its text
        found = re.search(r"os error (\d+)", str(error))
        number = int(found[1]) if found else errno.EIO
        raise OSError(number, os.strerror(number), str(folder)) from error


@torch.no_grad()
def restore_weights(model: PreTrainedModel, kept: Kept) -> frozenset[str]:
    """Into a fresh model that is not cut yet. Returns the names that it found. Raises KeyError, RuntimeError.

    An adapter that has another rank than the kept one begins anew, and is not among them.
    """
    weights = fitted(kept.weights, model)
    for name, parameter in model.named_parameters():
        if name in weights:
            parameter.copy_(weights[name])
    return frozenset(weights)


def restore_moments(model: PreTrainedModel, optimizer: Optimizer, kept: Kept, found: Set[str], *, coded: bool) -> None:
    """Of what is trained, and was `found` among the weights: the moments of what begins anew are of another one."""
    for name, parameter in model.named_parameters():
        moments = {key.rpartition("/")[2]: one for key, one in kept.moments.items() if key.rpartition("/")[0] == name}
        if moments and parameter.requires_grad and name in found:
            slices = {key: sliced_as(one, parameter) for key, one in moments.items()}
            optimizer.state[parameter] = kept_as(slices, parameter, coded)
