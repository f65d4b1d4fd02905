"""Refusals in OpenAI's shape, whoever refuses: bottle, a handler, the model or who is behind it."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import bottle
import msgspec

from realm.core.config import ConfigError
from realm.core.loopback import answer
from realm.oracle.pool import CannotLoad
from realm.oracle.question import Busy, Failed
from realm.oracle.shapes import BadRequest
from realm.oracle.shelf import DamagedModel, UnknownModel

RETRY_AFTER = "2"  # seconds
LONGEST_BODY = 2**20  # bytes


def shaped(status: int, sentence: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": sentence, "type": kind, "param": param, "code": code}}


def refusal(status: int, sentence: str, param: str | None = None, code: str | None = None) -> bottle.HTTPResponse:
    """To be raised, or returned."""
    return answer(shaped(status, sentence, param, code), status)


def in_shape(handler: Callable[[], bottle.HTTPResponse]) -> Callable[[], bottle.HTTPResponse]:
    """What a handler raises, as a refusal."""

    @wraps(handler)
    def guarded() -> bottle.HTTPResponse:
        try:
            return handler()
        except BadRequest as error:
            return refusal(400, str(error), error.param, error.code)
        except UnknownModel as error:
            return refusal(404, str(error), "model", "model_not_found")
        except Busy as error:
            refused = refusal(503, str(error), None, "busy")
            refused.set_header("Retry-After", RETRY_AFTER)
            return refused
        except (CannotLoad, ConfigError, DamagedModel, Failed, OSError) as error:
            return refusal(503, str(error), None, "model_unavailable")

    return guarded


def refused(error: bottle.HTTPError) -> bytes:
    """What bottle itself and hooks refuse, and a fault of ours; that one's traceback is in the log."""
    bottle.response.content_type = "application/json"
    sentence = "a fault of the server: its log says which" if error.status_code == 500 else str(error.body)
    return msgspec.json.encode(shaped(error.status_code, sentence))


def check_length() -> None:
    """Raises bottle.HTTPError for a body that is too long to be a question, or does not say how long it is."""
    request = bottle.request
    if request.chunked:
        raise bottle.HTTPError(411, "the body comes in chunks of unknown number: send it with Content-Length")
    if request.content_length > LONGEST_BODY:
        raise bottle.HTTPError(413, f"the body has {request.content_length:,} bytes: at most {LONGEST_BODY:,} are read")
