"""What a page may send: small JSON bodies, told apart from files; and what a disk answers, as a refusal."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import bottle
import msgspec

from realm.core.loopback import refusal

LONGEST = 64 * 2**10  # bytes of a JSON body
FULL = (errno.ENOSPC, errno.EDQUOT)

Wish = TypeVar("Wish")


def wish(kind: type[Wish]) -> Wish:
    """The request's JSON body; none counts as {}. Raises a refusal with 400, 411, 413 or 415."""
    length = body_length()
    if length > LONGEST:
        raise refusal(413, f"the body has {length:,} bytes: a wish has at most {LONGEST:,}")
    media = bottle.request.content_type.partition(";")[0].strip().lower()
    if length and media != "application/json":
        raise refusal(415, f"Content-Type is {media[:80]!r}: send application/json")
    body = bottle.request.environ["wsgi.input"].read(length) or b"{}"
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise refusal(400, f"the body is not what {bottle.request.path} takes: {error}") from None


def body_length() -> int:
    """Bytes. Raises a refusal with 411 for a body whose length is not stated: it would be held in memory."""
    if bottle.request.chunked:
        raise refusal(411, "Transfer-Encoding is chunked: state Content-Length instead")
    return max(0, int(bottle.request.content_length))


@contextmanager
def writing() -> Iterator[None]:
    """What may be written in vain. Raises a refusal with 507 for a full disk, with 500 for another trouble with it."""
    try:
        yield
    except OSError as error:
        mend = "free some space" if error.errno in FULL else "`realm doctor` tells what is wrong with the home"
        raise refusal(507 if error.errno in FULL else 500, f"{error.filename}: {error.strerror} ({mend})") from None
