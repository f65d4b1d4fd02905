"""What a skill server answers, to whoever asks whatever."""

import http.client
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from realm.core.log import Log
from realm.core.loopback import LoopbackServer, PortTaken
from realm.guild.skills import get_skill
from realm.guild.skills.api import SkillApi
from realm.guild.skills.in_process import InProcessTrainer


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    skill = get_skill("bin")
    with LoopbackServer(SkillApi(skill, InProcessTrainer(skill, "bin")).app, 0, Log("test")) as server:
        yield server.port


def ask(port: int, request: str, body: object = None, *, host: str = "localhost") -> tuple[int, Any]:
    method, path = request.split()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    data = body if isinstance(body, bytes | None) else msgspec.json.encode(body)
    connection.request(method, path, data, {"Host": host})
    response = connection.getresponse()
    content = response.read()
    connection.close()
    assert response.getheader("Content-Type") == "application/json"
    assert response.getheader("Content-Length") == str(len(content))
    assert response.getheader("Access-Control-Allow-Origin") is None
    return response.status, msgspec.json.decode(content)


def test_it_says_who_it_is(port: int) -> None:
    assert ask(port, "GET /health") == (200, {"status": "ok", "skill": "bin", "version": "1.0.0"})
    info = ask(port, "GET /info")[1]
    assert (info["skill"], info["min_level"], info["max_level"], info["features"]) == ("bin", 1, 30, ["score"])
    levels = ask(port, "GET /levels")[1]["levels"]
    assert [level["level"] for level in levels] == list(range(1, 31))
    assert levels[2] == {
        "level": 3,
        "name": "Nibble, 4 bits",
        "eval_samples": 5,
        "pass_threshold": 0.8,
        "space_size": 9168,
        "space_split": "hash",
    }


def test_it_generates_the_same_for_the_same_seed_and_other_items_for_another(port: int) -> None:
    def generate(**changes: int) -> Any:
        return ask(port, "POST /generate", {"level": 4, "count": 100, "seed": 1, **changes})[1]["items"]

    assert generate() == generate()
    assert generate(count=7) == generate()[:7]
    prompts = [{item["id"] for item in generate(seed=seed)} for seed in range(4)]
    assert len(set.union(*prompts)) == 400
    assert ask(port, "POST /generate", {"level": 4, "count": 2})[1]["items"] == generate(seed=0, count=2)


def test_an_evaluation_is_static_and_longer_ones_begin_with_it(port: int) -> None:
    static = ask(port, "GET /eval?level=6")[1]["items"]
    assert len(static) == 5
    assert ask(port, "GET /eval?level=6&count=50&seed=abc")[1]["items"][:5] == static


def test_it_grades_whole_items(port: int) -> None:
    items = ask(port, "GET /eval?level=12&count=20&seed=1")[1]["items"]
    given = [{**item, "given": item["answer"] if number % 2 else "no"} for number, item in enumerate(items)]
    assert ask(port, "POST /score", {"level": 12, "items": given}) == (200, {"scores": [0.0, 1.0] * 10})


@pytest.mark.parametrize(
    ("asked", "body", "status", "reason"),
    [
        ("GET /eval?level=31", None, 404, "unknown level 31: bin has the levels 1 to 30"),
        ("POST /generate", {"level": 31, "count": 1}, 404, "unknown level 31"),
        ("POST /generate", {"level": 0, "count": 1}, 404, "unknown level 0"),
        ("POST /score", {"level": -1, "items": [{}]}, 404, "unknown level -1"),
        ("GET /eval", None, 400, "level is missing: state a whole number"),
        ("GET /eval?level=x", None, 400, "level is 'x'"),
        ("GET /eval?level=1e3", None, 400, "level is '1e3'"),
        ("GET /eval?level=" + "9" * 5000, None, 400, "level is '999"),
        ("GET /eval?level=1&count=0", None, 400, "count is '0'"),
        ("GET /eval?level=1&count=1001", None, 400, "from 1 to 1000"),
        ("POST /generate", b"", 400, "truncated"),
        ("POST /generate", b"{", 400, "the body is not what /generate takes"),
        ("POST /generate", b"\xff\xfe", 400, "the body"),
        ("POST /generate", [], 400, "Expected `object`"),
        ("POST /generate", {"level": 1}, 400, "missing required field `count`"),
        ("POST /generate", {"level": 1, "count": 101}, 400, "<= 100"),
        ("POST /generate", {"level": 1, "count": 0}, 400, ">= 1"),
        ("POST /generate", {"level": "1", "count": 1}, 400, "Expected `int`, got `str`"),
        ("POST /generate", {"level": 1, "count": 1, "seed": -1}, 400, ">= 0"),
        ("POST /generate", {"level": 1, "count": 1, "sed": 1}, 400, "unknown field `sed`"),
        ("POST /generate", b"[" * 100_000, 400, "the body"),
        ("POST /score", {"level": 1, "items": [{"given": 1}]}, 400, 'lacks "given"'),
        ("POST /score", {"level": 1, "items": [{"given": "1"}]}, 400, "not as it was given out"),
        ("GET /nothing", None, 404, "/nothing"),
        ("GET /generate", None, 405, "not allowed"),
        ("DELETE /health", None, 405, "not allowed"),
    ],
)
def test_what_it_cannot_do_is_one_sentence(port: int, asked: str, body: object, status: int, reason: str) -> None:
    found, content = ask(port, asked, body)
    assert found == status
    assert list(content) == ["error"]
    assert reason in content["error"]
    assert ask(port, "GET /health")[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example:80", "127.0.0.2", "localhost:80:80", "[::1", ""]
)
def test_a_page_of_another_site_is_told_nothing(port: int, host: str) -> None:
    status, content = ask(port, "GET /info", host=host)
    assert status == 403
    assert "this server answers to 127.0.0.1 and localhost" in content["error"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9999", "127.0.0.1:8090", "[::1]:8090"])
def test_a_tunnel_is_let_in(port: int, host: str) -> None:
    assert ask(port, "GET /health", host=host)[0] == 200


def test_a_body_beyond_all_measure_is_cut_off(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.putrequest("POST", "/generate")
    connection.putheader("Content-Length", str(2**40))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_a_taken_port_is_told(port: int) -> None:
    skill = get_skill("bin")
    app = SkillApi(skill, InProcessTrainer(skill, "bin")).app
    with pytest.raises(PortTaken, match=f"port {port} of 127.0.0.1"), LoopbackServer(app, port, Log("test")):
        pass
