"""The oracle over real HTTP, asked by OpenAI's own client; and what is refused, with which words."""

import http.client
import json
import random
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from realm.oracle.pool import Pool
from realm.oracle.refusals import LONGEST_BODY
from tests.arena.realm_home import eventually
from tests.oracle.conftest import NEWER, OLDER, ask

QUESTION: Any = [{"role": "user", "content": "Compute: add(①, ①⓪)"}]
GREEDY: Any = {"temperature": 0, "max_tokens": 24}


@pytest.fixture(scope="module")
def client(port: int) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0, timeout=60) as client:
        yield client


def test_models_are_listed(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [NEWER, OLDER, "base"]


def test_a_chat_is_the_same_whole_and_in_pieces(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="latest", messages=QUESTION, **GREEDY)
    [choice] = whole.choices
    assert (whole.model, choice.finish_reason) == (NEWER, "length")
    assert whole.usage
    assert whole.usage.completion_tokens == 24
    options: Any = {"include_usage": True}
    chunks = list(
        client.chat.completions.create(model="latest", messages=QUESTION, stream=True, stream_options=options, **GREEDY)
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == choice.message.content
    assert (chunks[-2].choices[0].finish_reason, chunks[-1].usage) == ("length", whole.usage)


def test_a_stop_string_ends_the_answer_before_it(client: openai.OpenAI) -> None:
    said = client.chat.completions.create(model="latest", messages=QUESTION, **GREEDY).choices[0].message.content
    assert said
    stop = said[5:7]
    stopped = client.chat.completions.create(model="latest", messages=QUESTION, stop=[stop], **GREEDY)
    assert stopped.choices[0].message.content == said[: said.index(stop)]
    assert stopped.choices[0].finish_reason == "stop"
    streamed = client.chat.completions.create(model="latest", messages=QUESTION, stop=stop, stream=True, **GREEDY)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in streamed) == said[: said.index(stop)]


def test_logprobs_come_with_their_alternatives(client: openai.OpenAI) -> None:
    chat = client.chat.completions.create(model="latest", messages=QUESTION, logprobs=True, top_logprobs=3, **GREEDY)
    assert chat.choices[0].logprobs
    told = chat.choices[0].logprobs.content
    assert told
    assert len(told) == 24
    assert all(one.top_logprobs[0].token == one.token and len(one.top_logprobs) == 3 for one in told)
    text = client.completions.create(model="latest", prompt="①⓪", logprobs=2, **GREEDY)
    found = text.choices[0].logprobs
    assert found
    assert found.tokens
    assert len(found.tokens) == len(found.text_offset or []) == 24


def test_a_text_goes_on_whole_and_in_pieces(client: openai.OpenAI) -> None:
    whole = client.completions.create(model="latest", prompt="add(①", **GREEDY).choices[0].text
    pieces = client.completions.create(model="latest", prompt="add(①", stream=True, **GREEDY)
    assert "".join(piece.choices[0].text for piece in pieces) == whole


def test_a_seed_repeats_an_answer(client: openai.OpenAI) -> None:
    def said(seed: int) -> str | None:
        asked = client.chat.completions.create(model="latest", messages=QUESTION, max_tokens=24, seed=seed)
        return asked.choices[0].message.content

    assert said(1) == said(1) != said(2)


def test_another_model_makes_the_idle_one_leave(client: openai.OpenAI, port: int, pool: Pool) -> None:
    for name, own in (("step:500", OLDER), ("base", "base"), ("latest", NEWER)):
        assert client.chat.completions.create(model=name, messages=QUESTION, **GREEDY).model == own
        assert ask(port, "/models")[1]["loaded"] == [own]


def test_a_model_that_answers_stays_and_who_goes_away_frees_it(client: openai.OpenAI, port: int, pool: Pool) -> None:
    endless = client.chat.completions.create(
        model="latest", messages=QUESTION, stream=True, temperature=0, logit_bias=None, max_tokens=2000
    )
    next(iter(endless))
    status, said = ask(port, "/models/unload", {"model": "latest"})
    assert (status, said["error"]["code"]) == (503, "busy")
    assert ask(port, "/models/load", {"model": "base"})[0] == 503
    endless.close()
    eventually(lambda: not pool.models[0].users and not pool.models[0].engine.is_busy)
    assert ask(port, "/models/unload", {"model": "latest"}) == (200, {"model": NEWER})


def test_loading_is_an_order_with_its_progress(port: int, pool: Pool) -> None:
    assert ask(port, "/models/load", {"model": "latest"}) == (202, {"model": NEWER})
    eventually(lambda: [one["name"] for one in ask(port, "/models/info")[1]["models"]] == [NEWER])
    first = pool.models[0].loaded_at
    assert ask(port, "/models/reload", {"model": "latest"})[0] == 202
    eventually(lambda: [one.loaded_at > first for one in pool.models] == [True])
    assert ask(port, "/models/info")[1]["loading"] is None


def test_errors_are_typed(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="nearest steps") as missing:
        client.chat.completions.create(model="step:7", messages=QUESTION)
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.BadRequestError) as hot:
        client.chat.completions.create(model="latest", messages=QUESTION, temperature=3)
    assert hot.value.param == "temperature"
    with pytest.raises(openai.BadRequestError) as many:
        client.chat.completions.create(model="latest", messages=QUESTION, n=2)
    assert (many.value.param, many.value.code) == ("n", "unsupported_parameter")
    with pytest.raises(openai.BadRequestError) as long:
        client.chat.completions.create(model="latest", messages=[{"role": "user", "content": "a①" * 20_000}])
    assert long.value.code == "context_length_exceeded"


