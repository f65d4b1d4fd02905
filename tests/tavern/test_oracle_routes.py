"""The oracle through the tavern: a real oracle, a real stream, a reader that goes away, and what refuses."""

import json
import re
import shutil
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from realm.core.jsonl import append_lines
from realm.core.log import Log
from realm.core.loopback import LoopbackServer
from realm.oracle.oracle_api import OracleApi
from realm.oracle.pool import Pool
from realm.oracle.shelf import Shelf
from tests.arena.realm_home import eventually
from tests.oracle.compatible import compatible
from tests.oracle.conftest import NEWER, OLDER
from tests.tavern.conftest import Door
from tests.tavern.oracle_lab import THREADS, OracleLab, oracle_home, sit

JSON = {"Content_Type": "application/json"}
QUESTION = {"message": "Compute: add(①, ①⓪)", "host": "here", "model": "step:500", "temperature": 0, "max_tokens": 12}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, squire: Path) -> Iterator[OracleLab]:
    """Its oracle is in this process."""
    with oracle_home(tmp_path_factory.mktemp("oracle") / "home", squire) as lab:
        pool = Pool(Shelf(lab.home), 8 * 10**9, lambda what, text: None)
        with LoopbackServer(OracleApi(pool).app, lab.port, Log("oracle"), threads=THREADS):
            yield lab
        pool.end()


@pytest.fixture
def door(lab: OracleLab) -> Door:
    return lab.door


def get(door: Door, path: str) -> tuple[int, Any]:
    reply = door(path)
    return reply.status, reply.json


def post(door: Door, path: str, content: object, **headers: str) -> tuple[int, Any]:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    reply = door(path, "POST", body, **{**JSON, **headers})
    return reply.status, reply.json


def events(body: bytes) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix("data: ")) for line in body.decode().split("\n\n") if line]


def status(door: Door) -> Any:
    return get(door, "/oracle/status?host=here")[1]


def test_each_host_is_told_with_why_it_cannot_be_reached(lab: OracleLab) -> None:
    lab.name_host("3090", 1)
    told = get(lab.door, "/oracle/hosts")[1]
    assert [(host["id"], host["is_reachable"]) for host in told["hosts"]] == [("here", True), ("3090", False)]
    assert "no Oracle answers at http://127.0.0.1:1" in told["hosts"][1]["problem"]
    assert told["problem"] is None
    (lab.home.configs / "hosts.json").write_text("{")
    told = get(lab.door, "/oracle/hosts")[1]
    assert [host["id"] for host in told["hosts"]] == ["here"]
    assert "hosts.json" in told["problem"]
    (lab.home.configs / "hosts.json").unlink()
    assert get(lab.door, "/oracle/status?host=mars") == (
        404,
        {"error": "unknown host 'mars': choose one of 4090, 3090, nas"},
    )


def test_an_oracle_that_does_not_run_is_told_with_how_to_start_it(lab: OracleLab) -> None:
    written = lab.home.config_file.read_bytes()
    lab.home.config_file.write_bytes(b'{"oracle": {"port": 1}}')
    assert "`realm run oracle` starts one" in status(lab.door)["problem"]
    code, refused = post(lab.door, "/oracle/chat", QUESTION)
    assert (code, "No Oracle runs on this machine" in refused["error"]) == (503, True)
    models = get(lab.door, "/oracle/models?host=here")[1]["models"]
    assert [(one["name"], one["is_there"]) for one in models] == [(NEWER, None), (OLDER, None), ("base", None)]
    lab.home.config_file.write_bytes(written)


def test_models_are_told_with_ledger_and_exams(lab: OracleLab) -> None:
    exam = {
        "kind": "graded",
        "exam": f"bin/{OLDER}-l1-v1.0.0",
        "skill": "bin",
        "version": "1.0.0",
        "level": 1,
        "checkpoint": OLDER,
        "at": "2026-01-01T00:00:00Z",
        "count": 50,
        "correct": 31.0,
    }
    append_lines(lab.home.history / "scheduler.jsonl", json.dumps(exam).encode() + b"\n")
    models = get(lab.door, "/oracle/models?host=here")[1]["models"]
    assert [(one["name"], one["tags"], one["step"], one["is_there"]) for one in models] == [
        (NEWER, ["latest"], 1000, True),
        (OLDER, [], 500, True),
        ("base", ["base"], None, True),
    ]
    assert models[1]["exams"] == [{"skill": "bin", "level": 1, "correct": 31.0, "count": 50}]
    assert re.fullmatch("[0-9a-f]{64}", models[1]["digest"])
    assert models[1]["bytes"] == models[0]["bytes"] > 0
    assert models[1]["train_loss"] == 1.0


