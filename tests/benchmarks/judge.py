"""One judge for all ways: the loss of a model over examples, each alone in its row, by transformers' own forward."""

from collections.abc import Sequence
from typing import Any

import torch

IGNORED = -100


@torch.no_grad()
def loss_over(model: Any, examples: Sequence[dict[str, list[int]]]) -> float:
    """Mean cross-entropy, nats per labelled token."""
    total, count = 0.0, 0
    for example in examples:
        ids, labels = (torch.tensor([example[key]], device=model.device) for key in ("input_ids", "labels"))
        labelled = int((labels[:, 1:] != IGNORED).sum())
        total += labelled * float(model(input_ids=ids, labels=labels, use_cache=False).loss)
        count += labelled
    return total / count
