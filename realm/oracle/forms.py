"""Answers in OpenAI's forms, whole and in chunks."""

import time
import uuid
from collections.abc import Iterator
from typing import Any

from realm.oracle.answer import Answer, Piece


class Chat:
    """An answer as chat.completion, and as its chunks."""

    def __init__(self, given: Answer, model: str):
        self._given = given
        self._header = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": model}

    def whole(self, pieces: list[Piece]) -> dict[str, Any]:
        message = {"role": "assistant", "content": "".join(piece.text for piece in pieces), "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": self._logprobs(pieces)}
        choice["finish_reason"] = self._given.finish_reason
        return {**self._header, "object": "chat.completion", "choices": [choice], "usage": self._given.usage}

    def stream(self, given: Answer, includes_usage: bool) -> Iterator[dict[str, Any]]:
        yield self._chunk({"role": "assistant", "content": ""}, None, None)
        for piece in given:
            logprobs = self._logprobs([piece])
            if piece.text or logprobs:
                yield self._chunk({"content": piece.text}, logprobs, None)
        yield self._chunk({}, None, given.finish_reason)
        if includes_usage:
            yield {**self._header, "object": "chat.completion.chunk", "choices": [], "usage": given.usage}

    def _chunk(self, delta: dict[str, str], logprobs: Any, finish_reason: str | None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
        return {**self._header, "object": "chat.completion.chunk", "choices": [choice]}

    def _logprobs(self, pieces: list[Piece]) -> dict[str, Any] | None:
        told = [piece.token for piece in pieces if piece.token and piece.token.likelihood]
        return {"content": [self._given.spelled(token) for token in told], "refusal": None} if told else None


class Completion:
    """An answer as text_completion, whole or in pieces of the same shape."""

    def __init__(self, given: Answer, model: str):
        self._given = given
        self._header = {
            "id": f"cmpl-{uuid.uuid4().hex}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": model,
        }
        self._offset = 0  # characters of the answer that were told

    def whole(self, pieces: list[Piece]) -> dict[str, Any]:
        logprobs = self._logprobs(pieces)
        text = "".join(piece.text for piece in pieces)
        return {**self._part(text, logprobs, self._given.finish_reason), "usage": self._given.usage}

    def stream(self, given: Answer, includes_usage: bool) -> Iterator[dict[str, Any]]:
        for piece in given:
            logprobs = self._logprobs([piece])
            if piece.text or logprobs:
                yield self._part(piece.text, logprobs, None)
        yield self._part("", None, given.finish_reason)
        if includes_usage:
            yield {**self._header, "choices": [], "usage": given.usage}

    def _part(self, text: str, logprobs: Any, finish_reason: str | None) -> dict[str, Any]:
        choice = {"index": 0, "text": text, "logprobs": logprobs, "finish_reason": finish_reason}
        return {**self._header, "choices": [choice]}

    def _logprobs(self, pieces: list[Piece]) -> dict[str, Any] | None:
        found: dict[str, list[Any]] = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
        for piece in pieces:
            if piece.token and piece.token.likelihood:
                said = self._given.spelled(piece.token)
                found["tokens"].append(said["token"])
                found["token_logprobs"].append(said["logprob"])
                found["top_logprobs"].append({one["token"]: one["logprob"] for one in said["top_logprobs"]})
                found["text_offset"].append(self._offset)
            self._offset += len(piece.text)
        return found if found["tokens"] else None