def test_a_load_is_begun_seen_and_timed(door: Door) -> None:
    assert post(door, "/oracle/load", {"step": 1000, "host": "here"}) == (202, {"model": NEWER, "host": "here"})
    eventually(lambda: [one["name"] for one in status(door)["models"]] == [NEWER])
    assert status(door)["budget_bytes"] == 8 * 10**9
    models = get(door, "/oracle/models?host=here")[1]["models"]
    assert [one["in_memory"] for one in models] == [True, False, False]
    assert post(door, "/oracle/unload", {"model": "latest", "host": "here"}) == (200, {"model": NEWER, "host": "here"})
    assert status(door)["models"] == []


def test_an_answer_is_the_same_whole_and_in_pieces(door: Door) -> None:
    code, whole = post(door, "/oracle/chat", {**QUESTION, "seed": 7})
    assert code == 200
    assert (whole["model"], whole["seed"], whole["finish"], whole["host"]) == (OLDER, 7, "length", "here")
    assert whole["usage"]["completion_tokens"] == 12
    assert re.fullmatch("[0-9a-f]{64}", whole["digest"])
    reply = door("/oracle/chat", "POST", json.dumps({**QUESTION, "stream": True}).encode(), **JSON)
    assert reply.headers["content-type"] == "text/event-stream"
    header, *told = events(reply.body)
    assert (header["model"], header["digest"]) == (OLDER, whole["digest"])
    assert isinstance(header["seed"], int)
    assert "".join(one.get("text", "") for one in told) == whole["response"]
    assert told[-2:] == [{"usage": whole["usage"]}, {"end": True}]


def test_the_first_token_comes_before_the_last_is_made_and_who_goes_away_stops_it(door: Door) -> None:
    connection = HTTPConnection("127.0.0.1", door.port, timeout=60)
    asked = {**QUESTION, "max_tokens": 2000, "stream": True}
    connection.request("POST", "/oracle/chat", json.dumps(asked), {"Content-Type": "application/json"})
    reply = connection.getresponse()
    assert b"seed" in reply.readline()
    reply.readline()
    assert b"text" in reply.readline()
    assert [one["answering"] for one in status(door)["models"]] == [1]
    reply.close()
    connection.close()
    eventually(lambda: [one["answering"] for one in status(door)["models"]] == [0])


@pytest.mark.parametrize(
    ("asked", "code", "sentence"),
    [
        ({"message": "x", "model": "step:7", "host": "here"}, 404, "nearest steps"),
        ({"message": "x", "model": "../../etc/passwd", "host": "here"}, 404, "names no model"),
        ({"message": "x", "model": "checkpoint-1/../../x", "host": "here"}, 404, "names no model"),
        ({"message": "x", "model": "m" * 201, "host": "here"}, 400, "model"),
        ({"message": "x", "host": "../../secrets"}, 404, "unknown host"),
        ({"message": "x", "host": "http://127.0.0.1:1"}, 404, "unknown host"),
        ({"message": "x", "host": "here", "temperature": 3}, 400, "temperature"),
        ({"message": "", "host": "here"}, 400, "message"),
        ({"host": "here"}, 400, "message"),
        ({"message": "x", "messages": [{"role": "user", "content": "x"}], "host": "here"}, 400, "one of message"),
        ({"messages": [{"role": "tool", "content": "x"}], "host": "here"}, 400, "tool"),
        ({"message": "x", "host": "here", "n": 2}, 400, "n"),
        ({"message": "x" * 2**16, "host": "here"}, 413, "at most"),
        (b"[", 400, "/oracle/chat"),
    ],
)
def test_what_is_refused_says_why(door: Door, asked: object, code: int, sentence: str) -> None:
    status, told = post(door, "/oracle/chat", asked)
    assert (status, sentence in told["error"]) == (code, True), told


