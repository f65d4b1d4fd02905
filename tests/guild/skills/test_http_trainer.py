"""The client, with the real server and with servers that break."""

import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import bottle
import msgspec
import pytest

from realm.core.log import Log
from realm.core.loopback import LoopbackServer, answer, json_app
from realm.core.paths import Home
from realm.guild.skills import SkillError, SkillUnavailable, get_skill, get_trainer
from realm.guild.skills.api import SkillApi
from realm.guild.skills.http_trainer import HttpTrainer
from realm.guild.skills.in_process import InProcessTrainer
from tests.cli.console import until
from tests.guild.skills.conftest import REALM, describe, echo_skill, is_connected_to, skill_server
from tests.ports import free_port

FACTS = ("id", "level", "difficulty", "operation", "prompt", "answer", "space_size", "space_split")


def facts(item: Any) -> list[Any]:
    return [getattr(item, name) for name in FACTS]


def trainer_of(skill: str, port: int) -> HttpTrainer:
    url = f"http://127.0.0.1:{port}"
    return HttpTrainer(msgspec.structs.replace(get_skill(skill), api_url=url, in_process=None, signs=("①",)))


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Of BIN's real server."""
    skill = get_skill("bin")
    with LoopbackServer(SkillApi(skill, InProcessTrainer(skill, "bin")).app, 0, Log("test")) as server:
        yield server.port


@pytest.fixture
def served(port: int) -> HttpTrainer:
    return trainer_of("bin", port)


def test_over_http_a_skill_is_the_same_as_in_process(served: HttpTrainer) -> None:
    ours = get_trainer("bin")
    assert (served.VERSION, list(served.LEVELS)) == (ours.VERSION, list(ours.LEVELS))
    for level in (1, 7, 8, 30):
        assert [facts(item) for item in served.sample(level, 120, 95)] == [
            facts(item) for item in ours.sample(level, 120, 95)
        ]
        assert [facts(one) for one in served.exam(level, 50, "x y&z")] == [
            facts(one) for one in ours.exam(level, 50, "x y&z")
        ]
        assert facts(served.make(level, "exam", 4)) == facts(ours.make(level, "exam", 4))
        assert (served.space(level).size, served.space(level).split) == (
            ours.space(level).size,
            ours.space(level).split,
        )
        assert served.to_chat(served.make(level, "train", 3)) == ours.to_chat(ours.make(level, "train", 3))


def test_a_block_is_asked_for_once(served: HttpTrainer) -> None:
    """Also by a quest that takes three levels in turn."""
    for number in range(600):
        served.make(1 + number % 3, "train", number // 3)
    assert served._block.cache_info().misses == 6


def test_the_server_grades(served: HttpTrainer) -> None:
    assert served.extractor == "bin-server@1.0.0"
    for item in served.exam(9, 8, 0):
        assert served.score(f" {item.answer}\n", item) == 1.0
        assert served.score(f"{item.answer}①", item) == 0.0


def test_what_cannot_be_asked_for_is_refused(served: HttpTrainer) -> None:
    cases: list[tuple[Callable[[], object], str]] = [
        (lambda: served.sample(31, 1), "unknown level 31"),
        (lambda: served.exam(0, 5, 0), "unknown level 0"),
        (lambda: served.make(1, "train", -1), "negative"),
        (lambda: served.make(1, "exam", 5), "cannot be asked for by its number"),
        (lambda: served.exam(1, 1001, 0), "HTTP 400: count is '1001'"),
    ]
    for ask, reason in cases:
        with pytest.raises(ValueError, match=reason):
            ask()


# Servers that do not keep to the contract

ITEM = {
    "id": "x",
    "level": 1,
    "difficulty": "easy",
    "operation": "add",
    "prompt": "1 + 1",
    "answer": "2",
    "space_size": 10,
    "space_split": "none",
}
INFO = {"skill": "bin", "version": "1.0.0", "min_level": 1, "max_level": 30}


def batch(count: int = 100, **changes: Any) -> dict[str, Any]:
    return {"version": "1.0.0", "level": 1, "items": [{**ITEM, **changes}] * count}


class Careless:
    """A server that says what it is told to."""

    def __init__(self) -> None:
        self.port = 0
        self.says: dict[str, object] = {}
        self.status = 200

    def answer(self, path: str) -> bottle.HTTPResponse:
        return answer(self.says[path], self.status)

    def trainer(self, status: int = 200, **says: object) -> HttpTrainer:
        self.says, self.status = says, status
        return trainer_of("bin", self.port)


@pytest.fixture(scope="module")
def careless() -> Iterator[Careless]:
    server = Careless()
    app = json_app()
    app.route("/<path>", ["GET", "POST"], server.answer)
    with LoopbackServer(app, 0, Log("test")) as listening:
        server.port = listening.port
        yield server


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({**batch(), "version": "1.0.1"}, "items of version 1.0.1.*asked for were 1.0.0"),
        ({**batch(), "level": 2}, "level 2"),
        (batch(level=2), "item x is of level 2, not of 1"),
        (batch(99), "gave 99 items"),
        (batch(prompt=""), "`\\$.prompt`.*in the item"),
        (batch(answer=7), "`\\$.answer`"),
        (batch(space_split="half"), "`\\$.space_split`"),
        ({"items": []}, "not a skill server's answer"),
        ([], "not a skill server's answer"),
    ],
)
def test_answers_that_are_none_are_refused(careless: Careless, content: object, reason: str) -> None:
    with pytest.raises(SkillError, match=reason) as raised:
        careless.trainer(generate=content).make(1, "train", 0)
    assert not isinstance(raised.value, SkillUnavailable)


