"""The oracle over HTTP: OpenAI's API, and the models in memory.

GET  /health                 {"status": "ok"}
GET  /v1/models              every model that can be asked
POST /v1/chat/completions    messages -> the assistant's next one; stream: true sends it piece by piece
POST /v1/completions         prompt -> what follows it
GET  /models                 the names on the shelf, and which are in memory
GET  /models/info            those in memory, the one that is being loaded, with its bytes read, and why loads failed
POST /models/load            {"model": name}: begins to load it; 202
POST /models/unload          {"model": name}
POST /models/reload          {"model": name}: from its files again, beside the one that is there if both fit; 202

A model that is asked and not in memory is loaded first. Refusals have OpenAI's shape. What no field asks for does not
happen: no penalty, no system prompt; a temperature that nobody states is 1, as it is there.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import bottle
import msgspec
from msgspec import Struct

from realm.core.loopback import answer, header, is_gone, json_app
from realm.oracle.answer import Answer, Piece
from realm.oracle.client import EXAM
from realm.oracle.forms import Chat, Completion
from realm.oracle.pool import Pool
from realm.oracle.question import Failed
from realm.oracle.refusals import check_length, in_shape, refused, shaped
from realm.oracle.shapes import BadRequest, ChatRequest, CompletionRequest, Request, request_of
from realm.oracle.shelf import Volume


class Named(Struct, frozen=True, forbid_unknown_fields=True):
    model: str


class OracleApi:
    def __init__(self, pool: Pool, check: Callable[[], None] | None = None):
        """`check` says who may ask; None: this machine."""
        self._pool = pool
        self.app = json_app(refused, check)
        self.app.add_hook("before_request", check_length)
        self.app.get("/health", callback=lambda: answer({"status": "ok"}))
        self.app.get("/v1/models", callback=in_shape(self._list))
        self.app.get("/models", callback=in_shape(self._names))
        self.app.get("/models/info", callback=in_shape(self._info))
        self.app.post("/models/load", callback=in_shape(self._load))
        self.app.post("/models/reload", callback=in_shape(self._reload))
        self.app.post("/models/unload", callback=in_shape(self._unload))
        self.app.post("/v1/chat/completions", callback=in_shape(self._chat))
        self.app.post("/v1/completions", callback=in_shape(self._complete))

    # Models

    def _list(self) -> bottle.HTTPResponse:
        return answer({"object": "list", "data": [_model(one) for one in self._pool.shelf.volumes()]})

    def _names(self) -> bottle.HTTPResponse:
        shelf = [one.name for one in self._pool.shelf.volumes()]
        return answer({"models": shelf, "loaded": [one.volume.name for one in self._pool.models]})

    def _info(self) -> bottle.HTTPResponse:
        loading = self._pool.loading  # looked at first: what is no longer being loaded, is then among the others
        models = [
            {
                "name": one.volume.name,
                "digest": one.volume.digest,
                "bytes": one.footprint.weights,
                "cache_bytes": one.footprint.cache,
                "device": one.place.device,
                "device_why": one.place.why,
                "loaded_at": one.loaded_at,
                "used_at": one.used_at,
                "answering": one.users,
                "longest": one.longest,
            }
            for one in self._pool.models
        ]
        return answer(
            {
                "backend": "embedded",
                "budget_bytes": self._pool.budget,
                "cache_tokens": self._pool.cache_tokens,
                "models": models,
                "loading": loading,
                "failures": self._pool.failures,
            }
        )

    def _load(self) -> bottle.HTTPResponse:
        asked = _named()
        if header(EXAM):
            self._pool.examines(asked)
        return answer({"model": self._pool.load(asked)}, 202)

    def _reload(self) -> bottle.HTTPResponse:
        return answer({"model": self._pool.load(_named(), again=True)}, 202)

    def _unload(self) -> bottle.HTTPResponse:
        return answer({"model": self._pool.unload(_named())})

    # Answers

    def _chat(self) -> bottle.HTTPResponse:
        asked = request_of(_body(), ChatRequest)
        if asked.top_logprobs and not asked.logprobs:
            raise BadRequest("top_logprobs needs logprobs: true", "top_logprobs", "invalid_value")
        return self._answered(asked, Chat)

    def _complete(self) -> bottle.HTTPResponse:
        return self._answered(request_of(_body(), CompletionRequest), Completion)

    def _answered(self, asked: Request, form: type[Chat | Completion]) -> bottle.HTTPResponse:
        if asked.stream_options and not asked.stream:
            raise BadRequest("stream_options needs stream: true", "stream_options", "invalid_value")
        if header(EXAM):
            self._pool.examines(asked.model)
        with ExitStack() as held:
            model = held.enter_context(self._pool.lent(asked.model))
            given = Answer(model, asked)
            held.callback(given.close)
            shaped = form(given, model.volume.name)
            if not asked.stream:
                return answer(shaped.whole(list(_while_heard(given))))
            pieces = _sent(shaped.stream(given, asked.includes_usage), held.pop_all())
            return bottle.HTTPResponse(pieces, content_type="text/event-stream", cache_control="no-store")


def _while_heard(given: Answer) -> Iterator[Piece]:
    """Ends when who asked has hung up."""
    for piece in given:
        if is_gone():
            return
        yield piece


def _sent(chunks: Iterator[dict[str, Any]], held: ExitStack) -> Iterator[bytes]:
    """Server-sent events. Whoever goes away closes it, and what it held is free."""
    with held:
        try:
            for chunk in chunks:
                yield b"data: %b\n\n" % msgspec.json.encode(chunk)
        except Failed as error:
            yield b"data: %b\n\n" % msgspec.json.encode(shaped(503, str(error)))
        else:
            yield b"data: [DONE]\n\n"


def _model(volume: Volume) -> dict[str, Any]:
    created = int(volume.folder.stat().st_mtime)
    return {"id": volume.name, "object": "model", "created": created, "owned_by": "realm"}


def _body() -> bytes:
    return bytes(bottle.request.body.read())


def _named() -> str:
    try:
        return msgspec.json.decode(_body(), type=Named).model
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f'state {{"model": name}}: {error}', "model") from None