@pytest.mark.parametrize("path", ["load", "unload", "chat", "challenge", "grade", "votes", "quest", "champion"])
def test_a_page_of_another_host_asks_in_vain(door: Door, path: str) -> None:
    assert post(door, f"/oracle/{path}", {}, Origin="http://evil.example")[0] == 403
    assert post(door, f"/oracle/{path}", {}, Content_Type="text/plain")[0] == 415


def test_a_server_of_another_make_is_asked_as_it_is(lab: OracleLab) -> None:
    with compatible(["<think>", "hm</think>", "①"]) as server:
        lab.name_host("3090", int(server.url.rpartition(":")[2]))
        told = get(lab.door, "/oracle/status?host=3090")[1]
        assert (told["is_reachable"], told["backend"], told["upstream"]) == (True, "openai", server.url)
        assert get(lab.door, "/oracle/models?host=3090")[1]["models"][-1]["name"] == "qwen"
        code, reply = post(lab.door, "/oracle/chat", {"message": "x", "model": "qwen", "host": "3090", "seed": 5})
        assert (code, reply["response"], reply["digest"]) == (200, "<think>hm</think>①", None)
        assert server.asked[-1]["seed"] == 5
        code, reply = post(lab.door, "/oracle/chat", {"message": "x", "model": "qwen"})  # ours has no daemon here
        assert (code, reply["host"]) == (200, "3090")
        code, refused = post(lab.door, "/oracle/chat", {"message": "x", "host": "3090"})
        assert (code, refused["error"]) == (404, "no such model")


# Challenges


def test_a_challenge_is_of_the_train_split_and_its_gold_comes_with_the_grade(door: Door) -> None:
    code, told = post(door, "/oracle/challenge", {"skill": "bin", "level": 3})
    assert code == 200
    assert "gold" not in told
    assert "answer" not in told
    code, graded = post(door, "/oracle/grade", {"challenge": told["challenge"], "answer": "I do not know"})
    assert (code, graded["score"], graded["prompt"]) == (200, 0.0, told["prompt"])
    assert "-train-" in graded["item"]
    assert not graded["trace"][0]["is_same"]
    code, graded = post(door, "/oracle/grade", {"challenge": told["challenge"], "answer": graded["gold"]})
    assert graded["score"] == 1.0
    assert all(line["is_same"] for line in graded["trace"])
    cut = {"challenge": told["challenge"], "answer": graded["gold"], "finished": False}
    assert post(door, "/oracle/grade", cut)[1]["score"] == 0.0


@pytest.mark.parametrize(
    ("path", "asked", "code", "sentence"),
    [
        ("challenge", {"skill": "bin", "level": 31}, 404, "levels 1 to 30"),
        ("challenge", {"skill": "../bin", "level": 1}, 404, "unknown skill"),
        ("challenge", {"skill": "bin", "level": 0}, 400, "level"),
        ("grade", {"challenge": "bin/1.0.0/1/5", "answer": "x"}, 400, "is no challenge"),
        ("grade", {"challenge": "bin/9.9.9/1/2000000000", "answer": "x"}, 409, "take a new one"),
        ("grade", {"challenge": "nix/1.0.0/1/2000000000", "answer": "x"}, 404, "unknown skill"),
        ("grade", {"challenge": "bin/1.0.0/99/2000000000", "answer": "x"}, 404, "levels 1 to 30"),
    ],
)
def test_a_challenge_that_is_none(door: Door, path: str, asked: object, code: int, sentence: str) -> None:
    status, told = post(door, f"/oracle/{path}", asked)
    assert (status, sentence in told["error"]) == (code, True), told


# Votes


