"""HTTP for browsers and programs of this machine: JSON in, JSON out, on 127.0.0.1.

    app = json_app()

    @app.get("/health")
    def health() -> bottle.HTTPResponse:
        return answer({"status": "ok"})

    with LoopbackServer(app, 8090, frame.log):
        ...

Every refusal is {"error": sentence}. A request must name a loopback host: a page of another site whose name was made
to point here (DNS rebinding) states its own. A page of another site that posts here states its Origin, and is refused.
"""

import re
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import bottle
import msgspec

from realm.core.log import Log
from realm.core.patient_server import CONNECTION, PatientServer

ADDRESS = "127.0.0.1"
NAMES = (ADDRESS, "localhost")
HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?", re.IGNORECASE)  # the last one through a tunnel
LONGEST_BODY = 16 * 2**20  # bytes
BLOCK = 2**16  # bytes
THREADS = 4
READS = ("GET", "HEAD")  # they change nothing

Content = TypeVar("Content")


class PortTaken(OSError):
    """The port cannot be listened on; the text says which."""


def json_app(
    refuse: Callable[[bottle.HTTPError], bytes] | None = None, check: Callable[[], None] | None = None
) -> bottle.Bottle:
    """Refusals are JSON; `refuse` gives bottle.HTTPError another form. `check` instead of check_host, check_origin."""
    app = bottle.Bottle()
    for hook in [check] if check else [check_host, check_origin]:
        app.add_hook("before_request", hook)
    app.default_error_handler = refuse or refused
    return app


def answer(content: Any, status: int = 200) -> bottle.HTTPResponse:
    return bottle.HTTPResponse(
        msgspec.json.encode(content), status, content_type="application/json", cache_control="no-store"
    )


def refusal(status: int, sentence: str) -> bottle.HTTPResponse:
    """To be raised, or returned."""
    return answer({"error": sentence}, status)


def content(kind: type[Content]) -> Content:
    """The request's body. Raises a refusal with 400 if it is no `kind`."""
    try:
        return msgspec.json.decode(bottle.request.body.read(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise refusal(400, f"the body is not what {bottle.request.path} takes: {error}") from None


def number(name: str, default: int | None, lowest: int, highest: int) -> int:
    """A number of the query. Raises a refusal with 400 if it is none between the two, or missing without a default."""
    text = bottle.request.query.get(name)
    if text is None and default is not None:
        return default
    if text is None or not re.fullmatch("[0-9]{1,15}", text) or not lowest <= int(text) <= highest:
        stated = "is missing" if text is None else f"is {text[:40]!r}"
        raise refusal(400, f"{name} {stated}: state a whole number from {lowest} to {highest}")
    return int(text)


def header(name: str) -> str:
    """Of the request, "" if it has none. Bottle's own reading raises for what is no UTF-8."""
    return str(bottle.request.environ.get(f"HTTP_{name.upper().replace('-', '_')}", ""))


def is_gone() -> bool:
    """Whether who asked has hung up."""
    return bottle.request.environ[CONNECTION].peeked() is None


def check_host() -> None:
    """Raises bottle.HTTPError."""
    host = header("Host")
    if not HOST.fullmatch(host):
        raise bottle.HTTPError(403, f"Host is {host[:80]!r}: this server answers to {' and '.join(NAMES)}")


def check_origin() -> None:
    """Raises bottle.HTTPError for what a page of another host asks to be changed."""
    host, origin = header("Host"), header("Origin")
    if origin and bottle.request.method not in READS and urlsplit(origin).netloc != host:
        raise bottle.HTTPError(403, f"Origin is {origin[:80]!r}: only pages of {host} may ask for a change")


def refused(error: bottle.HTTPError) -> bytes:
    """What bottle itself refuses, or what a handler raised; that one's traceback is in the log."""
    bottle.response.content_type = "application/json"
    sentence = "a fault of the server: its log says which" if error.status_code == 500 else str(error.body)
    return msgspec.json.encode({"error": sentence})


def _reading_the_rest(app: bottle.Bottle) -> Callable[..., Any]:
    """What an app leaves of a body, as it refuses it, is read in pieces: the server would hold all of it at once."""

    def answered(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        body = environ["wsgi.input"]
        response = app(environ, start_response)
        is_chunked = "HTTP_TRANSFER_ENCODING" in environ  # the server reads no more of those, and they have no end
        while not is_chunked and body.read(BLOCK):
            pass
        return response

    return answered


class LoopbackServer:
    """Serves in threads of its own while the block lasts; leaving it, what is being answered is answered."""

    def __init__(
        self,
        app: bottle.Bottle,
        port: int,
        log: Log,
        *,
        address: str = ADDRESS,
        threads: int = THREADS,
        bodies: int | None = None,
        longest_body: int = LONGEST_BODY,
    ):
        """Port 0: any free one, then `port` is its number. Another address than loopback is the app's to guard.

        `bodies` of the threads may receive one at once; None: all. `longest_body` in bytes; 0: the app reads bodies by
        itself, piece by piece.
        """
        answered = _reading_the_rest(app)
        self._server = PatientServer((address, port), answered, log, threads=threads, bodies=bodies or threads)
        self._server.max_request_body_size = longest_body
        self._thread = threading.Thread(target=self._server.serve, name="http")

    @property
    def port(self) -> int:
        return int(self._server.bind_addr[1])

    def __enter__(self) -> Self:
        """Raises PortTaken."""
        try:
            self._server.prepare()
        except OSError as error:
            where = f"port {self.port} of {self._server.bind_addr[0]}"
            raise PortTaken(f"{where} cannot be listened on: {error}") from None
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()
        self._thread.join()
