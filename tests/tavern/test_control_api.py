"""Flags, holds and orders over real HTTP: what lies under control/, and nothing else."""

from pathlib import Path

import pytest

from realm.core.control import FLAGS, Control
from realm.core.paths import Home
from tests.cli.console import picture
from tests.tavern.serving import ask, post


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    return home


def test_flags_go_up_and_down(home: Home, port: int) -> None:
    assert post(port, "/api/control/pause", {"reason": "lunch <b>"}) == (202, {"flag": "pause"})
    for name in ("stop", "skip", "seal"):
        assert post(port, f"/api/control/{name}") == (202, {"flag": name})
    assert Control(home).flag("pause").reason == "lunch <b>"  # type: ignore[union-attr]
    told = ask(port, "/api/control")[1]
    assert [(flag["name"], flag["reason"]) for flag in told["flags"]] == [
        ("pause", "lunch <b>"),
        ("stop", ""),
        ("skip", ""),
        ("seal", ""),
    ]
    assert post(port, "/api/control/resume", {}) == (200, {"lifted": ["pause", "stop"]})
    assert post(port, "/api/control/resume", {}) == (200, {"lifted": []})
    assert [flag["name"] for flag in ask(port, "/api/control")[1]["flags"]] == ["skip", "seal"]


def test_a_flag_that_is_up_stays_as_it_was_placed(home: Home, port: int) -> None:
    for reason in ("first", "second"):
        assert post(port, "/api/control/pause", {"reason": reason})[0] == 202
    (flag,) = ask(port, "/api/control")[1]["flags"]
    assert flag["reason"] == "first"


def test_holds_and_orders_are_told(home: Home, port: int) -> None:
    control = Control(home)
    control.place_hold("guardian", "the disk is full")
    first = control.place_order("trainer", "checkpoint")
    second = control.place_order("scheduler", "revert", {"skill": "bin", "level": 3, "why": "cheated"})
    (home.orders / "trainer" / "broken.json").write_bytes(b"{")
    (home.orders / "trainer" / ".half.json").write_bytes(b'{"action": "checkpoint"}')
    told = ask(port, "/api/control")[1]
    assert [(hold["daemon"], hold["reason"]) for hold in told["holds"]] == [("guardian", "the disk is full")]
    assert [(order["daemon"], order["id"], order["action"]) for order in told["orders"]] == [
        ("trainer", first, "checkpoint"),
        ("scheduler", second, "revert"),
    ]
    assert told["orders"][1]["arguments"] == {"skill": "bin", "level": 3, "why": "cheated"}
    assert all(order["placed_at"].endswith("Z") for order in told["orders"])


def test_an_order_is_followed_to_its_answer(home: Home, port: int) -> None:
    control = Control(home)
    done, refused, sent = (control.place_order("oracle", "load", {"step": step}) for step in (1, 2, 3))
    order = control.next_order("oracle")
    assert order
    control.answer(order, {"loaded": 1})
    order = control.next_order("oracle")
    assert order
    control.refuse(order, "there is no step 2")
    told = {one: ask(port, f"/api/orders/oracle/{one}")[1] for one in (done, refused, sent)}
    assert (told[done]["state"], told[done]["result"], told[done]["error"]) == ("done", {"loaded": 1}, None)
    assert (told[refused]["state"], told[refused]["error"]) == ("refused", "there is no step 2")
    assert told[refused]["at"].endswith("Z")
    assert told[sent]["state"] == "sent"
    assert [one["id"] for one in ask(port, "/api/control")[1]["orders"]] == [sent]


REFUSALS = (
    ("GET", "/api/orders/dragon/x", None, 404, "'dragon' is no daemon"),
    ("GET", "/api/orders/trainer/none", None, 404, "is no order to the trainer"),
    ("GET", "/api/orders/trainer/..", None, 404, "is no order's id"),
    ("GET", "/api/orders/../config", None, 404, "is no daemon"),
    ("GET", "/api/orders/trainer/..%2f..%2fconfig", None, 404, "is no order's id"),
    ("POST", "/api/control/dance", {}, 404, "'dance' is no flag: pause, stop, skip, seal, or resume"),
    ("POST", "/api/control/.pause", {}, 404, "is no flag"),
    ("POST", "/api/control/pause", {"reason": "x" * 501}, 400, "length <= 500"),
    ("POST", "/api/control/pause", {"reason": "two\nlines"}, 400, "matching regex"),
    ("POST", "/api/control/pause", {"why": "x"}, 400, "unknown field `why`"),
    ("POST", "/api/control/resume", {"all": True}, 400, "unknown field `all`"),
    ("POST", "/api/control/pause", [], 400, "Expected `object`"),
    ("GET", "/api/control/pause", None, 405, "Method not allowed"),
)


def test_what_cannot_be_is_refused(home: Home, port: int) -> None:
    before = picture(home)
    for method, path, body, status, said in REFUSALS:
        found, told = ask(port, path, method, body)
        assert (found, said in told["error"]) == (status, True), (path, told)
    assert picture(home) == before


def test_a_disk_that_cannot_be_written_to_is_told(home: Home, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    home.control.rename(home.root / "elsewhere")
    for name in (*FLAGS, "resume"):
        status, told = post(port, f"/api/control/{name}")
        assert (status, "realm doctor" in told["error"]) == (500, True), told
