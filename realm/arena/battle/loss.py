"""Cross-entropy at labelled positions only, in pieces, so that no tokens x vocabulary tensor ever exists."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from realm.arena.battle.chat import IGNORED
from realm.armory.vram import LOGITS_AT_ONCE


def labelled_positions(labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Labels [rows, length] -> (rows, columns, targets), each [labelled]: where a label is predicted, and the label.

    Found where the labels are: counting them on a device would wait for it.
    """
    targets = labels[:, 1:]
    rows, columns = (targets != IGNORED).nonzero(as_tuple=True)
    return rows, columns, targets[rows, columns]


def loss_of(hidden: Tensor, targets: Tensor, head: nn.Linear, *, backward_scale: float | None) -> Tensor:
    """Summed cross-entropy of hidden [labelled, width] against targets [labelled], a float32 scalar.

    With a backward_scale the gradient of scale * sum flows into the head and into hidden's graph, one piece of
    logits at a time; without it nothing is differentiated.
    """
    leaf = hidden.detach().requires_grad_(backward_scale is not None)
    piece = max(1, LOGITS_AT_ONCE // head.out_features)
    total = torch.zeros((), dtype=torch.float32, device=hidden.device)
    for rows, wanted in zip(leaf.split(piece), targets.split(piece), strict=True):
        with torch.set_grad_enabled(backward_scale is not None):
            loss = functional.cross_entropy(head(rows).float(), wanted, reduction="sum")
        if backward_scale is not None:
            (loss * backward_scale).backward()
        total += loss.detach()
    if backward_scale is not None:
        hidden.backward(leaf.grad)
    return total
