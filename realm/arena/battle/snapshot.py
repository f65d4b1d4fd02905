"""A model and its optimizer as a seal's parts, and back.

The copies are made beside the passes of the next step, which only read what is copied; its update waits for them
(Mohan, Phanishayee and Chidambaram 2021, "CheckFreq: Frequent, Fine-Grained DNN Checkpointing"). The bytes are made of
them later.
"""

import errno
import os
import re
import struct
import weakref
from collections.abc import Callable, Mapping, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

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
from realm.arena.battle.sharding import is_slice, sliced_as, whole
from realm.core.config import CheckpointDtype

WEIGHTS, OPTIMIZER = "weights.safetensors", "optimizer.safetensors"
DTYPES: dict[CheckpointDtype, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}
SAFETENSORS_DTYPES = {torch.float32: "F32", torch.bfloat16: "BF16", torch.uint8: "U8", torch.int64: "I64"}

Tensors = dict[str, Tensor]


class Kept(NamedTuple):
    """What a model goes on from: whole weights and moments, by the names that seals have."""

    weights: Tensors
    moments: Tensors

    @classmethod
    def of_seal(cls, seal: Seal) -> Self:
        return cls(load_file(seal.path(WEIGHTS)), load_file(seal.path(OPTIMIZER)))


@dataclass(frozen=True)
class TensorSnapshot:
    """Copies of weights and moments, and the model whose shape they have. Who reads them waits until they are made."""

    model: PreTrainedModel
    state: SealedState
    size: int  # bytes of its tensors
    copies: "Future[Kept]"

    @property
    def weights(self) -> Tensors:
        return self.copies.result().weights

    @property
    def moments(self) -> Tensors:
        return self.copies.result().moments

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
            yield _bytes(tensor).data


class Camera:
    """Takes snapshots of one model and its optimizer, into buffers that it uses again once a snapshot is forgotten.

    The copies of a model on a CUDA device are in pinned memory.
    """

    def __init__(self, model: PreTrainedModel, optimizer: Optimizer):
        self._model, self._optimizer = model, optimizer
        self._buffers: Tensors = {}
        self._taken: Callable[[], TensorSnapshot | None] = lambda: None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="snapshot")
        self._copies: Future[Kept] | None = None

    def take(self, state: SealedState) -> TensorSnapshot:
        """At a step boundary, on all ranks. Until `settle` returns nothing may be written that it copies."""
        self.settle()
        if self._taken() is not None:
            self._buffers = {}  # they are that one's now
        live = Kept(*self._tensors())
        copies = Kept(*({name: self._buffer(name, one) for name, one in some.items()} for some in live))
        both = [(ours[name], one) for ours, some in zip(copies, live, strict=True) for name, one in some.items()]
        for copy, slice_ in both:
            if is_slice(slice_):  # now, as all ranks are here now
                copy.copy_(whole(slice_))
        rest = [(copy, one) for copy, one in both if not is_slice(one)]
        self._copies = self._thread.submit(_filled, copies, rest, self._model.device)
        snapshot = TensorSnapshot(self._model, state, sum(copy.nbytes for copy, _ in both), self._copies)
        self._taken = weakref.ref(snapshot)
        return snapshot

    def settle(self) -> None:
        """Until the copies are made. Raises what went wrong with them."""
        if self._copies:
            self._copies.result()

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

    def _buffer(self, name: str, tensor: Tensor) -> Tensor:
        if name not in self._buffers:
            self._buffers[name] = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=tensor.is_cuda)
        return self._buffers[name]


def _filled(copies: Kept, pairs: Sequence[tuple[Tensor, Tensor]], device: torch.device) -> Kept:
    """Each pair is a copy, and what is to be in it."""
    if device.type == "cuda":
        _copy_from(device, pairs)
    else:
        for copy, tensor in pairs:  # plain bytes: torch would call threads that training is using
            _bytes(copy)[:] = _bytes(tensor.contiguous())
    return copies


def _copy_from(device: torch.device, pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
    """Beside what the device computes, and after what it was told before."""
    beside = torch.cuda.Stream(device)
    beside.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(beside):
        for copy, tensor in pairs:
            copy.copy_(tensor, non_blocking=True)
    beside.synchronize()


def _bytes(tensor: Tensor) -> Any:
    """A numpy array uint8 [bytes] of the same memory."""
    return tensor.view(-1).view(torch.uint8).numpy()


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
