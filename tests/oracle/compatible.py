"""A small server that speaks OpenAI's API as others do: what it streams is scripted, and what it was asked is kept."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

import msgspec

End = Literal["stop", "nothing", "cut", "silence"]
MODELS = {"object": "list", "data": [{"id": "qwen", "object": "model", "created": 1, "owned_by": "vllm"}]}


class Compatible(ThreadingHTTPServer):
    """Streams `texts` to whoever asks, for ever if there are none; then it says `stop`, or nothing, or is cut off,
    or is silent until the other one hangs up; of a whole answer from its beginning."""

    def __init__(self, texts: Sequence[str] | None, key: str | None, end: End):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.texts, self.key, self.end = texts, key, end
        self.asked: list[dict[str, Any]] = []
        self.hung_up = threading.Event()  # a client went away while it was answered

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Compatible
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if not self._is_let_in():
            self._refuse()
        elif self.path == "/v1/models":
            self._answer(200, MODELS)
        elif self.path.startswith("/page/"):
            self._say(200, "text/html", b"<p>for people")
        else:
            self._say(404, "text/plain", b"Not Found")

    def do_POST(self) -> None:
        asked = msgspec.json.decode(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._is_let_in():
            self._refuse()
            return
        self.server.asked.append(asked)
        if not self.path.startswith("/v1/"):
            self._say(404, "text/plain", b"Not Found")
        elif asked.get("model") != "qwen":
            self._answer(404, {"error": {"message": "no such model", "code": 404, "type": "NotFoundError"}})
        elif asked.get("stream"):
            self._stream()
        elif self.server.end == "silence":
            self._wait_for_end()
        else:
            self._answer(
                200, {"model": "qwen", "choices": [{"message": {"content": "".join(self.server.texts or ())}}]}
            )

    def _is_let_in(self) -> bool:
        return self.server.key is None or self.headers["Authorization"] == f"Bearer {self.server.key}"

    def _refuse(self) -> None:
        self._answer(401, {"error": {"message": "Incorrect API key", "code": "invalid_api_key"}})

    def _answer(self, status: int, content: Any) -> None:
        self._say(status, "application/json", msgspec.json.encode(content))

    def _say(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for text in self.server.texts if self.server.texts is not None else _endless():
                self._send({"model": "qwen", "choices": [{"delta": {"content": text}}]})
            if self.server.end == "stop":
                self._send({"model": "qwen", "choices": [{"delta": {}, "finish_reason": "stop"}]})
            if self.server.end == "silence":
                self._wait_for_end()
            elif self.server.end == "cut":
                self.wfile.write(b"ff\r\ndata: ")
                self.close_connection = True
            else:
                self._write(b"")
        except OSError:
            self.server.hung_up.set()

    def _wait_for_end(self) -> None:
        self.connection.recv(1)
        self.server.hung_up.set()
        self.close_connection = True

    def _send(self, chunk: dict[str, Any]) -> None:
        self._write(b": remark\n\ndata: %b\n\n" % msgspec.json.encode(chunk))

    def _write(self, content: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(content), content))

    def log_message(self, *args: Any) -> None:
        pass


def _endless() -> Iterator[str]:
    while True:
        yield "on and on "


@contextmanager
def compatible(
    texts: Sequence[str] | None = ("①", "②"), key: str | None = None, *, end: End = "stop"
) -> Iterator[Compatible]:
    server = Compatible(texts, key, end)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
