"""What a request may ask of the logits: transformers' own where it has it, OpenAI's penalties, and the realm's two."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import LongTensor
from transformers import AutoModelForCausalLM, PreTrainedModel

from realm.arena.battle.chat import ChatTokenizer
from realm.core.paths import Home
from realm.oracle.engine import Engine
from realm.oracle.question import PostStop, Question, Sampling, Steering
from realm.oracle.sampling import Sampler
from realm.oracle.steering import Biased, PostStopped, SaidAlready, Unthinking
from tests.oracle.conftest import NEWER, ask

GREEDY = Sampling(temperature=0)
CHAT = {"model": "latest", "messages": [{"role": "user", "content": "add(①, ①⓪)"}], "temperature": 0, "max_tokens": 20}


@pytest.fixture(scope="module")
def model(home: Home) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(home.current_model / NEWER).eval()


@pytest.fixture(scope="module")
def engine(model: PreTrainedModel) -> Iterator[Engine]:
    engine = Engine(model, 2**12)
    yield engine
    engine.end()


@pytest.mark.parametrize(
    ("asked", "of_generate"),
    [
        ({"repetition": 1.7}, {"repetition_penalty": 1.7}),
        ({"no_repeat_ngram": 1}, {"no_repeat_ngram_size": 1}),
        ({"bias": {40: 30.0, 50: -30.0}}, {"sequence_bias": [[[40], 30.0], [[50], -30.0]]}),
        ({"repetition": 0.5, "least": 9, "bias": {2: 60.0}}, {"repetition_penalty": 0.5, "min_new_tokens": 9}),
    ],
)
def test_what_transformers_has_is_as_it_does_it(
    engine: Engine, model: PreTrainedModel, chat: ChatTokenizer, asked: Any, of_generate: Any
) -> None:
    stop = [chat.turn_end, chat.text_end]
    if "least" in asked:  # so that its end is wanted at once
        asked = {**asked, "bias": {chat.turn_end: 60.0}}
        of_generate = {**of_generate, "sequence_bias": [[[chat.turn_end], 60.0]]}
    prompt = chat.prompt(CHAT["messages"])  # type: ignore[arg-type]
    ids = torch.tensor([prompt])
    out = model.generate(  # type: ignore[operator]
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=20, do_sample=False, eos_token_id=stop, **of_generate
    )
    expected = [token for token in out[0, len(prompt) :].tolist() if token not in stop]
    question = Question(prompt, 20, frozenset(stop), GREEDY, Steering(**asked))
    assert [token.id for token in engine.ask(question)] == expected
    assert expected != [token.id for token in engine.ask(Question(prompt, 20, frozenset(stop), GREEDY))]


@pytest.mark.parametrize(("asked", "kept"), [({"top_k": 2}, 2), ({"min_p": 0.5}, 3), ({}, 6)])
def test_what_is_drawn_from_is_cut(asked: Any, kept: int) -> None:
    logits = torch.tensor([4.0, 3.9, 3.8, 1.0, 1.0, 1.0])
    sampler = Sampler(Question([0], 1, frozenset(), Sampling(temperature=2, **asked)))
    assert len({sampler.draw(logits, []).id for _ in range(300)}) == kept


def test_what_was_said_counts_each_time_and_the_prompt_never() -> None:
    ids = LongTensor([[3, 3, 0, 1, 1]])
    steered = SaidAlready(presence=1.0, frequency=0.25, prompt=2)(ids, torch.zeros(1, 4))
    assert steered.tolist() == [[-1.25, -1.5, 0.0, 0.0]]
    assert Biased({2: 5.0})(ids, torch.ones(1, 4)).tolist() == [[1.0, 1.0, 6.0, 1.0]]


def test_thoughts_are_kept_from_beginning_more_than_from_coming() -> None:
    unthinking = Unthinking(10.0, (1,), prompt=1)
    lost = [-unthinking(LongTensor([[0] * (1 + said)]), torch.zeros(1, 2))[0, 1].item() for said in (0, 4, 8, 12, 99)]
    assert lost == [80.0, 20.0, 15.0, 10.0, 10.0]


def test_after_a_stop_string_it_pays_more_and_more_to_go_on() -> None:
    stopped = PostStopped(PostStop(5.0, lambda said: 7 in said), [1], prompt=1)
    told = [
        stopped(LongTensor([[0, *said]]), torch.zeros(1, 3))[0].tolist() for said in ([], [4], [4, 7], [7, 4], [4, 4])
    ]
    assert told == [[0, 0, 0], [0, 0, 0], [-5, 50, -5], [-50, 50, -50], [-500, 50, -500]]


def said(port: int, **options: Any) -> tuple[str, str]:
    code, reply = ask(port, "/v1/chat/completions", {**CHAT, **options})
    assert code == 200, reply
    choice = reply["choices"][0]
    return choice["message"]["content"], choice["finish_reason"]


def test_options_are_honoured_over_http(port: int, chat: ChatTokenizer) -> None:
    plain, why = said(port)
    assert why == "length"
    chosen = chat.tokenizer.token_to_id("add") or chat.tokenizer.encode("add").ids[0]
    assert said(port, logit_bias={str(chosen): 100}, max_tokens=3)[0] == chat.decode([chosen] * 3)
    assert said(port, frequency_penalty=2, presence_penalty=2)[0] != plain
    text, why = said(port, stop=plain[3:5], post_stop_penalty=100)
    assert (text, why) == (plain[: len(text)], "stop")
    assert plain[3:5] in text


@pytest.mark.parametrize(
    ("options", "param", "sentence"),
    [
        ({"logit_bias": {"99999": 1}}, "logit_bias", "no token 99999"),
        ({"logit_bias": {"a": 1}}, "logit_bias", "int"),
        ({"logit_bias": {"1": 101}}, "logit_bias", "<= 100"),
        ({"think_penalty": 1}, "think_penalty", "leave think_penalty out"),
        ({"post_stop_penalty": 1}, "stop", "needs stop"),
        ({"presence_penalty": 2.5}, "presence_penalty", "<= 2"),
        ({"repetition_penalty": 0}, "repetition_penalty", "> 0"),
        ({"min_p": 1.5}, "min_p", "<= 1"),
        ({"top_k": -1}, "top_k", ">= 0"),
    ],
)
def test_what_no_logit_can_be_asked_is_refused(port: int, options: Any, param: str, sentence: str) -> None:
    code, reply = ask(port, "/v1/chat/completions", {**CHAT, **options})
    assert (code, reply["error"]["param"], sentence in reply["error"]["message"]) == (400, param, True), reply
