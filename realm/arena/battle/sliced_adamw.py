"""AdamW computed in fp32, a slice of a parameter at a time, over weights and moments that are kept in fewer bits."""

import hashlib
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from realm.arena.battle.moments import Moments, begun, read, write
from realm.arena.battle.rounding import store
from realm.arena.battle.sharding import own, own_of, rank_of

AT_ONCE = 2**22  # elements whose fp32 copies exist at a time: whole blocks of coded moments


class SlicedAdamW(Optimizer):
    """Groups are as torch.optim.AdamW has them. What rounding cuts off is a function of seed and step alone."""

    def __init__(self, groups: Iterable[dict[str, Any]], seed: int, *, coded: bool = False):
        """`coded`: moments of 8 bits."""
        super().__init__(groups, {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 1e-2})
        self._seed, self._coded = seed, coded

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """A parameter without a gradient stays as it is."""
        parameters = [(one, group) for group in self.param_groups for one in group["params"]]
        for index, (parameter, group) in enumerate(parameters):
            if parameter.grad is not None:
                self._update(index, parameter, parameter.grad, group)

    def _update(self, index: int, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state.update(begun(parameter, self._coded))
        state["step"] += 1
        number = int(state["step"])
        noise = torch.Generator(parameter.device).manual_seed(self._noise_seed(number, index, rank_of(parameter)))
        weights, gradients, moments = own(parameter).view(-1), own(gradient).view(-1), own_of(state)
        for start in range(0, weights.numel(), AT_ONCE):
            part = slice(start, min(start + AT_ONCE, weights.numel()))
            _update_part(part, weights[part], gradients[part].float(), moments, group, number, noise)

    def _noise_seed(self, number: int, index: int, rank: int) -> int:
        digest = hashlib.blake2b(f"{self._seed}/rounding/{number}/{index}".encode(), digest_size=8).digest()
        return (int.from_bytes(digest) + rank) % 2**63


def _update_part(
    part: slice,
    weight: Tensor,
    gradient: Tensor,
    state: Moments,
    group: dict[str, Any],
    number: int,
    noise: torch.Generator,
) -> None:
    """In place. Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization", algorithm 2."""
    rate, (beta1, beta2) = group["lr"], group["betas"]
    mean = read(state, "exp_avg", part).lerp_(gradient, 1 - beta1)
    square = read(state, "exp_avg_sq", part).mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    scale = (square / (1 - beta2**number)).sqrt_().add_(group["eps"])
    new_weight = weight.float().mul_(1 - rate * group["weight_decay"])
    new_weight.addcdiv_(mean, scale, value=-rate / (1 - beta1**number))
    store(new_weight, weight, noise)
    write(state, "exp_avg", part, mean, noise)
    write(state, "exp_avg_sq", part, square, noise)
