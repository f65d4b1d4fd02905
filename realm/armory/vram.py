"""How much memory a step takes on its device, from a hero's shape and its settings.

Weights, moments, gradients, what the forward pass keeps, and logits. The multiples of widths below are those of
transformers' Qwen3 under the arena's engine, packed: python -m tests.benchmarks.memory measures every tensor of a step
and prints how far off this formula is: a hundredth for Qwen3-0.6B; with LoRA's adapters it may be a fifth.
"""

from bisect import bisect_left
from collections.abc import Iterable
from statistics import median
from typing import NamedTuple

import msgspec
from msgspec import Struct

from realm.armory.heroes import Architecture
from realm.core.config import Precision, Training

GIB = 2**30
CONTEXT = round(0.8 * GIB)  # bytes that CUDA takes before the first tensor, until battles have told how much it is here
LOGITS_AT_ONCE = 2**26  # elements: 441 positions at a vocabulary of 151,936; the arena's loss cuts them so
LOGIT_BYTES = 12  # of one logit: itself in fp32, its log-softmax, and their gradient
CODED_MOMENTS = 2 * (1 + 4 / 256)  # bytes a parameter: two codes, and an fp32 scale for each 256 of them
GATHERED = 2  # layers that are whole at once on a device that has slices: one is computed, the next one comes
LARGEST_BATCH = 1024  # as config.json allows

CARDS = {  # GiB
    "4060": 8,
    "4070": 12,
    "4080": 16,
    "4090": 24,
    "5070": 12,
    "5080": 16,
    "5090": 32,
    "3060": 12,
    "3090": 24,
    "a100": 80,
    "h100": 80,
    "h200": 141,
}


class PerToken(NamedTuple):
    """Bytes of a token in one layer, as multiples of its widths."""

    hidden: float
    inner: float  # intermediate_size
    query: float  # heads x head_dim
    key_value: float

    def bytes(self, shape: Architecture) -> float:
        query, key_value = (n * shape.head_dim for n in (shape.num_attention_heads, shape.num_key_value_heads))
        widths = (shape.hidden_size, shape.intermediate_size, query, key_value)
        return sum(factor * width for factor, width in zip(self, widths, strict=True))


class Numbers(NamedTuple):
    """What a precision costs: bytes a parameter, and bytes a token."""

    weight: int
    frozen: int  # a weight that is not trained
    moments: int
    gradient: int
    copy: int  # what autocast makes of a weight
    between: int  # of a hidden width: what a checkpointed layer keeps
    kept: PerToken  # what a layer keeps for its backward pass
    worked: PerToken  # what a layer's backward pass has at once
    ends: float  # of a hidden width: what lies between the last layer and the head


NUMBERS: dict[Precision, Numbers] = {
    "fp32": Numbers(4, 4, 8, 4, 0, 4, PerToken(24, 16, 20.5, 16), PerToken(23.5, 24, 21, 16), 10),
    "bf16": Numbers(4, 2, 8, 4, 2, 4, PerToken(26, 8, 12.5, 10), PerToken(25.5, 12, 13, 10), 10),
    "pure_bf16": Numbers(2, 2, 4, 2, 0, 2, PerToken(16, 8, 12.2, 10), PerToken(17.5, 12, 12.5, 10), 6.5),
}


class Model(NamedTuple):
    """What is trained, and how: a hero's shape, how many words it has, and what config.json says of its training.

    `lora_rank` 0: all weights are trained. `coded_moments`: they take 8 bits each. `shards`: devices among which the
    layers are cut; bytes are those of one.
    """

    shape: Architecture
    vocabulary: int
    lora_rank: int = 0
    coded_moments: bool = False
    shards: int = 1

    @property
    def parameters(self) -> int:
        """Without adapters."""
        return self.shape.parameters(self.vocabulary)

    @property
    def embedding(self) -> int:
        return self.vocabulary * self.shape.hidden_size

    @property
    def trained(self) -> int:
        """All parameters, or those of an adapter beside each matrix of each layer."""
        if not self.lora_rank:
            return self.parameters
        shape, hidden = self.shape, self.shape.hidden_size
        query, key_value = (heads * shape.head_dim for heads in (shape.num_attention_heads, shape.num_key_value_heads))
        sides = 2 * (hidden + query) + 2 * (hidden + key_value) + 3 * (hidden + shape.intermediate_size)
        return self.lora_rank * shape.num_hidden_layers * sides

    @property
    def frozen(self) -> int:
        return self.parameters if self.lora_rank else 0

    @property
    def ends(self) -> int:
        """Parameters that are in no layer: embedding, last norm and head, which no device has a slice of."""
        return self.embedding * (1 if self.shape.tie_word_embeddings else 2) + self.shape.hidden_size

    @property
    def layer(self) -> int:
        return (self.parameters - self.ends) // self.shape.num_hidden_layers

    def held(self, parameters: int) -> float:
        """Of all that are trained, or all that are frozen: how many are on one device."""
        ends = min(parameters, self.ends) if parameters == self.parameters else 0
        return ends + (parameters - ends) / self.shards


