"""The tavern's routes over real HTTP, in this process or in one of their own, and words to ask them."""

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote

from realm.core.log import Log
from realm.core.loopback import LoopbackServer, json_app
from realm.core.paths import Home

MODULES = ("quests_api", "uploads", "upload_parts", "control_api", "curriculum_api", "ladders_api", "game")
CHECKOUT = Path(__file__).parents[2]


@contextmanager
def serving(home: Home) -> Iterator[int]:
    """The port."""
    app = json_app()
    for module in MODULES:
        import_module(f"realm.tavern.{module}").add_routes(app, home)
    with LoopbackServer(app, 0, Log("tavern")) as server:
        server._server.max_request_body_size = 0  # as the tavern sets it: uploads have any size
        yield server.port


class ServerProcess:
    """The same in a process of its own."""

    def __init__(self, home: Home):
        command = [sys.executable, "-m", "tests.tavern.serving", str(home.root)]
        environment = {**os.environ, "REALM_HOME": str(home.root)}
        self.process = subprocess.Popen(
            command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )
        assert self.process.stdout
        self.port = int(self.process.stdout.readline())

    @property
    def peak_bytes(self) -> int:
        """The most memory that it ever had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def ask(port: int, path: str, method: str = "GET", body: Any = None, **headers: str) -> tuple[int, Any]:
    """Status and JSON. A body that is no bytes is sent as JSON."""
    content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    if content is not None and not isinstance(body, bytes):
        headers = {"Content-Type": "application/json", **headers}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", content, named, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def post(port: int, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    return ask(port, path, "POST", body, **headers)


def drop(port: int, name: str, content: bytes, query: str = "", **headers: str) -> tuple[int, Any]:
    headers = {"Content_Type": "application/octet-stream", **headers}
    return post(port, f"/api/quests?name={quote(name)}{query}", content, **headers)


def begin_upload(port: int, name: str, length: int, content: bytes, path: str = "") -> socket.socket:
    """A connection on which so many bytes are announced and `content` was sent."""
    path = path or f"/api/quests?name={name}"
    connection = socket.create_connection(("127.0.0.1", port), timeout=60)
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {length}\r\n\r\n"
    connection.sendall(head.encode() + content)
    return connection


if __name__ == "__main__":
    with serving(Home(Path(sys.argv[1]))) as port:
        print(port, flush=True)
        sys.stdin.read()
