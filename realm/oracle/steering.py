"""What changes a row's logits before its next token is chosen: what its request asks for, and nothing else.

transformers' own processors where it has them; those of OpenAI's API and of this project's heroes are here. Each takes
ids (1, tokens) of prompt and answer and logits (1, vocabulary).
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import LongTensor, Tensor
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    MinNewTokensLengthLogitsProcessor,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
)

from realm.oracle.question import PostStop, Question

THINK_SCHEDULE = ((4, 8.0), (8, 2.0), (12, 1.5))  # before so many tokens of the answer, so many times the penalty
REWARD = 50.0  # added to the logits of what ends an answer that should have ended
DECADES = 20  # tokens after a stop string until the penalty grows no more


def processors_of(question: Question) -> LogitsProcessorList:
    """In the order of transformers' generate; empty for a request that asks for none."""
    asked, prompt, ends = question.steering, len(question.prompt), sorted(question.stop)
    found = LogitsProcessorList()
    if asked.bias:
        found.append(Biased(asked.bias))
    if asked.repetition != 1:
        found.append(RepetitionPenaltyLogitsProcessor(asked.repetition))
    if asked.presence or asked.frequency:
        found.append(SaidAlready(asked.presence, asked.frequency, prompt))
    if asked.no_repeat_ngram:
        found.append(NoRepeatNGramLogitsProcessor(asked.no_repeat_ngram))
    if asked.think:
        found.append(Unthinking(asked.think, asked.think_tags, prompt))
    if asked.post_stop:
        found.append(PostStopped(asked.post_stop, ends, prompt))
    if asked.least:
        found.append(MinNewTokensLengthLogitsProcessor(prompt, asked.least, ends))
    return found


class Biased(LogitsProcessor):
    """OpenAI's logit_bias: added to the logits of these ids."""

    def __init__(self, bias: Mapping[int, float]):
        self._ids, self._bias = torch.tensor(list(bias)), torch.tensor(list(bias.values()))

    def __call__(self, ids: LongTensor, logits: Tensor) -> Tensor:
        return logits.index_add(1, self._ids, self._bias[None])


class SaidAlready(LogitsProcessor):
    """OpenAI's penalties, for what the answer has said: `frequency` each time, `presence` once."""

    def __init__(self, presence: float, frequency: float, prompt: int):
        """`prompt`: its tokens, which do not count."""
        self._presence, self._frequency, self._prompt = presence, frequency, prompt

    def __call__(self, ids: LongTensor, logits: Tensor) -> Tensor:
        counts = torch.bincount(ids[0, self._prompt :], minlength=logits.shape[1])
        return logits - self._frequency * counts - self._presence * (counts > 0)


class Unthinking(LogitsProcessor):
    """Thought tags lose `strength`, and more at the beginning, where they come: see THINK_SCHEDULE."""

    def __init__(self, strength: float, tags: Sequence[int], prompt: int):
        self._strength, self._tags, self._prompt = strength, list(tags), prompt

    def __call__(self, ids: LongTensor, logits: Tensor) -> Tensor:
        said = ids.shape[1] - self._prompt
        times = next((times for before, times in THINK_SCHEDULE if said < before), 1.0)
        lighter = logits.clone()
        lighter[:, self._tags] -= times * self._strength
        return lighter


class PostStopped(LogitsProcessor):
    """Once the answer has a stop string, all but an end loses `strength`, ten times as much with each token more."""

    def __init__(self, asked: PostStop, ends: Sequence[int], prompt: int):
        self._strength, self._ends, self._prompt = asked.strength, list(ends), prompt
        self._has_stop: Callable[[Sequence[int]], bool] = asked.has_stop
        self._since = -1  # tokens that came after the stop string; -1: it has not come

    def __call__(self, ids: LongTensor, logits: Tensor) -> Tensor:
        if self._since >= 0 or self._has_stop(ids[0, self._prompt :].tolist()):
            self._since += 1
        if self._since < 0:
            return logits
        ended = logits - self._strength * 10.0 ** min(self._since, DECADES)
        ended[:, self._ends] = logits[:, self._ends] + REWARD
        return ended
