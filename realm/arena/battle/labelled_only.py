"""The last layer's MLP at labelled positions alone: what it would make of the others goes nowhere."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class LabelledOnly:
    """An MLP that gives zeros at all but certain positions.

    Loss and gradients stay as they are: only attention carries from one position to another, and none comes after it.
    """

    def __init__(self, mlp: nn.Module):
        self._plain = mlp.forward
        self._places: tuple[Tensor, Tensor] | None = None
        mlp.forward = self._forward

    @contextmanager
    def at(self, rows: Tensor, columns: Tensor) -> Iterator[None]:
        self._places = rows, columns
        try:
            yield
        finally:
            self._places = None

    def _forward(self, hidden: Tensor) -> Tensor:
        if self._places is None:
            everywhere: Tensor = self._plain(hidden)
            return everywhere
        made = self._plain(hidden[self._places])
        return torch.zeros_like(hidden, dtype=made.dtype).index_put_(self._places, made)
