"""Who may ask, beyond loopback: which key opens what, and what is said to the others."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from realm.core.config import Oracle
from realm.core.log import Log
from realm.core.loopback import LoopbackServer
from realm.core.paths import Home
from realm.oracle import keys
from realm.oracle.guard import Guard
from realm.oracle.oracle_api import OracleApi
from realm.oracle.pool import Pool
from tests.oracle.conftest import ask

EVERYWHERE = Oracle(host="0.0.0.0")
CHAT = {"model": "step:7", "messages": [{"role": "user", "content": "①"}]}  # let in, it is not found
ROUTES = [
    # path, body, status with the read key, status with the admin key
    ("/v1/models", None, 200, 200),
    ("/v1/chat/completions", CHAT, 404, 404),
    ("/models", None, 200, 200),
    ("/models/info", None, 200, 200),
    ("/models/load", {"model": "step:7"}, 403, 404),
    ("/models/reload", {"model": "step:7"}, 403, 404),
    ("/models/unload", {"model": "step:7"}, 403, 404),
    ("/models", {}, 403, 405),
    ("/elsewhere", None, 403, 404),
]


@pytest.fixture(scope="module")
def guarded(home: Home, pool: Pool) -> Iterator[int]:
    with LoopbackServer(OracleApi(pool, Guard(home, EVERYWHERE).check).app, 0, Log("oracle")) as server:
        yield server.port


def key(home: Home, name: str) -> str:
    return (home.secrets / name).read_text().strip()


@pytest.mark.parametrize(("path", "body", "read", "admin"), ROUTES)
def test_each_key_opens_its_own(guarded: int, home: Home, path: str, body: object, read: int, admin: int) -> None:
    assert ask(guarded, path, body, Authorization=f"Bearer {key(home, keys.READ)}")[0] == read
    assert ask(guarded, path, body, Authorization=f"bearer {key(home, keys.ADMIN)}")[0] == admin
    assert ask(guarded, path, body, **{"X-API-Key": key(home, keys.ADMIN)})[0] == admin
    for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": f"Basic {key(home, keys.ADMIN)}"}):
        status, said = ask(guarded, path, body, **headers)
        assert (status, said["error"]["code"]) == (401, "invalid_api_key")
    status, said = ask(guarded, path, body, Authorization="Bearer gu\xe9ss")
    assert status == 401
    assert "`realm oracle keys`" in said["error"]["message"]


def test_health_is_free_and_a_key_is_no_leave_for_strange_pages(guarded: int, home: Home) -> None:
    assert ask(guarded, "/health")[0] == 200
    headers = {"Authorization": f"Bearer {key(home, keys.ADMIN)}", "Host": "realm.lan:8765"}
    assert ask(guarded, "/v1/chat/completions", CHAT, **headers)[0] == 404
    status, said = ask(guarded, "/v1/chat/completions", CHAT, **headers, Origin="http://evil.example")
    assert (status, said["error"]["type"]) == (403, "invalid_request_error")


def test_keys_are_private_and_stay_the_same(home: Home) -> None:
    Guard(home, EVERYWHERE)
    first = key(home, keys.READ), key(home, keys.ADMIN)
    assert first[0] != first[1]
    for name in (keys.READ, keys.ADMIN):
        assert stat.S_IMODE((home.secrets / name).stat().st_mode) == 0o600
    Guard(home, EVERYWHERE)
    assert (key(home, keys.READ), key(home, keys.ADMIN)) == first


def test_an_empty_key_would_let_everybody_in(home: Home) -> None:
    kept = (home.secrets / keys.READ).read_text()
    (home.secrets / keys.READ).write_text("\n")
    with pytest.raises(ValueError, match="is empty"):
        Guard(home, EVERYWHERE)
    (home.secrets / keys.READ).write_text(kept)


def test_on_loopback_no_key_is_made_and_none_asked_for(tmp_path: Path, pool: Pool) -> None:
    home = Home(tmp_path)
    guard = Guard(home, Oracle())
    assert not home.secrets.exists()
    with LoopbackServer(OracleApi(pool, guard.check).app, 0, Log("oracle")) as server:
        assert ask(server.port, "/models/load", {"model": "step:7"})[0] == 404
        assert ask(server.port, "/v1/models", Host="evil.example")[0] == 403
        assert ask(server.port, "/models/load", {"model": "step:7"}, Origin="http://evil.example")[0] == 403
