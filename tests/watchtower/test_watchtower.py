"""The daemon: curves that follow, a status that says what is late, and HTTP that only looks."""

import fcntl
import hashlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from realm.core.events import EventLog
from realm.core.paths import Home
from realm.core.status import TrainingStatus, WatchtowerStatus, read_status, write_status
from tests.arena.realm_home import eventually, log_of
from tests.ports import free_port
from tests.watchtower.raw import Trainer, on_disk, slow_pyramid
from tests.watchtower.test_prometheus import header

RUN = """
import sys
from pathlib import Path
from realm.core import listener
from realm.watchtower import watchtower

watchtower.POLL, watchtower.INTERVAL, watchtower.INSPECTION, listener.BETWEEN = 0.1, 0.2, 0.5, 0.2
watchtower.main(Path(sys.argv[1]), int(sys.argv[2]))
"""
GETS = ("/health", "/metrics", "/api/health", "/api/events", "/api/events?limit=1", "/nothing", "/api/events?limit=x")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    return home


@contextmanager
def watchtower(home: Home, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    with (home.logs / "watchtower.log").open("ab") as log:
        command = [sys.executable, "-c", RUN, str(home.root), str(port)]
        with subprocess.Popen(command, stdout=log, stderr=log) as process:
            try:
                yield process
            finally:
                process.kill()


def said(home: Home) -> WatchtowerStatus | None:
    return read_status(home.status / WatchtowerStatus.FILE, WatchtowerStatus)


def ask(port: int, path: str, method: str = "GET", **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, headers=headers)
    reply = connection.getresponse()
    body = reply.read()
    connection.close()
    is_json = (reply.getheader("Content-Type") or "").startswith("application/json")
    return reply.status, json.loads(body) if is_json else body.decode()


def is_served(port: int) -> bool:
    try:
        return ask(port, "/health") == (200, {"status": "ok"})
    except OSError:
        return False


def test_curves_follow_the_rows_and_it_ends_as_it_is_told(home: Home) -> None:
    trainer = Trainer(home.metrics, seed=5)
    trainer.train(300)
    with watchtower(home, free_port()) as process:
        for _ in range(3):
            trainer.die_and_resume()
            trainer.train(70)
            eventually(lambda: on_disk(home.metrics) == slow_pyramid(home.metrics), what="the curves")
        eventually(lambda: (now := said(home)) and now.pyramid_steps == trainer.step, what="the status")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    now = said(home)
    assert now
    assert (now.state, now.pyramid_progress, now.problems) == ("ended", 1.0, [])
    marks = orjson.loads((home.metrics / "pyramid" / "marks.json").read_bytes())
    assert len(marks["rewinds"]) == 3
    log = log_of(home, "watchtower")
    assert log.count("event=rebuild") == 1
    assert "index.json does not exist" in log


def test_a_damaged_pyramid_is_built_anew_with_a_log_line(home: Home) -> None:
    Trainer(home.metrics, seed=5).train(300)
    with watchtower(home, free_port()):
        eventually(lambda: on_disk(home.metrics) == slow_pyramid(home.metrics), what="the curves")
        file = home.metrics / "pyramid" / "8.bin"
        file.write_bytes(file.read_bytes()[:100])
        eventually(lambda: on_disk(home.metrics) == slow_pyramid(home.metrics), what="the curves again")
    assert f'event=rebuild reason="{file} was changed: 100 bytes instead of' in log_of(home, "watchtower")


def test_the_status_says_which_daemon_is_late(home: Home) -> None:
    """A trainer that holds its lock and fell silent."""
    silent = TrainingStatus(**header("trainer") | {"heartbeat_at": datetime.now(UTC) - timedelta(minutes=5)})  # type: ignore[arg-type]
    write_status(home.status, silent)
    descriptor = os.open(home.locks / "trainer.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    port = free_port()
    with watchtower(home, port):
        eventually(lambda: (now := said(home)) and now.checked_at, what="an inspection")
        now = said(home)
        assert now
        [late] = [one for one in now.findings if one.group == "Daemons" and one.severity == "trouble"]
        assert "trainer holds its lock and has said nothing for 30" in late.what
        assert late.mend
        eventually(lambda: is_served(port), what="the port")
        status, told = ask(port, "/api/health")
        assert status == 200
        assert late.what[:40] in str(told["findings"])
        os.close(descriptor)
        eventually(lambda: "trainer is down" in str(said(home)), what="the next inspection")


def test_gets_change_nothing_and_refusals_are_sentences(home: Home) -> None:
    EventLog(home.events, "trainer").emit("hero.level", "Level 1", step=1000)
    port = free_port()
    with watchtower(home, port) as process:
        eventually(lambda: is_served(port) and ask(port, "/api/health")[0] == 200, what="an inspection")
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    with served(home) as port:
        before = digest(home)
        answers = {path: ask(port, path) for path in GETS}
        assert digest(home) == before
        kinds = [event["kind"] for event in answers["/api/events"][1]["events"]]
        assert kinds == ["hero.level", "daemon.started", "daemon.ended"]
        assert [event["kind"] for event in answers["/api/events?limit=1"][1]["events"]] == ["daemon.ended"]
        assert answers["/nothing"][0] == 404
        assert answers["/api/events?limit=x"] == (
            400,
            {"error": "limit is 'x': state a whole number from 1 to 1000"},
        )
        assert "realm_daemon_alive" in answers["/metrics"][1]
        assert ask(port, "/metrics", "POST")[0] == 405
        assert ask(port, "/metrics", Host="evil.example")[0] == 403


def test_before_the_first_inspection_nothing_is_known(home: Home) -> None:
    with served(home) as port:
        assert ask(port, "/api/health") == (
            503,
            {"error": "the realm has not been inspected yet: ask again in a minute"},
        )


def test_without_its_port_all_else_goes_on_and_it_is_asked_for_again(home: Home) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        with watchtower(home, port):
            eventually(lambda: (now := said(home)) and now.checked_at, what="an inspection")
            eventually(lambda: (now := said(home)) and now.problems and now.state == "waiting", what="the problem")
            now = said(home)
            assert now
            assert f"port {port} of 127.0.0.1 cannot be listened on" in now.problems[0]
            taken.close()
            eventually(lambda: is_served(port), what="the port")
            eventually(lambda: (now := said(home)) and not now.problems, what="the problem is over")


@contextmanager
def served(home: Home) -> Iterator[int]:
    """The API alone."""
    from realm.core.log import Log
    from realm.core.loopback import LoopbackServer
    from realm.watchtower.api import WatchtowerApi

    with LoopbackServer(WatchtowerApi(home).app, 0, Log("watchtower")) as server:
        yield server.port


def digest(home: Home) -> str:
    found = hashlib.sha256()
    for path in sorted(home.root.rglob("*")):
        found.update(f"{path} {path.lstat().st_mtime_ns}".encode())
        found.update(path.read_bytes() if path.is_file() else b"")
    return found.hexdigest()
