"""The processes that train one step together: each takes some of its passes, and all make the same update.

Every rank divides by the labels of the whole step, so the sum of their gradients is the gradient that one would have.
"""

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, distributed, nn
from torch.distributed import FileStore  # type: ignore[attr-defined]  # public, and not in its __all__

from realm.arena.battle.sharding import own, split
from realm.arena.battle.stream import PASS_PRICE, Pass, Step, cut_passes

INTERFACES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")
AT_ONCE = 2**24  # elements of gradients that are summed in one call


@dataclass(frozen=True)
class Ranks:
    """One of `count` ranks; alone, all calls give back what they were given. They find each other in a file."""

    rank: int = 0
    count: int = 1
    meeting: Path | None = None

    def join(self) -> None:
        """Waits until all ranks are there; before the first of the calls below."""
        if self.meeting is None or distributed.is_initialized():
            return
        os.environ.update(dict.fromkeys(INTERFACES, "lo"))  # nobody else of the network is to reach them
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        store = FileStore(str(self.meeting), self.count)
        distributed.init_process_group(backend, store=store, rank=self.rank, world_size=self.count)

    def shares(self, step: Step, *, packed: bool) -> Sequence[Step]:
        """The passes of each, cut anew from packed ones. The costliest are given out first, each to whom least was."""
        if self.count == 1:
            return [step]
        given = [0] * self.count
        passes: list[list[Pass]] = [[] for _ in given]
        parts = [(example,) for one in step for example in one] if packed else step
        for part in sorted(parts, key=_cost, reverse=True):
            rank = given.index(min(given))
            given[rank] += _cost(part)
            passes[rank].append(part)
        if not packed:
            return [tuple(some) for some in passes]
        most = max(sum(len(example.ids) for example in one) for one in step)
        return [cut_passes([example for (example,) in some], most, packed=True) for some in passes]

    def any(self, mine: bool, device: torch.device) -> bool:
        """Whether it is so for one of them."""
        return bool(self.sum(float(mine), device))

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """In place; a parameter that got none here takes part with zeros. Slices have their sums already."""
        if self.count == 1:
            return
        for some in _chunks(split(parameters)[1]):
            flat = torch.cat([_gradient(one).view(-1) for one in some])
            distributed.all_reduce(flat)
            for one, part in zip(some, flat.split([one.numel() for one in some]), strict=True):
                one.grad = part.view_as(one)

    def clip_gradients(self, parameters: Sequence[nn.Parameter], most: float) -> float:
        """In place, to an L2 norm of `most` over all parameters. Returns the norm that they had."""
        slices, wholes = split(parameters)
        if not slices:
            return float(nn.utils.clip_grad_norm_(parameters, most))
        of_slices, of_wholes = ([own(one.grad) for one in some if one.grad is not None] for some in (slices, wholes))
        device = slices[0].device
        norm = math.sqrt(self.sum(_square(of_slices), device) + _square(of_wholes))
        if norm > most:
            torch._foreach_mul_([*of_slices, *of_wholes], most / norm)
        return norm

    def sum(self, mine: float, device: torch.device) -> float:
        if self.count == 1:
            return mine
        total = torch.tensor(mine, dtype=torch.float64, device=device)
        distributed.all_reduce(total)
        return float(total)


ALONE = Ranks()


def _cost(one: Pass) -> int:
    """Padded tokens, and what starting a pass costs."""
    return len(one) * len(one[0].ids) + PASS_PRICE


def _square(gradients: Sequence[Tensor]) -> float:
    return float(nn.utils.get_total_norm(gradients)) ** 2 if gradients else 0.0


def _gradient(parameter: Tensor) -> Tensor:
    return parameter.grad if parameter.grad is not None else torch.zeros_like(parameter)


def _chunks(parameters: Iterable[Tensor]) -> Iterator[list[Tensor]]:
    chunk: list[Tensor] = []
    for one in parameters:
        chunk.append(one)
        if sum(tensor.numel() for tensor in chunk) >= AT_ONCE:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
