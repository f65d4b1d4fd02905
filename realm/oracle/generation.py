"""Greedy answers in batches, on the model in this process. Prompts and answers are token ids, never cut by text."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

BATCH = 64


@dataclass(frozen=True)
class Answer:
    ids: list[int]  # without the stop token
    finished: bool  # False: max_new_tokens ran out before the stop token


@torch.inference_mode()
def greedy(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], *, max_new_tokens: int, stop: int, pad: int
) -> list[Answer]:
    """One answer for each prompt, in order. No sampling, no penalties."""
    answers: list[Answer | None] = [None] * len(prompts)
    by_length = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    for first in range(0, len(by_length), BATCH):
        chosen = by_length[first : first + BATCH]
        ids, attention = _left_padded([prompts[index] for index in chosen], pad)
        out = model.generate(  # type: ignore[operator]
            ids.to(model.device),
            attention_mask=attention.to(model.device),
            max_new_tokens=max_new_tokens,
            do_sample=False,
            use_cache=True,
            eos_token_id=stop,
            pad_token_id=pad,
        )
        for index, row in zip(chosen, out[:, ids.shape[1] :].tolist(), strict=True):
            answers[index] = _until_stop(row, stop)
    return [answer for answer in answers if answer is not None]


def _left_padded(prompts: list[Sequence[int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(map(len, prompts))
    ids = torch.full((len(prompts), longest), pad, dtype=torch.long)
    attention = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = torch.tensor(prompt)
        attention[row, longest - len(prompt) :] = 1
    return ids, attention


def _until_stop(row: list[int], stop: int) -> Answer:
    return Answer(row[: row.index(stop)], True) if stop in row else Answer(row, False)
