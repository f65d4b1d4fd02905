"""The next token of one row: the most likely one, or one drawn by the row's own seed."""

from collections.abc import Sequence

import torch
from torch import LongTensor, Tensor
from transformers import LogitsProcessorList, MinPLogitsWarper, TopKLogitsWarper

from realm.oracle.question import Likelihood, Question, Sampling, Token
from realm.oracle.steering import processors_of


class Sampler:
    """One per row: draws depend on its seed alone, never on the rows beside it."""

    def __init__(self, question: Question):
        self._sampling = question.sampling
        self._prompt = question.prompt
        self._processors = processors_of(question)
        self._warpers = _warpers(question.sampling)
        self._generator = torch.Generator().manual_seed(question.sampling.seed)

    def draw(self, logits: Tensor, said: Sequence[int]) -> Token:
        """`logits`: (vocabulary); `said`: the answer's tokens until now."""
        logits = logits.float().cpu()
        steered = self._steered(logits, said) if self._processors else logits
        chosen = int(steered.argmax()) if self._sampling.temperature == 0 else self._drawn(steered)
        count = self._sampling.top_logprobs
        if count is None:
            return Token(chosen)
        logprobs = logits.log_softmax(0)
        best = logprobs.topk(min(count, len(logprobs)))
        told = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        return Token(chosen, Likelihood(chosen, float(logprobs[chosen])), tuple(Likelihood(*one) for one in told))

    def _steered(self, logits: Tensor, said: Sequence[int]) -> Tensor:
        ids = LongTensor([[*self._prompt, *said]])
        return self._processors(ids, logits[None])[0]

    def _drawn(self, logits: Tensor) -> int:
        # Divided after the maximum is taken off: a tiny temperature must not make infinities of both signs.
        scaled = (logits - logits.max()) / self._sampling.temperature
        for warp in self._warpers:
            scaled = warp(None, scaled[None])[0]
        probabilities = scaled.softmax(0)
        ordered, ids = probabilities.sort(descending=True)
        before = ordered.cumsum(0) - ordered
        kept = ordered.where((before < self._sampling.top_p) | (before == 0), 0.0)
        return int(ids[torch.multinomial(kept, 1, generator=self._generator)])


def _warpers(sampling: Sampling) -> LogitsProcessorList:
    found = LogitsProcessorList()
    if sampling.top_k:
        found.append(TopKLogitsWarper(sampling.top_k))
    if sampling.min_p:
        found.append(MinPLogitsWarper(sampling.min_p))
    return found
