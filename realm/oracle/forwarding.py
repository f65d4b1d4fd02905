"""The oracle's API where another server answers (vLLM, llama.cpp): /v1 is handed on as it is, piece by piece.

GET  /health          {"status": "ok"}: of the oracle; the status document says whether the other one answers
GET  /v1/…            the other server's answer, with its status
POST /v1/…            the same; who goes away ends it there, too
GET  /models/info     where it is
POST /models/load     400, as do unload and reload: what is in its memory is the other server's to say
"""

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any
from weakref import WeakSet

import bottle
import httpx2

from realm.core.loopback import answer, json_app
from realm.oracle.keys import UPSTREAM
from realm.oracle.refusals import check_length, refusal, refused

PATH = re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+")  # below /v1; never . or ..
CONNECT = 10.0  # seconds
SILENCE = 600.0  # seconds without a byte; an answer that comes whole may be long in the making
KEY_REFUSED = (401, 403)
PASSED_ON = ("Content-Type", "Retry-After")


class Forwarding:
    """Hands on what `check` lets in."""

    def __init__(self, upstream: str, key: str | None, check: Callable[[], None] | None = None):
        """`upstream` without /v1; `key` is the oracle's own there. `check` says who may ask; None: this machine."""
        self.upstream = upstream
        headers = {"Accept-Encoding": "identity", **({"Authorization": f"Bearer {key}"} if key else {})}
        timeout = httpx2.Timeout(SILENCE, connect=CONNECT)
        limits = httpx2.Limits(max_connections=None)
        self._http = httpx2.Client(headers=headers, timeout=timeout, limits=limits, trust_env=False)
        self._sockets: WeakSet[socket.socket] = WeakSet()  # to the other server
        self.app = json_app(refused, check)
        self.app.add_hook("before_request", check_length)
        self.app.get("/health", callback=lambda: answer({"status": "ok"}))
        self.app.route("/v1<place:path>", ["GET", "POST"], self._forward)
        self.app.get("/models/info", callback=lambda: answer(self._info))
        for act in ("load", "unload", "reload"):
            self.app.post(f"/models/{act}", callback=self._not_ours)

    def problem(self) -> str | None:
        """Why the other server does not answer as it should; None if it does."""
        try:
            reply = self._http.get(f"{self.upstream}/v1/models", timeout=CONNECT, extensions=self._traced)
        except httpx2.TransportError as error:
            return self._silent(error)
        if reply.status_code in KEY_REFUSED:
            return self._key_refused
        return None if reply.is_success else f"{self.upstream}/v1/models answers with {reply.status_code}"

    def end(self) -> None:
        """What is being handed on breaks off, also what waits for the other server's next byte."""
        for one in list(self._sockets):
            with suppress(OSError):  # it is closed already
                one.shutdown(socket.SHUT_RDWR)
        self._http.close()

    @property
    def _traced(self) -> dict[str, Any]:
        """Has httpx2 tell of each connection that it opens."""
        return {"trace": self._opened}

    def _opened(self, event: str, told: dict[str, Any]) -> None:
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._sockets.add(told["return_value"].get_extra_info("socket"))

    def _forward(self, place: str) -> bottle.HTTPResponse:
        request = bottle.request
        if not PATH.fullmatch(place):
            return refusal(404, f"Not found: {request.path[:80]!r}")
        with ExitStack() as held:
            sent = self._http.build_request(
                request.method,
                f"{self.upstream}/v1{place}",
                content=request.body.read() if request.method == "POST" else None,
                params=request.query_string or None,
                headers={"Content-Type": "application/json"},
                extensions=self._traced,
            )
            try:
                reply = self._http.send(sent, stream=True)
            except httpx2.TransportError as error:
                return refusal(503, self._silent(error), code="upstream_unreachable")
            held.callback(reply.close)
            if reply.status_code in KEY_REFUSED:
                return refusal(503, self._key_refused, code="upstream_refuses")
            headers = {name: reply.headers[name] for name in PASSED_ON if name in reply.headers}
            pieces = _pieces(reply, held.pop_all())
            return bottle.HTTPResponse(pieces, reply.status_code, headers, cache_control="no-store")

    def _not_ours(self) -> bottle.HTTPResponse:
        return refusal(400, self.not_ours)

    @property
    def not_ours(self) -> str:
        return f"oracle.backend is openai: what {self.upstream} keeps in memory is for that server to say"

    @property
    def _key_refused(self) -> str:
        return f"{self.upstream} does not take our key: put its key into secrets/{UPSTREAM}, and start the oracle again"

    @property
    def _info(self) -> dict[str, Any]:
        """With the fields of the embedded one."""
        nothing: dict[str, Any] = {"budget_bytes": None, "models": [], "loading": None, "failures": {}}
        return {"backend": "openai", "upstream": self.upstream, **nothing}

    def _silent(self, error: httpx2.TransportError) -> str:
        return (
            f"{self.upstream} does not answer ({str(error) or type(error).__name__}): start it, or mend oracle.upstream"
        )


def _pieces(reply: httpx2.Response, held: ExitStack) -> Iterator[bytes]:
    """As they come; where they break off, our connection does. Whoever goes away closes the other request, too."""
    with held:
        yield from reply.iter_raw()
