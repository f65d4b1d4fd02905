"""Who may ask: this machine without a word; other machines with the home's token.

A browser shows that it is not led by another page: its Host is ours (against DNS rebinding), and what changes
something comes from our own pages (Origin, Sec-Fetch-Site). Beyond loopback every request carries the token, as a
bearer's or in the cookie that a one-time ticket brought.
"""

import hmac
from urllib.parse import urlsplit

import bottle

from realm.core.config import Tavern
from realm.core.loopback import HOST, READS, header, refusal
from realm.core.paths import Home
from realm.tavern.address import is_loopback
from realm.tavern.tickets import take_ticket, token_of

COOKIE = "realm"
LONGEST_JSON = 64 * 2**10  # bytes of a body that is no upload
FREE = ("/health", "/enter")  # what answers without a token
UPLOADS = ("/api/quests", "/api/uploads")  # they receive files
YEAR = 365 * 24 * 3600


class Guard:
    """`check` is called before each request."""

    def __init__(self, home: Home, where: Tavern):
        """Raises OSError if a token is needed and cannot be kept, ValueError for what is no address."""
        self._home = home
        self._token = None if is_loopback(where) else token_of(home)

    def check(self) -> None:
        """Raises a refusal with 401, 403 or 413."""
        request = bottle.request
        host = header("Host")
        if self._token is None and not HOST.fullmatch(host):
            raise refusal(403, f"Host is {host[:80]!r}: this server answers to 127.0.0.1 and localhost")
        if self._token is not None and request.path not in FREE and not self._is_bearer():
            raise refusal(401, "a token is needed here: `realm open --lan` on the realm's machine prints an address")
        if request.method not in READS:
            _check_origin(host)
            if request.content_length > LONGEST_JSON and not _is_upload():
                raise refusal(413, f"the body has {request.content_length:,} bytes: at most {LONGEST_JSON:,} are read")

    def _is_bearer(self) -> bool:
        assert self._token
        said = header("Authorization").removeprefix("Bearer ")
        return any(hmac.compare_digest(one.encode(), self._token.encode()) for one in (said, _cookie()))

    def enter(self) -> bottle.HTTPResponse:
        """A ticket is worth a cookie, once."""
        if self._token is not None and not take_ticket(self._home, bottle.request.query.get("ticket", "")):
            raise refusal(403, "the ticket is used, too old, or none: `realm open --lan` prints another one")
        response = bottle.HTTPResponse(status=303, headers={"Location": "/", "Cache-Control": "no-store"})
        if self._token is not None:
            response.set_cookie(COOKIE, self._token, httponly=True, samesite="strict", path="/", max_age=YEAR)
        return response


def _cookie() -> str:
    return str(bottle.request.get_cookie(COOKIE, ""))


def _check_origin(host: str) -> None:
    origin = header("Origin")
    led = header("Sec-Fetch-Site") or "none"
    if (origin and urlsplit(origin).netloc != host) or led not in ("same-origin", "none"):
        raise refusal(403, f"Origin is {(origin or led)[:80]!r}: only pages of {host} may ask for a change")


def _is_upload() -> bool:
    return bottle.request.path in UPLOADS
