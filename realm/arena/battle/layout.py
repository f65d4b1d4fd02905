"""How the examples of a pass lie in a tensor: in one row, one after the other, or in right-padded rows of their own."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from realm.arena.battle.chat import IGNORED, Example


class Layout(NamedTuple):
    """ids and labels: int64 [rows, length]; lengths: int64 [examples] of a row that is packed, else None."""

    ids: Tensor
    labels: Tensor
    lengths: Tensor | None


def laid_out(examples: Sequence[Example], pad: int, *, packed: bool) -> Layout:
    return _packed(examples) if packed else _padded(examples, pad)


def positions_of(lengths: Tensor) -> Tensor:
    """int64 [1, tokens]: each example of a packed row begins at 0."""
    return torch.cat([torch.arange(length) for length in lengths.tolist()])[None]


def _packed(examples: Sequence[Example]) -> Layout:
    """An example's first token has no label: the one before it is another example's end."""
    ids = [token for one in examples for token in one.ids]
    labels = [label for one in examples for label in (IGNORED, *one.labels[1:])]
    return Layout(torch.tensor([ids]), torch.tensor([labels]), torch.tensor([len(one.ids) for one in examples]))


def _padded(examples: Sequence[Example], pad: int) -> Layout:
    longest = max(len(one.ids) for one in examples)
    ids = torch.full((len(examples), longest), pad)
    labels = torch.full((len(examples), longest), IGNORED)
    for row, one in enumerate(examples):
        ids[row, : len(one.ids)] = torch.tensor(one.ids)
        labels[row, : len(one.labels)] = torch.tensor(one.labels)
    return Layout(ids, labels, None)