def test_votes_are_lines_with_their_evidence_and_are_counted_by_pair(lab: OracleLab) -> None:
    sides = {name: {"model": name, "digest": None, "host": "here", "answer": f"by {name}"} for name in ("base", OLDER)}
    vote = {"messages": [{"role": "user", "content": "1+1"}], "seed": 1, "temperature": 0.7, "max_tokens": 9}
    for left, right, said in (("base", OLDER, "right"), (OLDER, "base", "left"), ("base", OLDER, "neither")):
        asked = {**vote, "left": sides[left], "right": sides[right], "vote": said, "blind": said != "neither"}
        assert post(lab.door, "/oracle/votes", asked)[0] == 201
    pair = {"one": "base", "other": OLDER, "won_one": 0, "won_other": 2, "both": 0, "neither": 1, "blind": 2}
    assert get(lab.door, "/oracle/votes") == (200, {"pairs": [pair]})
    lines = (lab.home.history / "votes.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["right"] == sides[OLDER]
    assert len(lines) == 3
    assert json.loads(lines[0])["messages"] == vote["messages"]
    same = {**vote, "left": sides["base"], "right": sides["base"], "vote": "left", "blind": False}
    assert post(lab.door, "/oracle/votes", same)[0] == 400


# Quests


def test_a_chat_becomes_a_drop_with_its_sidecar(lab: OracleLab) -> None:
    chat = [{"role": "user", "content": "1+1"}, {"role": "assistant", "content": "2"}]
    source = {"model": OLDER, "digest": "0" * 64, "host": "here", "seed": 3, "temperature": 0.5}
    asked = {"name": "good answers", "chats": [chat, chat], "priority": "low", "answers": [source]}
    for name in ("good answers.jsonl", "good answers-2.jsonl"):
        assert post(lab.door, "/oracle/quest", asked) == (201, {"file": f"inbox/low/{name}"})
        drop = lab.home.inbox / "low" / name
        assert [json.loads(line) for line in drop.read_text().splitlines()] == [{"messages": chat}] * 2
        sidecar = json.loads((drop.parent / f"{name}.meta.json").read_text())
        assert (sidecar["generator_id"], sidecar["example_count"]) == ("oracle-chat", 2)
        assert sidecar["params"] == {"answers": [source]}
    for name in ("../x", ".x", "a\nb"):
        assert post(lab.door, "/oracle/quest", {**asked, "name": name})[0] == 400
    assert "does not end with an answer" in post(lab.door, "/oracle/quest", {**asked, "chats": [chat[:1]]})[1]["error"]
    assert not list(lab.home.inbox.glob("**/.*"))


# The champion


def test_the_crown_goes_to_who_is_better_beyond_chance_or_by_a_reason_that_is_told(lab: OracleLab) -> None:
    assert get(lab.door, "/oracle/champion")[1] == {"champion": None, "comparison": None, "doubt": None}
    assert post(lab.door, "/oracle/champion", {"model": "base"})[0] == 404
    assert post(lab.door, "/oracle/champion", {"model": "../x", "reason": "x"})[0] == 404
    assert post(lab.door, "/oracle/champion", {"model": OLDER})[0] == 201
    champion = get(lab.door, "/oracle/champion")[1]["champion"]
    assert (champion["checkpoint"], champion["reason"], champion["evidence"]) == (OLDER, None, None)
    assert [one["tags"] for one in get(lab.door, "/oracle/models?host=here")[1]["models"]][1] == ["champion"]
    told = get(lab.door, f"/oracle/champion?model={NEWER}")[1]
    assert (told["comparison"], "no exam with the same items" in told["doubt"]) == (None, True)
    sit(lab.home, OLDER, range(4, 10))
    sit(lab.home, NEWER, range(9))
    told = get(lab.door, f"/oracle/champion?model={NEWER}")[1]
    compared = told["comparison"]
    assert [compared[one] for one in ("both", "only_new", "only_rival", "neither")] == [5, 4, 1, 10]
    assert (compared["p_value"], compared["is_better"], "maybe by chance" in told["doubt"]) == (0.375, False, True)
    code, refused = post(lab.door, "/oracle/champion", {"model": NEWER})
    assert (code, "state a reason" in refused["error"]) == (409, True)
    assert post(lab.door, "/oracle/champion", {"model": NEWER, "reason": "it is newer"})[0] == 201
    shutil.rmtree(lab.home.exams / "bin")
    sit(lab.home, NEWER, range(9))
    sit(lab.home, OLDER, range(20))
    code, told = post(lab.door, "/oracle/champion", {"model": OLDER})
    assert (code, told["champion"]["evidence"]["only_new"], told["champion"]["reason"]) == (201, 11, None)
    assert post(lab.door, "/oracle/champion", {"model": OLDER})[0] == 409
