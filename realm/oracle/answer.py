"""An answer in the making: the model's tokens as text in pieces, with what OpenAI's shapes say of them."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from realm.oracle.question import PostStop, Question, Sampling, Steering, Token
from realm.oracle.shapes import BadRequest, ChatRequest, CompletionRequest, Request
from realm.oracle.wording import Wording

if TYPE_CHECKING:
    from realm.oracle.engine import Answering
    from realm.oracle.loaded import LoadedModel

THINK_TAGS = ("<think>", "</think>")
TAIL = 64  # tokens in which a stop string is looked for
AT_ONCE = 16  # tokens, where nobody waits for each


class Piece(NamedTuple):
    """Text that may be empty, and the token with which it became sure; the last piece may have none."""

    text: str
    token: Token | None


class Answer:
    """Iterating gives its pieces; then `usage` and `finish_reason` are final. Close it, whatever happens."""

    def __init__(self, model: "LoadedModel", asked: Request):
        """Begins it. Raises BadRequest, Busy, Failed."""
        self.decode: Callable[[Sequence[int]], str] = model.chat.decode
        prompt = _prompt(model, asked)
        room = model.longest - len(prompt)
        if room < 1:
            raise BadRequest(
                f"the prompt has {len(prompt):,} tokens, and {model.volume.name} takes at most {model.longest - 1:,}",
                "messages" if isinstance(asked, ChatRequest) else "prompt",
                "context_length_exceeded",
            )
        self._wording = Wording(self.decode, () if asked.post_stop_penalty else asked.stops)
        self._most = min(room, _most(asked) or room)
        self._prompt_tokens, self._completion_tokens = len(prompt), 0
        at_once = 1 if asked.stream else AT_ONCE
        question = Question(prompt, self._most, model.stop, _sampling(asked), _steering(model, asked), at_once)
        self._answering: Answering = model.engine.ask(question)

    def __iter__(self) -> Iterator[Piece]:
        for token in self._answering:
            self._completion_tokens += 1
            yield Piece(self._wording.add(token.id), token)
            if self._wording.is_stopped:
                self.close()
                return
        if rest := self._wording.end():
            yield Piece(rest, None)

    def close(self) -> None:
        """Frees its place among the others."""
        self._answering.close()

    @property
    def finish_reason(self) -> str:
        return "stop" if self._wording.is_stopped or self._answering.is_finished else "length"

    @property
    def usage(self) -> dict[str, int]:
        prompt, completion = self._prompt_tokens, self._completion_tokens
        return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}

    def spelled(self, token: Token) -> dict[str, Any]:
        """A token with its log-probability, as a chat tells it."""
        assert token.likelihood
        told = (self._told(one.id, one.logprob) for one in token.alternatives)
        return {**self._told(*token.likelihood), "top_logprobs": list(told)}

    def _told(self, token: int, logprob: float) -> dict[str, Any]:
        text = self.decode([token])
        return {"token": text, "logprob": logprob, "bytes": list(text.encode())}


def _prompt(model: "LoadedModel", asked: Request) -> list[int]:
    if isinstance(asked, ChatRequest):
        return model.chat.prompt([{"role": one.role, "content": one.text} for one in asked.messages])
    assert isinstance(asked, CompletionRequest)
    return list(model.chat.tokenizer.encode(asked.prompt, add_special_tokens=False).ids)


def _most(asked: Request) -> int | None:
    newer = asked.max_completion_tokens if isinstance(asked, ChatRequest) else None
    return newer or asked.max_tokens


def _sampling(asked: Request) -> Sampling:
    return Sampling(
        1.0 if asked.temperature is None else asked.temperature,
        1.0 if asked.top_p is None else asked.top_p,
        secrets.randbits(63) if asked.seed is None else asked.seed,
        _told(asked),
        asked.top_k or 0,
        asked.min_p or 0.0,
    )


def _steering(model: "LoadedModel", asked: Request) -> Steering:
    """Raises BadRequest."""
    bias = asked.logit_bias or {}
    if strange := [token for token in bias if not 0 <= token < model.vocabulary]:
        raise BadRequest(
            f"{model.volume.name} has no token {strange[0]}: it has 0 to {model.vocabulary - 1:,}",
            "logit_bias",
            "invalid_value",
        )
    return Steering(
        asked.presence_penalty or 0.0,
        asked.frequency_penalty or 0.0,
        bias,
        asked.repetition_penalty or 1.0,
        asked.no_repeat_ngram_size or 0,
        asked.min_tokens or 0,
        asked.think_penalty or 0.0,
        _think_tags(model) if asked.think_penalty else (),
        _post_stop(model, asked) if asked.post_stop_penalty else None,
    )


def _think_tags(model: "LoadedModel") -> tuple[int, ...]:
    tags = tuple(one for tag in THINK_TAGS if (one := model.chat.tokenizer.token_to_id(tag)) is not None)
    if len(tags) < len(THINK_TAGS):
        raise BadRequest(
            f"{model.volume.name} has no token {' and '.join(THINK_TAGS)}: leave think_penalty out",
            "think_penalty",
            "invalid_value",
        )
    return tags


def _post_stop(model: "LoadedModel", asked: Request) -> PostStop:
    stops = asked.stops
    if not stops:
        raise BadRequest("post_stop_penalty needs stop: it is for what comes after it", "stop", "invalid_value")

    def has_stop(said: Sequence[int]) -> bool:
        text = model.chat.decode(said[-TAIL:])
        return any(stop in text for stop in stops)

    return PostStop(asked.post_stop_penalty or 0.0, has_stop)


def _told(asked: Request) -> int | None:
    """How many alternatives are told with each token; None: no log-probability is."""
    if isinstance(asked, ChatRequest):
        return (asked.top_logprobs or 0) if asked.logprobs else None
    assert isinstance(asked, CompletionRequest)
    return asked.logprobs