@pytest.mark.parametrize("change", [{"skill": "sy"}, {"version": "2.0.0"}, {"max_level": 7}, {"min_level": 0}])
def test_a_server_of_another_skill_or_version_is_refused(careless: Careless, change: dict[str, object]) -> None:
    with pytest.raises(SkillError, match="make them one"):
        _ = careless.trainer(info={**INFO, **change}).extractor


def test_a_server_that_does_not_grade_has_the_whole_answer_compared(careless: Careless) -> None:
    trainer = careless.trainer(info=INFO, eval=batch(5))
    item = trainer.exam(1, 5, 0)[0]
    assert trainer.extractor == "whole-answer@1"
    assert [trainer.score(text, item) for text in ("2", " 2 \n", "", "22", "the answer is 2")] == [1, 1, 0, 0, 0]


@pytest.mark.parametrize("scores", [[], [1.0, 1.0], [1.5], [-0.1], ["1"]])
def test_scores_that_are_none_are_refused(careless: Careless, scores: list[Any]) -> None:
    trainer = careless.trainer(info={**INFO, "features": ["score"]}, eval=batch(5), score={"scores": scores})
    with pytest.raises(SkillError):
        trainer.score("2", trainer.exam(1, 5, 0)[0])


def test_more_items_than_were_asked_for_are_refused(careless: Careless) -> None:
    with pytest.raises(SkillError, match="gave 6 items"):
        careless.trainer(eval=batch(6)).exam(1, 5, 0)


@pytest.mark.parametrize("status", [301, 302, 404, 418, 500])
def test_another_status_is_no_answer(careless: Careless, status: int) -> None:
    with pytest.raises(SkillError, match=f"HTTP {status}: no tea here") as raised:
        careless.trainer(status, health={"error": "no tea here"}).check_health()
    assert not isinstance(raised.value, SkillUnavailable)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_server_that_is_not_up_yet_is_unavailable(careless: Careless, status: int) -> None:
    with pytest.raises(SkillUnavailable, match="warming up"):
        careless.trainer(status, health={"error": "warming up"}).check_health()


# Servers that break off


@contextmanager
def saying(*pieces: bytes) -> Iterator[HttpTrainer]:
    """A server that reads a request, says the pieces, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(65536)
                for piece in pieces:
                    client.sendall(piece)

        thread = threading.Thread(target=serve)
        thread.start()
        yield trainer_of("bin", listener.getsockname()[1])
        thread.join()


WHOLE = msgspec.json.encode(batch())
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
LENGTH = b"Content-Length: %d\r\n\r\n" % len(WHOLE)


@pytest.mark.parametrize(
    "pieces",
    [
        (),
        (b"HTTP/1.1 200",),
        (HEAD,),
        (HEAD, LENGTH),
        (HEAD, LENGTH, WHOLE[:-1]),
        (HEAD, b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n"),
        (b"not HTTP at all\r\n\r\n",),
    ],
)
def test_an_answer_that_breaks_off_is_none(pieces: tuple[bytes, ...]) -> None:
    with saying(*pieces) as trainer, pytest.raises(SkillUnavailable, match="no answer"):
        trainer.make(1, "train", 0)


def test_an_answer_whose_end_nobody_can_tell_is_none() -> None:
    with saying(HEAD, b"\r\n", WHOLE) as trainer, pytest.raises(SkillUnavailable, match="no Content-Length"):
        trainer.make(1, "train", 0)


def test_the_same_answer_whole_is_taken() -> None:
    with saying(HEAD, LENGTH, WHOLE) as trainer:
        assert trainer.make(1, "train", 0).answer == "2"


def test_nobody_there_is_unavailable() -> None:
    with pytest.raises(SkillUnavailable, match="refused"):
        trainer_of("bin", free_port()).sample(1, 1)


def test_a_server_killed_while_it_generates_leaves_nothing_half_written(home: Home) -> None:
    port = free_port()
    echo_skill(home, port)
    out = home.root / "q.jsonl"
    words = ("scroll", "forge", "adder", "--level", "1-3", "--count", "500", "--out", str(out))
    describe(home, "adder", (":8091", f":{port}"))
    with skill_server(home, "bon") as server:
        server.send_signal(signal.SIGSTOP)
        with subprocess.Popen([*REALM, *words], stderr=subprocess.PIPE, text=True) as forging:
            until(lambda: is_connected_to(port))
            server.kill()
            said = forging.communicate()[1]
    assert forging.returncode == 1
    assert f"http://127.0.0.1:{port}/generate: no answer: " in said
    assert said.count("\n") == 1
    assert not list(home.root.glob("q.jsonl*"))
    with skill_server(home, "bon"):
        again = trainer_of("bon", port)
        assert len(again.sample(1, 500)) == 500
