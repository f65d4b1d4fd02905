"""fp32 numbers stored as bf16 ones, so that small changes survive.

A bf16 number has 8 significant bits: rounded to the nearest, an update of less than 1/512 of its weight is lost, step
after step. Rounded up as often as what is cut off says, it survives in the mean (Gupta et al. 2015, "Deep Learning with
Limited Numerical Precision").
"""

import torch
from torch import Tensor

CUT_OFF = 16  # bits of an fp32 number that a bf16 one has not


def store(exact: Tensor, place: Tensor, noise: torch.Generator) -> None:
    """Writes fp32 numbers into a place of as many bf16 or fp32 ones."""
    place.copy_(rounded(exact, noise) if place.dtype == torch.bfloat16 else exact)


def rounded(exact: Tensor, noise: torch.Generator) -> Tensor:
    """fp32 -> bf16: up or down, so that the mean over many is `exact`. Finite numbers only."""
    below = torch.randint(0, 2**CUT_OFF, exact.shape, generator=noise, dtype=torch.int32, device=exact.device)
    bits = exact.view(torch.int32).add(below).bitwise_and_(-(2**CUT_OFF))
    return bits.view(torch.float32).to(torch.bfloat16)
