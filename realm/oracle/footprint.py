"""What a model takes of memory: its weights, and the keys and values of all that it answers at once.

From its config.json alone, so that there is room before it is loaded.
"""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from realm.oracle.question import MOST_ROWS
from realm.oracle.shelf import DamagedModel, Volume

Count = Annotated[int, Meta(ge=1)]
BYTES = {"bfloat16": 2, "float16": 2}  # of a number; others are taken for 4
KEYS_AND_VALUES = 2


class Shape(Struct, frozen=True):
    """What config.json says of it, in transformers' names."""

    num_hidden_layers: Count
    num_attention_heads: Count
    hidden_size: Count
    max_position_embeddings: Count
    num_key_value_heads: Count | None = None
    head_dim: Count | None = None
    dtype: str | None = None
    torch_dtype: str | None = None  # its older name

    @property
    def bytes_per_token(self) -> int:
        """Of keys and values."""
        heads = self.num_key_value_heads or self.num_attention_heads
        size = self.head_dim or self.hidden_size // self.num_attention_heads
        number = BYTES.get(self.dtype or self.torch_dtype or "", 4)
        return KEYS_AND_VALUES * self.num_hidden_layers * heads * size * number


class Footprint(Struct, frozen=True):
    """In bytes, but for `longest`: tokens of a question and its answer together."""

    weights: int
    cache: int
    longest: int

    @property
    def total(self) -> int:
        return self.weights + self.cache


def footprint(volume: Volume, cache_tokens: int) -> Footprint:
    """`cache_tokens`: those that a model keeps at most, of all rows. Raises DamagedModel, OSError."""
    shape = _shape(volume.folder / "config.json")
    longest = min(shape.max_position_embeddings, cache_tokens)
    tokens = min(cache_tokens, MOST_ROWS * longest)
    return Footprint(volume.size_bytes, tokens * shape.bytes_per_token, longest)


def _shape(file: Path) -> Shape:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Shape)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DamagedModel(f"{file}: {error}") from None
