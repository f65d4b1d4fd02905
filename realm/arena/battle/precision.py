"""Which numbers weights and moments are made of, and the optimizer that knows how to change them."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from realm.arena.battle.moments import Moments, kept_as
from realm.arena.battle.sharding import split
from realm.arena.battle.sliced_adamw import SlicedAdamW
from realm.core.config import Precision, Training

WEIGHTS_DTYPES: dict[Precision, torch.dtype] = {
    "fp32": torch.float32,
    "bf16": torch.float32,
    "pure_bf16": torch.bfloat16,
}
COMPUTE_DTYPES: dict[Precision, torch.dtype] = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "pure_bf16": torch.bfloat16,
}


def cast(model: nn.Module, precision: Precision) -> None:
    """Makes the weights such numbers; frozen ones such as are multiplied."""
    dtype, frozen = WEIGHTS_DTYPES[precision], COMPUTE_DTYPES[precision]
    for weight in model.parameters():  # not model.to(): what turns positions into angles stays fp32
        wanted = dtype if weight.requires_grad else frozen
        if weight.dtype != wanted:
            weight.data = weight.data.to(wanted)


def optimizer_for(
    model: nn.Module, training: Training, *, coded: bool = False, moments: Mapping[Tensor, Moments] | None = None
) -> Optimizer:
    """An optimizer of what is trained, that goes on with the moments of the one before. `coded`: those of 8 bits."""
    groups = _parameter_groups([weight for weight in model.parameters() if weight.requires_grad])
    is_plain = WEIGHTS_DTYPES[training.precision] == torch.float32 and not coded
    optimizer = AdamW(groups, fused=True) if is_plain else SlicedAdamW(groups, training.seed, coded=coded)
    for parameter, of_parameter in (moments or {}).items():
        optimizer.state[parameter] = kept_as(of_parameter, parameter, coded)
    return optimizer


def _parameter_groups(parameters: list[nn.Parameter]) -> list[dict[str, object]]:
    """Matrices, which decay, and vectors, which do not: norms and biases are scales, not weights.

    Slices and whole ones are apart: torch changes no mixture of them in one call.
    """
    groups = []
    for some in split(parameters):
        groups.append({"params": [one for one in some if one.ndim >= 2], "decays": True})
        groups.append({"params": [one for one in some if one.ndim < 2], "decays": False})
    return [group for group in groups if group["params"]]
