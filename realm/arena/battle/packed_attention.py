"""Attention of examples that lie in one row: each sees itself alone, as if it had a row of its own."""

from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from realm.armory.heroes import HeroError

PACKED, PLAIN = "packed", "sdpa"  # transformers' names of attention


@torch.compiler.disable  # type: ignore[untyped-decorator]  # it would be another program for each number of examples
def attend(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: None,
    lengths: Tensor | None = None,
    **rest: Any,
) -> tuple[Tensor, None]:
    """Causal attention as transformers calls it; `lengths` [examples] of a row, None: each row is one example.

    Query, key and value are [rows, heads, tokens, head_dim]; returns [rows, tokens, heads, head_dim], and no weights.
    """
    sizes = [query.shape[2]] if lengths is None else lengths.tolist()
    parts = zip(*(one.split(sizes, dim=2) for one in (query, key, value)), strict=True)
    return torch.cat([sdpa_attention_forward(module, q, k, v, None, **rest)[0] for q, k, v in parts], dim=1), None


AttentionInterface.register(PACKED, attend)


def choose_attention(model: PreTrainedModel, *, packed: bool) -> None:
    """Raises HeroError for a model with layers that do not look back all the way."""
    if packed and not (model._supports_attention_backend and model.supports_context_parallel):
        raise HeroError(
            f"{type(model).__name__} has layers that do not see a whole example, and cannot be packed: "
            "set training.packed false"
        )
    model.set_attn_implementation(PACKED if packed else PLAIN)
