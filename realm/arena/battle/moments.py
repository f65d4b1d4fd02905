"""AdamW's moments as they are kept: such numbers as the weights, or codes of 8 bits with a scale for each 256 of them.

Dettmers et al. 2022, "8-bit Optimizers via Block-wise Quantization": a code names one of 256 values between -1 and 1,
most of them near zero; the largest number of a block is its scale.
"""

from collections.abc import Mapping
from functools import cache

import torch
from torch import Tensor

from realm.arena.battle.rounding import store
from realm.arena.battle.sharding import is_slice, joined, own, own_of

SIGNED = {"exp_avg": True, "exp_avg_sq": False}  # by torch.optim.AdamW's names
CODES, SCALE = ".codes", ".scale"
BLOCK = 256  # codes that share a scale
FEWEST = 4096  # numbers of a tensor that is coded
DECADES = 7  # powers of ten that codes reach down to
SMALLEST = 1e-30  # scale of a block of zeros

Moments = Mapping[str, Tensor]  # of one parameter: step, and each moment or its codes and scale


def begun(parameter: Tensor, coded: bool) -> dict[str, Tensor]:
    """Moments before the first step."""
    state = {"step": torch.tensor(0.0)}
    for name in SIGNED:
        if coded and _is_coded(parameter):
            state[name + CODES] = torch.zeros_like(parameter, dtype=torch.uint8)
            state[name + SCALE] = torch.zeros(parameter.numel() // BLOCK, device=parameter.device)
        else:
            state[name] = torch.zeros_like(parameter)
    return state


def kept_as(moments: Moments, parameter: Tensor, coded: bool) -> dict[str, Tensor]:
    """The same moments on the parameter's device, coded, or such numbers as it is made of. Steps are fp32."""
    if is_slice(parameter):
        kept = kept_as(own_of(moments), own(parameter), coded)
        return {name: joined(one, parameter) if name in SIGNED else one for name, one in kept.items()}
    on_device = {name: one.to(parameter.device) for name, one in moments.items()}
    everything, state = slice(0, parameter.numel()), begun(parameter, coded)
    if state.keys() == on_device.keys() and all(on_device[name].dtype == state[name].dtype for name in state):
        return on_device
    for name in SIGNED:
        exact = read(on_device, name, everything)
        if name in state:
            state[name].view(-1).copy_(exact)
        else:
            write(state, name, everything, exact, torch.Generator(parameter.device))
    return {**state, "step": on_device["step"]}


def read(state: Moments, name: str, part: slice) -> Tensor:
    """So many of the moment's numbers, in fp32; a coded part is of whole blocks."""
    if name in state:
        return state[name].view(-1)[part].float()
    codes, scale = state[name + CODES].view(-1)[part], state[name + SCALE][part.start // BLOCK : part.stop // BLOCK]
    values = _values(SIGNED[name], codes.device)[codes.int()]
    return (values.view(-1, BLOCK) * scale.view(-1, 1)).view(-1)


def write(state: Moments, name: str, part: slice, exact: Tensor, noise: torch.Generator) -> None:
    if name in state:
        store(exact, state[name].view(-1)[part], noise)
        return
    blocks = exact.view(-1, BLOCK)
    scale = blocks.abs().amax(dim=1).clamp_(min=SMALLEST)
    values = _values(SIGNED[name], exact.device)
    between = (values[1:] + values[:-1]) / 2  # on either side of each lies the value that is nearer
    codes = torch.bucketize(blocks / scale.view(-1, 1), between, out_int32=True)
    state[name + CODES].view(-1)[part] = codes.view(-1).to(torch.uint8)
    state[name + SCALE][part.start // BLOCK : part.stop // BLOCK] = scale


def _is_coded(parameter: Tensor) -> bool:
    return parameter.numel() >= FEWEST and parameter.numel() % BLOCK == 0


@cache
def _values(signed: bool, device: torch.device) -> Tensor:
    """fp32 [256], rising: what each code stands for. A power of ten has as many as all smaller ones together."""
    found = [0.0, 1.0]
    for power in range(DECADES):
        edges = torch.linspace(0.1, 1, 2 ** (power if signed else power + 1) + 1, dtype=torch.float64)
        middles = ((edges[1:] + edges[:-1]) / 2 * 10.0 ** (power - DECADES + 1)).tolist()
        found += [*middles, *(-one for one in middles if signed)]
    return torch.tensor(sorted(found), dtype=torch.float32, device=device)