class Need(Struct, frozen=True, kw_only=True):
    """Bytes at the fullest moment of a step."""

    weights: int
    optimizer: int
    gradients: int
    copies: int  # bf16 ones of fp32 weights
    activations: int
    logits: int
    context: int  # CUDA's own, and what lies unused between tensors

    @property
    def total(self) -> int:
        return sum(msgspec.structs.astuple(self))


class Moment(NamedTuple):
    """What a step has beside weights and moments, in bytes, at one of its moments."""

    gradients: float
    activations: float
    logits: float


def need(model: Model, training: Training, context: int = CONTEXT) -> Need:
    """For a step of several passes, each of `batch_size` examples of `max_length` tokens."""
    numbers = NUMBERS[training.precision]
    fullest = max(_moments(model, training), key=sum)
    return Need(
        weights=round(numbers.weight * model.held(model.trained) + numbers.frozen * model.held(model.frozen)),
        optimizer=round((CODED_MOMENTS if model.coded_moments else numbers.moments) * model.held(model.trained)),
        gradients=round(fullest.gradients),
        copies=_copies(model, training),
        activations=round(fullest.activations),
        logits=round(fullest.logits),
        context=context,
    )


def _copies(model: Model, training: Training) -> int:
    """Bytes of bf16 copies of fp32 weights, and of layers that are whole while they are computed."""
    numbers = NUMBERS[training.precision]
    if model.shards > 1:
        return numbers.copy * model.embedding + GATHERED * numbers.frozen * model.layer
    return numbers.copy * _cast_at_once(model, training)


def _cast_at_once(model: Model, training: Training) -> int:
    """Parameters of which autocast has a copy at the fullest moment: of the head, or of all that are multiplied."""
    if model.lora_rank:
        return model.trained
    if training.gradient_checkpointing:
        return model.embedding
    return model.parameters - (0 if model.shape.tie_word_embeddings else model.embedding)


def _moments(model: Model, training: Training) -> Iterable[Moment]:
    """Those at which memory may be fullest: in a later pass, as the first one's gradients are there then."""
    shape, tokens, layers = model.shape, training.tokens_per_pass, model.shape.num_hidden_layers
    numbers = NUMBERS["pure_bf16" if model.lora_rank and training.precision == "bf16" else training.precision]
    every = NUMBERS[training.precision].gradient * model.held(model.trained)
    if model.shards > 1:
        every += NUMBERS[training.precision].gradient * model.layer  # before it is summed and cut
    kept, working = (one.bytes(shape) * tokens for one in (numbers.kept, numbers.worked))  # by each layer
    made_again = working - kept  # of the layer that goes back
    if training.gradient_checkpointing:
        kept, made_again = numbers.between * shape.hidden_size * tokens, working
    ends = numbers.ends * shape.hidden_size * tokens
    logits = min(tokens * model.vocabulary, LOGITS_AT_ONCE)
    yield Moment(every, layers * kept + ends, LOGIT_BYTES * logits)  # the loss
    yield Moment(every, layers * kept + ends + made_again, 0)  # the last layer goes back
    if shape.tie_word_embeddings and not model.lora_rank:  # one embedding has two gradients
        yield Moment(every + numbers.gradient * model.embedding, 0, 0)


def largest_batch(model: Model, training: Training, bytes_there: float, context: int = CONTEXT) -> int:
    """The largest batch_size whose passes fit; 0 if not even one example does."""

    def fits(batch: int) -> bool:
        return need(model, msgspec.structs.replace(training, batch_size=batch), context).total <= bytes_there

    return bisect_left(range(1, LARGEST_BATCH + 1), True, key=lambda batch: not fits(batch))


class Battle(NamedTuple):
    """What was measured while a quest was trained on a CUDA device."""

    training: Training
    peak: int  # bytes that torch had reserved at most


def context_of(model: Model, battles: Iterable[Battle]) -> int | None:
    """Bytes beside the tensors, as finished battles tell: the median of what was measured and not foreseen."""
    beside = [one.peak - need(model, one.training, context=0).total for one in battles]
    return max(0, round(median(beside))) + CONTEXT if beside else None
