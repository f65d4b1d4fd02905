"""What a model is asked, and what it answers, token by token. Needs no torch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

MOST_ROWS = 16  # questions that a model answers together


class Busy(RuntimeError):
    """As many questions wait as may."""


class Failed(RuntimeError):
    """The model could not go on, or was unloaded."""


@dataclass(frozen=True)
class Sampling:
    """Temperature 0 is greedy. `top_logprobs`: so many alternatives are told; None: no log-probability is.

    Of what is drawn from: the `top_k` most likely (0: all), those with `min_p` of the likeliest's probability.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    seed: int = 0
    top_logprobs: int | None = None
    top_k: int = 0
    min_p: float = 0.0


@dataclass(frozen=True)
class PostStop:
    """An answer that has a stop string should end; it is not cut. See realm/oracle/steering.py."""

    strength: float
    has_stop: Callable[[Sequence[int]], bool]  # whether these tokens of an answer spell one


@dataclass(frozen=True)
class Steering:
    """What changes logits before a token is chosen. Without arguments: nothing does."""

    presence: float = 0.0
    frequency: float = 0.0
    bias: Mapping[int, float] = field(default_factory=dict)  # by token id
    repetition: float = 1.0
    no_repeat_ngram: int = 0  # tokens
    least: int = 0  # tokens of the answer before it may end
    think: float = 0.0
    think_tags: tuple[int, ...] = ()
    post_stop: PostStop | None = None


class Likelihood(NamedTuple):
    """Natural logarithm of the probability that the model gave, before anything was asked of it."""

    id: int
    logprob: float


class Token(NamedTuple):
    id: int
    likelihood: Likelihood | None = None
    alternatives: tuple[Likelihood, ...] = ()  # the most likely first


@dataclass(frozen=True)
class Question:
    prompt: Sequence[int]
    most: int  # tokens of the answer
    stop: frozenset[int]
    sampling: Sampling = Sampling()
    steering: Steering = Steering()
    at_once: int = 1  # tokens that are told together
