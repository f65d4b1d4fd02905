"""Rows that join and leave a batch answer as they would alone, and as transformers' own generate does."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from realm.arena.battle.chat import ChatTokenizer
from realm.core.paths import Home
from realm.oracle.batch import PIECE, Batch
from realm.oracle.engine import MOST_WAITING, Engine
from realm.oracle.question import MOST_ROWS, Busy, Failed, Question, Sampling
from tests.arena.realm_home import eventually
from tests.oracle.conftest import NEWER

GREEDY = Sampling(temperature=0)
MOST = 16
TOKENS = 2**15  # for which the engine has memory


@pytest.fixture(scope="module")
def model(home: Home) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(home.current_model / NEWER).eval()


@pytest.fixture
def engine(model: PreTrainedModel) -> Iterator[Engine]:
    engine = Engine(model, TOKENS)
    yield engine
    engine.end()


@pytest.fixture(scope="module")
def prompts(chat: ChatTokenizer) -> list[list[int]]:
    """100, of very different lengths."""
    dice = random.Random(7)
    texts = ["".join(dice.choices("①⓪ abcdefgh+", k=dice.randint(1, 120))) for _ in range(100)]
    return [chat.prompt([{"role": "user", "content": text}]) for text in texts]


def answer(engine: Engine, prompt: list[int], chat: ChatTokenizer, sampling: Sampling = GREEDY) -> list[int]:
    stop = frozenset((chat.turn_end, chat.text_end))
    return [token.id for token in engine.ask(Question(prompt, MOST, stop, sampling))]


def plain(model: PreTrainedModel, prompt: list[int], chat: ChatTokenizer) -> list[int]:
    stop = [chat.turn_end, chat.text_end]
    ids = torch.tensor([prompt])
    out = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=MOST,
        do_sample=False,
        eos_token_id=stop,
        pad_token_id=chat.pad,
    )
    return [token for token in out[0, len(prompt) :].tolist() if token not in stop]


def test_a_hundred_greedy_answers_equal_plain_generate(
    engine: Engine, model: PreTrainedModel, chat: ChatTokenizer, prompts: list[list[int]]
) -> None:
    expected = [plain(model, prompt, chat) for prompt in prompts]
    assert len(set(map(tuple, expected))) > 50  # they vary
    with ThreadPoolExecutor(MOST_ROWS + 8) as people:
        together = list(people.map(lambda prompt: answer(engine, prompt, chat), prompts))
    assert together == expected
    assert [answer(engine, prompt, chat) for prompt in prompts[:20]] == expected[:20]


def test_a_seed_gives_the_same_answer_alone_and_among_others(
    engine: Engine, chat: ChatTokenizer, prompts: list[list[int]]
) -> None:
    seeded = Sampling(temperature=1.0, top_p=0.9, seed=3)
    alone = answer(engine, prompts[0], chat, seeded)
    with ThreadPoolExecutor(MOST_ROWS) as people:
        among = list(people.map(lambda index: answer(engine, prompts[index % 5], chat, seeded), range(15)))
    assert among[0] == among[5] == among[10] == alone
    assert alone != answer(engine, prompts[0], chat, Sampling(temperature=1.0, top_p=0.9, seed=4))


def test_logprobs_are_those_of_the_model(
    engine: Engine, model: PreTrainedModel, chat: ChatTokenizer, prompts: list[list[int]]
) -> None:
    told = next(iter(engine.ask(Question(prompts[1], 1, frozenset(), Sampling(0.7, 1.0, 0, 5)))))
    with torch.inference_mode():
        logprobs = model(torch.tensor([prompts[1]])).logits[0, -1].log_softmax(0)
    assert told.likelihood is not None
    assert told.likelihood.logprob == pytest.approx(float(logprobs[told.id]), abs=1e-4)
    assert [one.id for one in told.alternatives] == logprobs.topk(5).indices.tolist()


def test_top_p_leaves_only_the_most_likely(engine: Engine, chat: ChatTokenizer, prompts: list[list[int]]) -> None:
    greedy = answer(engine, prompts[2], chat)
    assert answer(engine, prompts[2], chat, Sampling(temperature=2.0, top_p=1e-9, seed=1)) == greedy
    assert answer(engine, prompts[2], chat, Sampling(temperature=1e-9, seed=1)) == greedy


def endless(prompt: list[int]) -> Question:
    return Question(prompt, 1500, frozenset(), GREEDY)


def test_where_memory_is_short_who_came_last_waits_and_goes_on_where_it_was(
    model: PreTrainedModel, chat: ChatTokenizer, prompts: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    most, sizes = 5 * max(map(len, prompts)), []
    step = Batch.step
    monkeypatch.setattr(Batch, "step", lambda self, last: sizes.append(self.tokens_with()) or step(self, last))
    engine = Engine(model, most)
    expected = [plain(model, prompt, chat) for prompt in prompts[:30]]
    with ThreadPoolExecutor(MOST_ROWS) as people:
        assert list(people.map(lambda prompt: answer(engine, prompt, chat), prompts[:30])) == expected
    engine.end()
    assert most / 2 < max(sizes) <= most


def test_a_long_prompt_is_read_in_pieces_while_others_go_on(
    engine: Engine, model: PreTrainedModel, chat: ChatTokenizer, prompts: list[list[int]], monkeypatch: Any
) -> None:
    acts: list[str] = []
    for name in ("step", "read"):
        act = getattr(Batch, name)
        monkeypatch.setattr(Batch, name, lambda self, what, act=act, name=name: (acts.append(name), act(self, what))[1])
    long = [token for prompt in prompts for token in prompt][: 3 * PIECE + 7]
    first = engine.ask(endless(prompts[0]))
    assert next(iter(first))
    acts.clear()
    said = answer(engine, long, chat)
    first.close()
    reads = [place for place, act in enumerate(acts) if act == "read"]
    assert len(reads) == 4
    assert all("step" in acts[one:other] for one, other in pairwise(reads))
    assert said == plain(model, long, chat)


def test_who_goes_away_frees_the_row_and_too_many_are_refused(engine: Engine, prompts: list[list[int]]) -> None:
    asked = []
    crowd = (engine.ask(endless(prompts[0])) for _ in range(2 * MOST_ROWS + MOST_WAITING))
    with pytest.raises(Busy, match="wait already"):
        asked.extend(crowd)
    assert len(asked) >= MOST_WAITING
    assert engine.is_busy
    for one in asked:
        one.close()
    eventually(lambda: not engine.is_busy)


@pytest.mark.parametrize("at_once", [1, 5, 100])
def test_tokens_are_told_together_and_are_the_same(
    engine: Engine, model: PreTrainedModel, chat: ChatTokenizer, prompts: list[list[int]], at_once: int
) -> None:
    stop = frozenset((chat.turn_end, chat.text_end))
    asked = engine.ask(Question(prompts[3], 16, stop, GREEDY, at_once=at_once))
    eventually(lambda: not engine.is_busy)
    parts = -(-len(asked.said) // at_once)
    assert asked._tokens.qsize() == parts + 1
    assert [token.id for token in asked] == plain(model, prompts[3], chat)


def test_what_cannot_be_answered_fails_alone_in_time(
    engine: Engine, chat: ChatTokenizer, prompts: list[list[int]]
) -> None:
    before = engine.ask(endless(prompts[0]))
    assert next(iter(before))
    with pytest.raises(Failed, match="could not go on"):
        list(engine.ask(Question([10**9], 4, frozenset(), GREEDY)))
    assert next(iter(before))
    before.close()
    assert answer(engine, prompts[0], chat)
    with pytest.raises(ValueError, match="more than"):
        engine.ask(Question([1], TOKENS, frozenset(), GREEDY))


def test_an_engine_that_ends_fails_what_it_is_asked(model: PreTrainedModel, prompts: list[list[int]]) -> None:
    engine = Engine(model, TOKENS)
    asked = engine.ask(endless(prompts[0]))
    assert next(iter(asked))
    engine.end()
    with pytest.raises(Failed, match="was unloaded"):
        list(asked)
    with pytest.raises(Failed, match="being unloaded"):
        engine.ask(endless(prompts[0]))
