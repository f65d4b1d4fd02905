"""An HTTP server whose threads nobody can hold by being slow.

A request gets a thread when its head has come whole; until then a selector waits for it, ten seconds at most. Within
a thread, whoever gives or takes less than LEAST in WINDOW seconds of waiting is hung up on. Bodies have a part of the
threads only, so that what has none, a page's reads, always finds one. Of connections that say nothing, the newest
MOST_WAITING are kept, so that descriptors last.
"""

import socket
import threading
import time
from contextlib import suppress
from typing import Any

import msgspec
from cheroot.server import HTTPConnection, HTTPRequest
from cheroot.wsgi import Gateway_10, Server

from realm.core.log import Log

LONGEST_HEAD = 64 * 2**10  # bytes
WINDOW = 10.0  # seconds
LEAST = 64 * 2**10  # bytes
HEAD_ENDS = b"\r\n\r\n"
MOST_WAITING = 256  # connections without a whole head
MOST_QUEUED = 256  # connections with one, which wait for a thread; more are left to the kernel
GRACE = 3.0  # seconds for what is being answered when the server stops; an answer may have no end
BACKLOG = 512  # connections that the kernel holds
CONNECTION = "realm.connection"  # in the environment of a request


class PacedSocket(socket.socket):
    """Counts what moves while it waits; raises TimeoutError for a peer that is too slow."""

    _waited, _moved = 0.0, 0

    def recv_into(self, *where: Any) -> int:
        began = time.monotonic()
        return self._paced(super().recv_into(*where), began)

    def send(self, *what: Any) -> int:
        began = time.monotonic()
        return self._paced(super().send(*what), began)

    def _paced(self, count: int, began: float) -> int:
        self._moved += count
        self._waited += time.monotonic() - began
        if self._waited > WINDOW:
            if self._moved < LEAST:
                raise TimeoutError("timed out")
            self._waited, self._moved = 0.0, 0
        return count


class _Request(HTTPRequest):
    def respond(self) -> None:
        """A body has to find a place; without one it is not read, and the connection ends."""
        if not self.chunked_read and self.inheaders.get(b"Content-Length", b"0") == b"0":
            super().respond()
        elif self.server.places.acquire(blocking=False):
            try:
                super().respond()
            finally:
                self.server.places.release()
        else:
            self._refuse()

    def _refuse(self) -> None:
        body = msgspec.json.encode({"error": "as much as can be is being received: send it again in a moment"})
        self.status = b"503 Service Unavailable"  # type: ignore[assignment]  # cheroot says str, and takes bytes
        self.outheaders = [(b"Content-Type", b"application/json"), (b"Content-Length", str(len(body)).encode())]
        self.close_connection = True
        self.ensure_headers_sent()
        self.write(body)


class _Connection(HTTPConnection):
    RequestHandlerClass = _Request
    head_since: float | None = None  # when the wait for the rest of a head began, by the server's clock
    seen = -1  # bytes of that head at the last look

    def __init__(self, server: "PatientServer", accepted: socket.socket, makefile: Any):
        paced = PacedSocket(fileno=accepted.detach())
        paced.settimeout(server.timeout)
        super().__init__(server, paced, makefile)

    def peeked(self) -> bytes | None:
        """What came of the head and is not read yet; None if the peer is gone."""
        if self.rfile.has_data():  # it came together with the request before
            return bytes(self.rfile.peek())
        self.socket.settimeout(0)
        try:
            return bytes(self.socket.recv(LONGEST_HEAD, socket.MSG_PEEK)) or None
        except BlockingIOError:
            return b""
        except OSError:
            return None
        finally:
            self.socket.settimeout(self.server.timeout)

    def close(self) -> None:
        self.server.waiting.pop(self, None)
        super().close()

    def hang_up(self) -> None:
        """The selector finds that the peer is gone, and closes."""
        self.server.waiting.pop(self, None)
        with suppress(OSError):  # it is gone
            self.socket.shutdown(socket.SHUT_RDWR)

    def wake_beyond(self, count: int) -> None:
        """The selector is told of more than so many bytes, or of the peer's end."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count + 1)


class _Gateway(Gateway_10):
    def get_environ(self) -> dict[str, Any]:  # type: ignore[override]  # cheroot's stubs say None
        environ: dict[str, Any] = super().get_environ()  # type: ignore[no-untyped-call]
        return {**environ, CONNECTION: self.req.conn}


class PatientServer(Server):
    ConnectionClass = _Connection
    max_request_header_size = LONGEST_HEAD

    def __init__(self, address: tuple[str, int], app: Any, log: Log, *, threads: int, bodies: int):
        """At most `bodies` requests with a body have a thread at once."""
        super().__init__(address, app, numthreads=threads, request_queue_size=BACKLOG, accepted_queue_size=MOST_QUEUED)
        self.gateway = _Gateway
        self.places = threading.BoundedSemaphore(bodies)
        self.waiting: dict[_Connection, None] = {}  # oldest first; only the selector's thread adds
        self._log = log

    def process_conn(self, conn: _Connection) -> None:
        """Called with a connection that is new, or of which something can be read."""
        head = conn.peeked()
        if head is None:
            conn.close()
        elif HEAD_ENDS in head or len(head) >= LONGEST_HEAD:
            self.waiting.pop(conn, None)
            conn.wake_beyond(0)
            conn.head_since, conn.seen = None, -1
            super().process_conn(conn)
        elif conn.rfile.has_data() or len(head) <= conn.seen:
            conn.close()  # half of it is in a buffer, of which the selector knows nothing; or this was all
        else:
            self._wait_for_more(conn, len(head))

    def _wait_for_more(self, conn: _Connection, count: int) -> None:
        conn.wake_beyond(count)
        conn.seen = count
        self.put_conn(conn)
        conn.head_since = conn.head_since or conn.last_used
        conn.last_used = conn.head_since  # each byte more must not give it ten seconds more
        self.waiting[conn] = None
        if len(self.waiting) > MOST_WAITING:
            next(iter(self.waiting)).hang_up()

    def stop(self) -> None:
        """What is being answered has GRACE seconds; then it is hung up on."""
        ended, workers = threading.Event(), [*self.requests._threads]

        def hang_up() -> None:
            while not ended.wait(GRACE):
                for worker in workers:
                    if worker.conn:
                        worker.conn.hang_up()

        threading.Thread(target=hang_up, name="hang-up", daemon=True).start()
        try:
            super().stop()
        finally:
            ended.set()

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        self._log("http", problem=msg)
