"""Questions to an oracle, and their answers as they come.

POST /oracle/chat  {"message" or "messages", "model", "host", "seed", "temperature", "max_tokens", "stream"}
                   -> {"response", "finish", "host", "model", "digest", "seed", "usage"}

stream: true gives server-sent events, each a JSON object: {"host", "model", "digest", "seed"} first, {"text"} as it
comes, {"finish"}, {"usage"}; {"end": true} last, or {"error": sentence} where it breaks off. Whoever goes away stops
the answer at the oracle. A seed that is not stated is drawn here: every answer has one.
"""

import secrets
from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import chain
from typing import Annotated, Any, Literal

import bottle
import msgspec
from msgspec import Meta, Struct

from realm.core.loopback import answer, refusal
from realm.core.paths import Home
from realm.oracle.client import OracleRefused, OracleUnreachable, Piece
from realm.tavern.oracle_hosts import Oracles
from realm.tavern.oracle_models import digest_of, own_name
from realm.tavern.wishes import wish

LARGEST_SEED = 2**31 - 1

Text = Annotated[str, Meta(min_length=1)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]


class Turn(Struct, frozen=True, forbid_unknown_fields=True):
    role: Literal["system", "user", "assistant"]
    content: Text


class Question(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of `message` and `messages`."""

    message: Text | None = None
    messages: list[Turn] = []
    model: Name = "latest"
    host: Name | None = None
    seed: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    stream: bool = False

    @property
    def turns(self) -> list[dict[str, str]]:
        if (self.message is None) == (not self.messages):
            raise refusal(400, "state one of message and messages")
        said = [Turn("user", self.message)] if self.message is not None else self.messages
        return [{"role": one.role, "content": one.content} for one in said]


def add_routes(app: bottle.Bottle, home: Home) -> None:
    """The chat."""
    oracles = Oracles(home)
    app.post("/oracle/chat", callback=lambda: _chat(home, oracles))


def _chat(home: Home, oracles: Oracles) -> bottle.HTTPResponse:
    asked = wish(Question)
    turns, model = asked.turns, own_name(home, asked.model)
    seed = secrets.randbelow(LARGEST_SEED) if asked.seed is None else asked.seed
    options = {"seed": seed, "temperature": asked.temperature, "max_tokens": asked.max_tokens}
    stated = {name: value for name, value in options.items() if value is not None}
    host = oracles.meant(asked.host)
    with oracles.asking(host):
        oracle = oracles.of(host)
        header = {"host": host, "model": model, "digest": digest_of(home, model), "seed": seed}
        if not asked.stream:
            reply = oracle.chat(turns, model, **stated)
            usage = {"prompt_tokens": reply.prompt_tokens, "completion_tokens": reply.completion_tokens}
            return answer({"response": reply.text, "finish": reply.finish, **header, "usage": usage})
        pieces = oracle.stream(turns, model, **stated)
        first = next(pieces, Piece(""))  # what refuses the question, refuses it before anything is sent
    return bottle.HTTPResponse(
        _sent(header, first, pieces), content_type="text/event-stream", cache_control="no-store", x_accel_buffering="no"
    )


def _sent(header: dict[str, Any], first: Piece, pieces: Generator[Piece, None, None]) -> Iterator[bytes]:
    with closing(pieces):
        yield _event(header)
        try:
            for piece in chain([first], pieces):
                if told := _told(piece):
                    yield _event(told)
        except (OracleRefused, OracleUnreachable) as error:
            yield _event({"error": str(error)})
        else:
            yield _event({"end": True})


def _told(piece: Piece) -> dict[str, Any]:
    told = {"text": piece.text, "finish": piece.finish, "usage": piece.usage}
    return {name: value for name, value in told.items() if value}


def _event(content: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % msgspec.json.encode(content)
