"""Typed settings with ranges: every value a battle is fought with is named, bounded and validated here."""

import hashlib
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

Precision = Literal["fp32", "bf16"]
Fraction = Annotated[float, Meta(ge=0.0, le=0.5)]


class Training(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a hero is trained. Fields without a default must be stated: there is no safe guess for them.

    One optimizer step takes about `batch_size * gradient_accumulation * max_length` tokens; one forward pass
    never holds more than `batch_size * max_length` padded tokens, which is what memory is proportional to.
    """

    precision: Precision  # fp32, or bf16 autocast over fp32 master weights
    max_length: Annotated[int, Meta(ge=16, le=32768)]  # tokens of one example
    batch_size: Annotated[int, Meta(ge=1, le=1024)]
    gradient_accumulation: Annotated[int, Meta(ge=1, le=1024)]
    learning_rate: Annotated[float, Meta(ge=1e-9, le=1e-1)]
    checkpoint_steps: Annotated[int, Meta(ge=1)]
    checkpoint_dtype: Precision
    eval_steps: Annotated[int, Meta(ge=0)]  # 0: never
    warmup_steps: Annotated[int, Meta(ge=0)] = 100
    decay_from: Annotated[int, Meta(ge=0)] = 0  # step at which the learning rate begins to fall; 0: never
    decay_steps: Annotated[int, Meta(ge=1)] = 1000
    weight_decay: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.01
    beta1: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.9
    beta2: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.99
    gradient_clip: Annotated[float, Meta(gt=0.0)] = 1.0
    gradient_checkpointing: bool = False
    profile: str = "none"
    overlong: Literal["drop", "truncate", "fail"] = "drop"
    holdout: Fraction = 0.01  # share of a quest's lines kept for validation, chosen by hash
    seed: Annotated[int, Meta(ge=0, lt=2**62)] = 1
    exact: bool = True  # deterministic algorithms and a fixed thread count

    @property
    def tokens_per_pass(self) -> int:
        return self.batch_size * self.max_length

    @property
    def tokens_per_step(self) -> int:
        return self.tokens_per_pass * self.gradient_accumulation

    @property
    def digest(self) -> str:
        """Twelve hex digits that change when any setting does."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()[:12]
