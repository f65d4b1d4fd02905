"""A batch that prompts join and leave between two tokens.

Rows are padded on their left; the mask and positions hide that. A prompt is read in pieces before it joins.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import DynamicCache, PreTrainedModel

PIECE = 512  # tokens of a prompt that are read at once


class Reading:
    """A prompt, as far as it is read."""

    def __init__(self, prompt: Sequence[int]):
        self.prompt = prompt
        self.cache = DynamicCache()


class Batch:
    """Keys and values of the rows that are being answered, in the order in which they joined."""

    def __init__(self, model: PreTrainedModel):
        self._model = model
        self._cache = DynamicCache()
        self._lengths: list[int] = []  # tokens of each row whose keys are in the cache

    def __len__(self) -> int:
        return len(self._lengths)

    def tokens_with(self, prompt: Sequence[int] = ()) -> int:
        """For which there must be memory if a prompt joins and each row gets a token more; padding is some of them."""
        rows = len(self._lengths) + bool(prompt)
        return rows * (max([len(prompt), *self._lengths]) + 1)

    @torch.inference_mode()
    def read(self, reading: Reading) -> Tensor | None:
        """A piece more. The last one joins as a new last row, and gives its next token's logits, (vocabulary)."""
        begin = reading.cache.get_seq_length()
        piece = reading.prompt[begin : begin + PIECE]
        ids = torch.tensor([piece], device=self._model.device)
        out = self._model(input_ids=ids, past_key_values=reading.cache, use_cache=True, logits_to_keep=1)
        if begin + len(piece) < len(reading.prompt):
            return None
        self._cache = _joined(self._cache, reading.cache) if self._lengths else reading.cache
        self._lengths.append(len(reading.prompt))
        logits: Tensor = out.logits[0, -1]
        return logits

    @torch.inference_mode()
    def step(self, last: Sequence[int]) -> Tensor:
        """One token more in each row. Returns the logits of the next ones, (rows, vocabulary)."""
        device = self._model.device
        lengths = torch.tensor(self._lengths, device=device)
        width = self._cache.get_seq_length() + 1
        mask = torch.arange(width, device=device) >= (width - 1 - lengths)[:, None]
        out = self._model(
            input_ids=torch.tensor(last, device=device)[:, None],
            attention_mask=mask.long(),
            position_ids=lengths[:, None],
            past_key_values=self._cache,
            use_cache=True,
        )
        self._lengths = [length + 1 for length in self._lengths]
        logits: Tensor = out.logits[:, -1]
        return logits

    def keep(self, rows: Sequence[int]) -> None:
        """The others leave."""
        self._lengths = [self._lengths[row] for row in rows]
        if not rows:
            self._cache = DynamicCache()
        else:
            padding, kept = self._cache.get_seq_length() - max(self._lengths), list(rows)
            self._cache = _cache(
                (keys[kept, :, padding:], values[kept, :, padding:]) for keys, values, *_ in self._cache
            )


def _joined(many: DynamicCache, one: DynamicCache) -> DynamicCache:
    width = max(many.get_seq_length(), one.get_seq_length())
    return _cache(
        (_stacked(keys, key, width), _stacked(values, value, width))
        for (keys, values, *_), (key, value, *_) in zip(many, one, strict=True)
    )


def _stacked(many: Tensor, one: Tensor, width: int) -> Tensor:
    """Both (rows, heads, tokens, size), with as many tokens."""
    return torch.cat([pad(part, (0, 0, width - part.shape[2], 0)) for part in (many, one)])


def _cache(layers: Iterable[tuple[Tensor, Tensor]]) -> DynamicCache:
    return DynamicCache(ddp_cache_data=layers)
