"""Batched greedy answers equal transformers' own, one prompt at a time."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from realm.arena.battle.chat import ChatTokenizer
from realm.oracle.generation import greedy

PROMPTS = ["Compute: add(①, ①)", "x", "Compute [verify]: multiply(①⓪①, ①①)", "a long question, " * 5]


@pytest.fixture(scope="module")
def model(squire: Path) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(squire)


def alone(model: PreTrainedModel, prompt: list[int], stop: int) -> list[int]:
    """Greedy by plain forward passes without a cache."""
    ids = list(prompt)
    while len(ids) - len(prompt) < 24:
        following = int(model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax())
        if following == stop:
            break
        ids.append(following)
    return ids[len(prompt) :]


def test_answers_of_a_batch_equal_those_alone(model: PreTrainedModel, chat: ChatTokenizer) -> None:
    prompts = [chat.prompt([{"role": "user", "content": text}]) for text in PROMPTS]
    answers = greedy(model, prompts, max_new_tokens=24, stop=chat.turn_end, pad=chat.pad)
    assert [answer.ids for answer in answers] == [alone(model, prompt, chat.turn_end) for prompt in prompts]


def test_an_answer_says_whether_it_stopped_by_itself(model: PreTrainedModel, chat: ChatTokenizer) -> None:
    prompt = chat.prompt([{"role": "user", "content": PROMPTS[0]}])
    [running] = greedy(model, [prompt], max_new_tokens=4, stop=chat.turn_end, pad=chat.pad)
    assert (len(running.ids), running.finished) == (4, False)
    [stopped] = greedy(model, [prompt], max_new_tokens=4, stop=running.ids[2], pad=chat.pad)
    first = running.ids.index(running.ids[2])
    assert (stopped.ids, stopped.finished) == (running.ids[:first], True)
