"""Who may ask the oracle: this machine without a word, other machines with a key.

Beyond loopback every request but /health needs one: `Authorization: Bearer KEY`, or `X-API-Key: KEY`. The read key
asks /v1 and looks at the models; the admin key does everything. Pages of other hosts may not ask, with or without.
"""

import hmac

import bottle

from realm.core.address import is_loopback
from realm.core.config import Oracle
from realm.core.loopback import READS, check_host, check_origin, header
from realm.core.paths import Home
from realm.oracle.keys import ADMIN, READ, made_key
from realm.oracle.refusals import refusal

FREE = "/health"
LOOKS = ("/models", "/models/info")


class Guard:
    """`check` is called before each request."""

    def __init__(self, home: Home, where: Oracle):
        """Makes the keys if they are needed. Raises OSError, and ValueError for a host that is no address."""
        self._needs_key = not is_loopback(where)
        if self._needs_key:
            self._read, self._admin = made_key(home, READ), made_key(home, ADMIN)

    def check(self) -> None:
        """Raises bottle's HTTPError and HTTPResponse."""
        if not self._needs_key:
            check_host()
        elif bottle.request.path != FREE:
            self._check_key()
        check_origin()

    def _check_key(self) -> None:
        said = _key_of_request()
        if _is_same(said, self._admin):
            return
        if not _is_same(said, self._read):
            refused = refusal(
                401,
                f"{'the key is not known here' if said else 'a key is needed here'}: `realm oracle keys` on the"
                " Oracle's machine shows them; send one as Authorization: Bearer KEY",
                code="invalid_api_key",
            )
            refused.set_header("WWW-Authenticate", "Bearer")
            raise refused
        if not _only_reads():
            raise refusal(403, f"{bottle.request.path[:80]} needs the admin key, and this is the read key")


def _key_of_request() -> str:
    scheme, _, key = header("Authorization").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else header("X-API-Key")


def _is_same(said: str, key: str) -> bool:
    return hmac.compare_digest(said.encode(errors="replace"), key.encode())


def _only_reads() -> bool:
    path = bottle.request.path
    return path.startswith("/v1/") or (path in LOOKS and bottle.request.method in READS)
