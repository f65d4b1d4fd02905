"""Attacks, each refused: another site's page, a name made to point here, no token, too much."""

import os
import re
import time

import pytest

from realm.core.config import Tavern
from realm.core.paths import Home
from realm.tavern import entrance_of
from realm.tavern.guard import Guard
from realm.tavern.tickets import GOOD_FOR, token_of
from tests.tavern.conftest import Door

JSON = {"Content_Type": "application/json"}
PAUSE = "/api/control/pause"


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8888", "", "[::2]", "\xe9"]
)
def test_a_name_that_was_made_to_point_here_is_refused(door: Door, host: str) -> None:
    for path in ("/", "/api/pulse", "/status/training_status.json", "/style.css"):
        assert door(path, Host=host).status in (400, 403)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_another_sites_page_changes_nothing(door: Door, headers: dict[str, str]) -> None:
    part = "/api/uploads?name=x.jsonl&size=2&key=1&from=0"
    quests = ("/api/quests?name=x.jsonl", part, "/api/quests/x/move", "/api/quests/x/mend")
    for path in (PAUSE, "/api/control/resume", "/api/scheduler", "/api/scheduler/preview", *quests):
        assert door(path, "POST", b"{}", **JSON, **headers).status == 403
    assert not (door.home.control / ".pause").exists()
    assert not list(door.home.inbox.rglob("*.jsonl"))


def test_our_own_page_and_a_program_may(door: Door) -> None:
    own = {"Origin": f"http://127.0.0.1:{door.port}", "Sec_Fetch_Site": "same-origin"}
    assert door(PAUSE, "POST", b"{}", **JSON, **own).status == 202
    assert door("/api/control/resume", "POST", b"{}", **JSON).status == 200


def test_a_body_beyond_64_kib_is_not_read(door: Door) -> None:
    reply = door(PAUSE, "POST", b'{"reason": "' + b"x" * 70_000 + b'"}', **JSON)
    assert reply.status == 413
    assert not (door.home.control / ".pause").exists()


def test_pages_let_nothing_in_from_elsewhere(door: Door) -> None:
    for page in ("/", "/quests", "/guild", "/scheduler", "/watchtower"):
        policy = door(page).headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert re.search(r"script-src 'self' 'sha256-[A-Za-z0-9+/=]{44}';", policy)
        assert "unsafe" not in policy


def test_no_answer_is_open_to_other_origins(door: Door) -> None:
    for path in ("/", "/api/pulse", "/api/game", "/status/training_status.json", "/js/pulse.js"):
        assert "access-control-allow-origin" not in door(path, Origin="http://evil.example").headers


# Beyond loopback


def test_without_a_token_nothing_is_told(guarded: Door) -> None:
    for path in ("/", "/style.css", "/api/pulse", "/api/game", "/status/training_status.json", "/nothing"):
        assert guarded(path).status == 401
    assert guarded(PAUSE, "POST", b"{}", **JSON).status == 401
    for key in ("wrong", "wr\xf6ng", ""):
        assert guarded("/api/pulse", Authorization=f"Bearer {key}").status == 401
    assert guarded("/api/pulse", Cookie="realm=wrong").status == 401
    assert guarded("/health").status == 200


def test_the_token_opens(guarded: Door) -> None:
    token = token_of(guarded.home)
    assert guarded("/api/pulse", Authorization=f"Bearer {token}", Host="realm.lan:8888").status == 200
    assert guarded("/", Cookie=f"realm={token}").status == 200
    assert (guarded.home.secrets / "tavern.token").stat().st_mode & 0o777 == 0o600


def test_an_empty_token_would_let_everybody_in(home: Home) -> None:
    (home.secrets / "tavern.token").write_text("\n")
    with pytest.raises(OSError, match=r"tavern\.token is empty"):
        Guard(home, Tavern(host="0.0.0.0"))


def test_a_ticket_is_worth_a_cookie_once(guarded: Door) -> None:
    address = entrance_of(guarded.home, Tavern(host="0.0.0.0"), "realm.lan")
    path = address.removeprefix("http://realm.lan:8888")
    first = guarded(path)
    cookie = first.headers["set-cookie"]
    assert (first.status, first.headers["location"]) == (303, "/")
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert guarded("/", Cookie=cookie.partition(";")[0]).status == 200
    assert guarded(path).status == 403


def test_an_old_ticket_is_none(guarded: Door) -> None:
    path = entrance_of(guarded.home, Tavern(host="0.0.0.0"), "x").removeprefix("http://x:8888")
    [file] = guarded.home.secrets.glob("ticket-*")
    old = time.time() - GOOD_FOR - 1
    os.utime(file, (old, old))
    assert guarded(path).status == 403
    assert not file.exists()


@pytest.mark.parametrize("ticket", ["", "x", "../tavern.token", "%2e%2e/x"])
def test_a_made_up_ticket_is_none(guarded: Door, ticket: str) -> None:
    assert guarded(f"/enter?ticket={ticket}").status == 403


def test_on_loopback_there_is_no_way_out_to_the_network(door: Door) -> None:
    with pytest.raises(OSError, match=r"tavern\.host"):
        entrance_of(door.home, Tavern(), "x")


def test_with_the_token_another_sites_page_still_changes_nothing(guarded: Door) -> None:
    token = token_of(guarded.home)
    reply = guarded(PAUSE, "POST", b"{}", **JSON, Cookie=f"realm={token}", Origin="http://evil.example")
    assert reply.status == 403
