"""A home with something in every place that is served, and the whole tavern before it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import msgspec
import pytest

from realm.core.config import Tavern
from realm.core.events import EventLog
from realm.core.log import Log
from realm.core.loopback import LoopbackServer
from realm.core.paths import Home
from realm.tavern.app import tavern_app
from realm.tavern.guard import Guard
from realm.tavern.pages import shipped_www
from tests.arena.watcher import Watcher, until
from tests.tavern.serving import serving

EXAM = "exams/bin/checkpoint-500-20261123-0030-l1-v1.0.0"
SERVED = {
    "status/training_status.json": b'{"step": 7}\n',
    "history/trainer.jsonl": b'{"no": "line"}\n',
    "metrics/trainer.jsonl": b"".join(b'{"step":%d}\n' % step for step in range(1, 1000)),
    "metrics/pyramid/index.json": b"{}",
    "metrics/pyramid/512.bin": bytes(range(256)),
    f"{EXAM}/papers.jsonl": b"{}\n",
    f"{EXAM}/report.json": b"{}",
}


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> object:
        return msgspec.json.decode(self.body)


@dataclass(frozen=True)
class Door:
    """Asks the tavern, with any path and header as they are."""

    home: Home
    port: int

    def __call__(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Reply:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        reply = connection.getresponse()
        found = Reply(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())
        connection.close()
        return found


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    for name, content in SERVED.items():
        file = home.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    EventLog(home.events, "trainer").emit("daemon.started", "the trainer is here")
    return home


@contextmanager
def opened(home: Home, where: Tavern, threads: int = 4) -> Iterator[Door]:
    app = tavern_app(home, shipped_www(), Guard(home, where))
    with LoopbackServer(app, 0, Log("tavern"), longest_body=0, threads=threads) as server:
        yield Door(home, server.port)


@pytest.fixture
def door(home: Home) -> Iterator[Door]:
    with opened(home, Tavern()) as door:
        yield door


@pytest.fixture
def guarded(home: Home) -> Iterator[Door]:
    """As other machines meet it."""
    with opened(home, Tavern(host="0.0.0.0")) as door:
        yield door


@pytest.fixture
def port(home: Home) -> Iterator[int]:
    """What the tavern answers, without the guard before it."""
    with serving(home) as port:
        yield port


@pytest.fixture
def watcher(home: Home) -> Iterator[Watcher]:
    watcher = Watcher(home)
    until(lambda: "event=ready" in watcher.log, "ready")
    yield watcher
    watcher.kill()
