"""Weights in parts: of each layer's weights, gradients and moments every rank keeps a slice, by torch's FSDP2.

A layer is whole on a rank only while it is computed. Embedding, last norm and head are whole on all ranks: the loss
takes the head in pieces, outside of any layer.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel


def shard(model: PreTrainedModel, device: torch.device, ranks: int, travelling: torch.dtype) -> None:
    """Cuts the layers of a model, and puts each slice on the device. All ranks call it with the same weights.

    Slices travel as numbers of a kind, gradients in fp32.
    """
    policy = MixedPrecisionPolicy(param_dtype=travelling, reduce_dtype=torch.float32, cast_forward_inputs=False)
    mesh = init_device_mesh(device.type, (ranks,))
    decoder = model.get_decoder()
    layers = list(decoder.layers)
    of_layers = {weight for layer in layers for weight in layer.parameters()}
    whole = set(decoder.parameters()) - of_layers
    for part in (*layers, decoder):
        sliced = fully_shard(part, mesh=mesh, mp_policy=policy, ignored_params=whole)
        sliced.set_gradient_divide_factor(1.0)  # each rank divides by the labels of the whole step
        sliced.set_force_sum_reduction_for_comms(True)  # gloo knows no other


def is_slice(tensor: Tensor) -> bool:
    return isinstance(tensor, DTensor)


def rank_of(tensor: Tensor) -> int:
    """Whose slice it is; 0 for a whole one, which is the same on all ranks."""
    return tensor.device_mesh.get_local_rank() if isinstance(tensor, DTensor) else 0


def own(tensor: Tensor) -> Tensor:
    """What of it is in this rank's memory; in-place changes are changes of it."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def whole(tensor: Tensor) -> Tensor:
    """A collective for a slice: all ranks call it for the same tensors in the same order."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def sliced_as(tensor: Tensor, parameter: Tensor) -> Tensor:
    """The own slice of a whole tensor of the parameter's shape, on its device; no collective."""
    if not isinstance(parameter, DTensor) or tensor.shape != parameter.shape:
        return tensor
    rank, chunks = (
        rank_of(parameter),
        tensor.chunk(parameter.device_mesh.size()),
    )  # as FSDP2 cuts: along the first dimension, the last ones may be smaller or none
    return joined(chunks[rank] if rank < len(chunks) else tensor[:0], parameter)


def joined(slice_: Tensor, parameter: Tensor) -> Tensor:
    """The tensor of which the ranks hold such slices as of the parameter."""
    assert isinstance(parameter, DTensor)
    return DTensor.from_local(
        slice_.to(parameter.device),
        parameter.device_mesh,
        parameter.placements,
        run_check=False,
        shape=parameter.shape,
        stride=parameter.stride(),
    )


def own_of(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: own(one) for name, one in tensors.items()}


def split(weights: Sequence[nn.Parameter]) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """(slices, whole ones)."""
    return [one for one in weights if is_slice(one)], [one for one in weights if not is_slice(one)]