def test_neutral_fields_ask_for_nothing(client: openai.OpenAI) -> None:
    client.chat.completions.create(
        model="latest", messages=QUESTION, n=1, presence_penalty=0, tools=[], user="me", **GREEDY
    )


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc", "checkpoint-500/../../secrets", "%2e%2e", "", "a\0b"])
def test_a_name_that_leaves_the_shelf_is_refused(port: int, name: str) -> None:
    for path, body in (("/models/load", {"model": name}), ("/v1/completions", {"model": name, "prompt": "a"})):
        status, said = ask(port, path, body)
        assert status in (400, 404)
        assert said["error"]["message"]


def test_strangers_are_refused(port: int) -> None:
    body = {"model": "latest", "messages": QUESTION}
    for refused in (
        ask(port, "/v1/chat/completions", body, Origin="http://evil.example"),
        ask(port, "/v1/models", Host="evil.example"),
    ):
        assert refused[0] == 403
        assert "evil.example" in refused[1]["error"]["message"]


def test_a_body_that_is_too_long_is_refused(port: int) -> None:
    status, said = ask(port, "/v1/completions", b"0" * (LONGEST_BODY + 1))
    assert (status, said["error"]["type"]) == (413, "invalid_request_error")
    link = http.client.HTTPConnection("127.0.0.1", port)
    link.request("POST", "/v1/completions", iter([b"{}"]))
    reply = link.getresponse()
    assert (reply.status, json.loads(reply.read())["error"]["type"]) == (411, "invalid_request_error")
    link.close()


def malformed(dice: random.Random, path: str) -> bytes:
    """A good request with something of it replaced, left out, added, or cut off."""
    content: dict[str, Any] = {"messages": QUESTION} if "chat" in path else {"prompt": "a"} if "/v1" in path else {}
    request: dict[str, Any] = {"model": "latest", **content}
    values = [None, True, -1, 0, 1e308, 2**70, "", "\ud83d", "\0", [], [[]], {}, {"a": 1}, [None], "auto", [QUESTION]]
    names = [
        *request,
        "n",
        "seed",
        "stream",
        "top_p",
        "logprobs",
        "tools",
        "stream_options",
        "temperature",
        "?",
        "role",
    ]
    for name in dice.sample(names, dice.randint(1, 3)):
        request[name] = dice.choice(values)
    request.pop(dice.choice([*request, "nothing"]), None)
    if "/v1" in path and request.get("max_tokens") in (None, True, 2**70):
        request["max_tokens"] = 1
    body = json.dumps(request).encode()
    return dice.choice([body, body[: dice.randrange(len(body))], dice.randbytes(20), b"[" * 10_000 + body])


def test_a_thousand_malformed_requests_are_refused_and_leave_nothing(
    port: int, pool: Pool, capfd: pytest.CaptureFixture[str]
) -> None:
    dice = random.Random(11)
    link = http.client.HTTPConnection("127.0.0.1", port)
    seen: set[int] = set()
    for _ in range(1000):
        path = dice.choice(
            ["/v1/chat/completions", "/v1/completions", "/models/load", "/models/unload", "/models/info"]
        )
        body = malformed(dice, path)
        link.request("POST", path, body)
        reply = link.getresponse()
        said = reply.read()
        seen.add(reply.status)
        assert reply.status < 500 or reply.status == 503, (path, body, said)
        if reply.status >= 400:
            assert set(json.loads(said)["error"]) == {"message", "type", "param", "code"}
    link.close()
    assert {400, 404, 405} <= seen
    assert "Traceback" not in capfd.readouterr().err
    eventually(lambda: not any(one.users or one.engine.is_busy for one in pool.models))
