"""The scheduler over real HTTP: looks change nothing, wishes become files, what cannot be is said in a sentence."""

import hashlib
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from realm.core.log import Log
from realm.core.loopback import LoopbackServer
from realm.core.paths import Home
from realm.core.status import SchedulerStatus, write_status
from realm.guild.annals import Annals, Dispatched, Part, annals_file
from realm.guild.scheduler_api import SchedulerApi
from realm.guild.tasks import TaskQueue
from tests.cli.console import header
from tests.guild.test_scheduler import configure, put_checkpoint

GETS = (
    "/health",
    "/api/status",
    "/api/tasks",
    "/api/tasks?state=done&limit=7",
    "/api/tasks/nothing",
    "/api/curriculum",
    "/api/curriculum?count=3",
    "/nothing",
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    monkeypatch.setenv("REALM_HOME", str(home.root))
    configure(home, strategy="focus", batch=40)
    TaskQueue(home).make_folders()
    return home


@pytest.fixture
def port(home: Home) -> Iterator[int]:
    with LoopbackServer(SchedulerApi(home).app, 0, Log("scheduler")) as server:
        yield server.port


def ask(port: int, path: str, method: str = "GET", body: object = None, **headers: str) -> tuple[int, Any]:
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", content, headers, method=method)
    try:
        with urllib.request.urlopen(request) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def exam(checkpoint: str, level: int = 1) -> dict[str, Any]:
    return {"kind": "exam", "arguments": {"checkpoint": checkpoint, "skill": "bin", "level": level}}


def digest(home: Home) -> str:
    found = hashlib.sha256()
    for path in sorted(home.root.rglob("*")):
        found.update(f"{path} {path.lstat().st_mtime_ns}".encode())
        found.update(path.read_bytes() if path.is_file() else b"")
    return found.hexdigest()


def test_a_thousand_looks_at_each_page_change_nothing(home: Home, port: int) -> None:
    """The annals have a torn end, which is for the scheduler to cut."""
    _, made = ask(port, "/api/tasks", "POST", exam(put_checkpoint(home, 1)))
    write_status(home.status, SchedulerStatus(**header("scheduler"), exams=3))
    Annals(home).append(Dispatched(number=0, skill="bin", version="1", parts=(Part(1, 0, 40),), reason="", at=""))
    with annals_file(home).open("ab") as file:
        file.write(b'{"kind":"dispa')
    rules = {route.rule for route in SchedulerApi(home).app.routes if route.method == "GET"}
    assert rules == {page.partition("?")[0] for page in GETS} - {"/nothing", "/api/tasks/nothing"} | {
        "/api/tasks/<task_id>"
    }
    before = digest(home)
    kept = http.client.HTTPConnection("127.0.0.1", port)
    for path in (*GETS, f"/api/tasks/{made['id']}"):
        for _ in range(1000):
            kept.request("GET", path)
            kept.getresponse().read()
    kept.close()
    assert digest(home) == before


def test_a_task_is_submitted_shown_listed_and_cancelled(home: Home, port: int) -> None:
    status, made = ask(port, "/api/tasks", "POST", exam(put_checkpoint(home, 1)))
    assert (status, made["state"], made["attempts"], made["submitted_by"]) == (201, "normal", 0, "person")
    assert ask(port, f"/api/tasks/{made['id']}")[1] == made
    assert ask(port, "/api/tasks")[1] == {"tasks": [made], "count": 1}
    assert ask(port, f"/api/tasks/{made['id']}", "DELETE")[1]["state"] == "cancelled"
    assert ask(port, f"/api/tasks/{made['id']}", "DELETE")[0] == 409
    assert ask(port, "/api/tasks?state=normal")[1]["count"] == 0


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"kind": "dance"}, 400, "the scheduler knows exam"),
        ({"kind": "exam", "urgency": "now"}, 400, "Invalid enum value 'now'"),
        ({"kind": "exam", "arguments": {}}, 400, "missing required field `checkpoint`"),
        (exam("checkpoint-9-20260101-0009"), 404, "is no checkpoint in the ledger"),
        (exam("../../config.json"), 404, "is no checkpoint in the ledger"),
        (exam("checkpoint-1-20260101-0001", level=31), 400, "level is 31: bin has"),
        (exam("checkpoint-1-20260101-0001", level=0), 400, "Expected `int` >= 1"),
        ({**exam("checkpoint-1-20260101-0001"), "submitted_at": "2026"}, 400, "leave it out"),
        ([], 400, "the body is not what /api/tasks takes"),
    ],
)
def test_what_cannot_be_is_refused(home: Home, port: int, body: object, status: int, said: str) -> None:
    put_checkpoint(home, 1)
    found, answer = ask(port, "/api/tasks", "POST", body)
    assert (found, said in answer["error"]) == (status, True), answer
    assert list(TaskQueue(home).all()) == []


def test_the_same_exam_is_not_asked_for_twice(home: Home, port: int) -> None:
    name = put_checkpoint(home, 1)
    assert [ask(port, "/api/tasks", "POST", exam(name))[0] for _ in range(2)] == [201, 409]


def test_another_sites_name_for_this_machine_is_refused(port: int) -> None:
    assert ask(port, "/api/tasks", Host="evil.example")[0] == 403


@pytest.mark.parametrize(("origin", "status"), [("http://evil.example", 403), ("null", 403), (None, 201)])
def test_a_page_of_another_site_cannot_ask_for_anything(home: Home, port: int, origin: str | None, status: int) -> None:
    body = exam(put_checkpoint(home, 1))
    stated = {"Origin": origin or f"http://127.0.0.1:{port}"}
    assert ask(port, "/api/tasks", "POST", body, **stated)[0] == status
    assert ask(port, "/api/tasks", **stated)[0] == 200


def test_annals_that_are_damaged_are_told_in_a_sentence(home: Home, port: int) -> None:
    annals_file(home).write_text("scribble\n{}\n")
    status, answer = ask(port, "/api/curriculum")
    assert (status, "line 1: " in answer["error"], "mend the line by hand" in answer["error"]) == (409, True, True)


def test_the_next_batches_are_shown(port: int) -> None:
    status, answer = ask(port, "/api/curriculum?count=3")
    assert (status, [one["number"] for one in answer["decisions"]]) == (200, [0, 1, 2])
