"""Whoever is slow holds no thread that another one waits for: real sockets on loopback."""

import itertools
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from realm.core import patient_server
from realm.core.log import Log
from realm.core.patient_server import MOST_WAITING, PatientServer

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
THREADS = 2
has_a_thread = threading.Event()  # a request has reached the application


def app(environ: dict[str, object], start_response: Callable[..., object]) -> Iterable[bytes]:
    has_a_thread.set()
    if environ["PATH_INFO"] == "/endless":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return itertools.repeat(b"on and on ")
    body = environ["wsgi.input"].read()  # type: ignore[attr-defined]
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body) + 1))])
    return [b"=" + body]


@pytest.fixture
def server() -> Iterator[PatientServer]:
    server = PatientServer(("127.0.0.1", 0), app, Log("test"), threads=THREADS, bodies=1)
    server.timeout = 3600.0  # seconds that a head may take: what is not answered before is not answered
    server.prepare()
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield server
    server.stop()
    thread.join()


@contextmanager
def connected(server: PatientServer, sent: bytes = b"") -> Iterator[socket.socket]:
    with socket.create_connection(server.bind_addr, timeout=60) as peer:
        peer.sendall(sent)
        yield peer


def answer(peer: socket.socket, requests: int = 1) -> bytes:
    """Of so many requests; empty if the server hung up."""
    heard = b""
    try:
        while heard.count(b"\r\n\r\n=") < requests and (more := peer.recv(4096)):
            heard += more
    except ConnectionResetError:
        return b""
    return heard


def is_answered(server: PatientServer) -> bool:
    with connected(server, HEAD) as peer:
        return answer(peer).startswith(b"HTTP/1.1 200")


def post(body: bytes, sent: int) -> bytes:
    """A request, of whose body only the first bytes."""
    return b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:sent]


def trickle_until_hung_up_on(peer: socket.socket) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):
        while True:
            peer.sendall(b"x")
            threading.Event().wait(0.01)  # slow is what it is


@pytest.mark.parametrize("said", [b"", HEAD[:1], HEAD[:-1]])
def test_heads_that_are_not_whole_hold_no_thread(server: PatientServer, said: bytes) -> None:
    with ExitStack() as stack:
        for _ in range(10 * THREADS):
            stack.enter_context(connected(server, said))
        assert is_answered(server)


def test_a_head_may_come_byte_by_byte_and_the_next_one_with_it(server: PatientServer) -> None:
    with connected(server) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for place in range(len(HEAD)):
            peer.sendall(HEAD[place : place + 1])
        assert answer(peer).startswith(b"HTTP/1.1 200")
        peer.sendall(HEAD + HEAD)
        assert answer(peer, requests=2).count(b"HTTP/1.1 200") == 2


def test_who_stops_in_a_head_is_hung_up_on_and_who_stops_after_it_is_answered(server: PatientServer) -> None:
    with connected(server, HEAD[:-1]) as peer:
        peer.shutdown(socket.SHUT_WR)
        assert answer(peer) == b""
    with connected(server, HEAD) as peer:
        peer.shutdown(socket.SHUT_WR)
        assert answer(peer).startswith(b"HTTP/1.1 200")


def test_a_head_has_so_many_seconds_however_many_bytes_come(server: PatientServer) -> None:
    server.timeout = 0.5
    with connected(server) as peer:
        trickle_until_hung_up_on(peer)


def test_of_connections_that_say_nothing_the_newest_are_kept(server: PatientServer) -> None:
    with ExitStack() as stack:
        peers = [stack.enter_context(connected(server)) for _ in range(MOST_WAITING + 1)]
        assert answer(peers[0]) == b""
        peers[-1].sendall(HEAD)
        assert answer(peers[-1]).startswith(b"HTTP/1.1 200")


def test_a_body_that_does_not_come_leaves_a_thread_for_reads(server: PatientServer) -> None:
    has_a_thread.clear()
    with connected(server, post(b"12345", 2)) as first:
        assert has_a_thread.wait(60)  # else the second one may be read before it
        with connected(server, post(b"123", 3)) as second:
            refused = second.recv(4096)
            while b"}" not in refused:
                refused += second.recv(4096)
        assert refused.startswith(b"HTTP/1.1 503")
        assert b"send it again in a moment" in refused
        assert is_answered(server)
        first.sendall(b"345")
        assert answer(first).endswith(b"=12345")
    with connected(server, post(b"123", 3)) as third:
        assert answer(third).endswith(b"=123")


def test_a_body_that_trickles_is_hung_up_on(server: PatientServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patient_server, "WINDOW", 0.2)
    with connected(server, post(b"x" * 10**6, 1)) as peer:
        trickle_until_hung_up_on(peer)
    assert is_answered(server)


def test_an_answer_without_an_end_does_not_keep_the_server_from_ending(
    server: PatientServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patient_server, "GRACE", 0.1)
    with connected(server, HEAD.replace(b"/ ", b"/endless ", 1)) as peer:
        assert peer.recv(4096)
        reader = threading.Thread(target=lambda: [None for _ in iter(lambda: peer.recv(2**16), b"")])
        reader.start()
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        stopping.join(30)
        assert not stopping.is_alive()
    reader.join()
