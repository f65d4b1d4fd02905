"""Quests over real HTTP: shown as folders and history are; wishes become orders that the queue-watcher obeys."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from realm.core.control import Control
from realm.core.history import EndedQuest, History
from realm.core.paths import Home
from realm.core.quests import QuestQueue, read_meta, write_meta
from realm.tavern import quest_cards
from tests.arena.realm_home import put_quest
from tests.arena.watcher import Watcher, chat, until
from tests.cli.console import furnish, picture
from tests.tavern.serving import ask, post

LINE = chat("2 + 2?", "4")
GONE = "20260101T000000.000000Z-gone-0a1b2c3d"
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
GETS = ("/api/quests", "/api/quests/{quest}", "/api/control", "/api/orders/trainer/x", "/api/scheduler", "/api/game")
RESULT = {
    "outcome": "completed",
    "steps": 12,
    "tokens": 3400,
    "examples": 9,
    "first_loss": 4.5,
    "last_loss": 0.5,
    "mean_loss": 1.25,
    "gold": 100,
    "total": 0,
    "findings": [],
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    monkeypatch.setenv("REALM_HOME", str(home.root))
    return home


def end(home: Home, name: str, hour: int, outcome: str = "completed", **result: Any) -> None:
    """As the trainer ends a quest: verdict and folder first, then its line in history."""
    queue = QuestQueue(home)
    queue.claim(name)
    verdict = json.dumps({**RESULT, "outcome": outcome, **result}).encode()
    queue.fail(name, verdict) if outcome == "failed" else queue.complete(name, verdict)
    line = EndedQuest(claim=hour, quest=name, outcome=outcome, ended_at=FIRST + timedelta(hours=hour))  # type: ignore[arg-type]
    assert History(home.history, "trainer").append(line)


def names(quests: list[dict[str, Any]]) -> list[str]:
    return [quest["name"] for quest in quests]


# Looking


def test_each_state_is_told_in_its_order(home: Home, port: int) -> None:
    low, normal, high, claimed, first, second, broken = (
        put_quest(home, LINE * count, f"{count}.jsonl", priority)
        for count, priority in enumerate(("low", "normal", "high", "high", "normal", "normal", "low"), start=1)
    )
    QuestQueue(home).claim(claimed)
    end(home, second, hour=1)
    end(home, first, hour=2, outcome="skipped", gold=0)
    end(home, broken, hour=3, outcome="failed", reason="line 3 is broken", how_to_mend="mend it", total=7)
    (home.inbox / "low" / "soon.jsonl").write_bytes(LINE)
    (home.inbox / "high" / "urgent.jsonl.gz").write_bytes(b"")
    (home.inbox / "normal" / ".half.tmp").write_bytes(LINE)
    status, told = ask(port, "/api/quests")
    assert status == 200
    assert told["counts"] == {"high": 1, "normal": 1, "low": 1, "processing": 1, "completed": 2, "failed": 1}
    assert told["inbox"] == ["high/urgent.jsonl.gz", "low/soon.jsonl"]
    assert names(told["waiting"]) == [high, normal, low]
    assert names(told["processing"]) == [claimed]
    assert names(told["completed"]) == [first, second]  # the one that ended last, not the one that came last
    assert told["problems"] == []
    (failed,) = told["failed"]
    known = ("state", "outcome", "reason", "how_to_mend", "findings_total", "priority", "ended_at")
    assert [failed[key] for key in known] == [
        "failed",
        "failed",
        "line 3 is broken",
        "mend it",
        7,
        "low",
        "2026-01-01T03:00:00Z",
    ]
    completed = told["completed"][1]
    assert {key: completed[key] for key in RESULT if key in completed} == {
        key: value for key, value in RESULT.items() if key not in ("total", "findings")
    }
    assert (told["completed"][0]["outcome"], told["completed"][0]["gold"]) == ("skipped", 0)
    waits = told["waiting"][0]
    assert (waits["state"], waits["title"], waits["lines"], waits["bytes"]) == ("high", "3.jsonl", 3, 3 * len(LINE))
    assert (waits["schema_id"], waits["generator"], waits["epochs"]) == ("chat_sft_v1", None, 1)
    assert "outcome" not in waits


def test_one_that_has_no_line_in_history_yet_has_just_ended(home: Home, port: int) -> None:
    older, newer = put_quest(home, LINE), put_quest(home, LINE * 2)
    end(home, newer, hour=1)
    QuestQueue(home).claim(older)
    QuestQueue(home).complete(older, json.dumps(RESULT).encode())
    told = ask(port, "/api/quests")[1]
    assert names(told["completed"]) == [older, newer]
    assert told["completed"][0]["ended_at"] is None


def test_a_quest_that_was_trained_again_ended_when_it_ended_last(home: Home, port: int) -> None:
    again, other = put_quest(home, LINE), put_quest(home, LINE * 2)
    end(home, again, hour=1, outcome="failed")
    end(home, other, hour=2)
    assert names(ask(port, "/api/quests")[1]["failed"]) == [again]
    QuestQueue(home).retry(again, "normal")
    end(home, again, hour=3)
    told = until(lambda: (found := ask(port, "/api/quests")[1])["counts"]["failed"] == 0 and found)
    assert names(told["completed"]) == [again, other]


def test_a_damaged_history_is_told_and_hides_no_quest(home: Home, port: int) -> None:
    name = put_quest(home, LINE)
    end(home, name, hour=1)
    with (home.history / "trainer.jsonl").open("ab") as file:
        file.write(b"scribble\n")
    told = ask(port, "/api/quests")[1]
    assert names(told["completed"]) == [name]
    assert "trainer.jsonl, line 2" in told["problems"][0]


def test_only_what_is_shown_is_read(home: Home, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for count in range(1, 41):
        put_quest(home, LINE * count)
    for hour, quest in enumerate(QuestQueue(home).waiting()[:20]):
        end(home, quest.name, hour)
    read: list[Path] = []
    real = quest_cards.read_meta
    monkeypatch.setattr(quest_cards, "read_meta", lambda folder: read.append(folder) or real(folder))
    told = ask(port, "/api/quests?limit=3")[1]
    assert (told["counts"]["normal"], told["counts"]["completed"]) == (20, 20)
    assert [len(told[key]) for key in ("waiting", "completed")] == [3, 3]
    assert len(read) == 6


def test_a_quest_whose_meta_is_damaged_is_told_with_the_reason(home: Home, port: int) -> None:
    name = put_quest(home, LINE)
    (home.queue / "normal" / name / "meta.json").write_bytes(b"{")
    (quest,) = ask(port, "/api/quests")[1]["waiting"]
    assert (quest["name"], quest["title"]) == (name, None)
    assert "meta.json" in quest["problem"]
    status, told = ask(port, f"/api/quests/{name}")
    assert (status, "not valid JSON" in told["meta"]) == (200, True)


def test_one_quest_is_told_whole(home: Home, port: int) -> None:
    long = chat("x" * 9000)
    name = put_quest(home, long + LINE * 9)
    finding = {"line": 2, "finding": "broken", "text": "it is broken", "how_to_mend": "mend it"}
    end(home, name, hour=1, outcome="failed", findings=[finding], total=1)
    (home.failed / name / "rendered.txt").write_text("ü" * 9000)
    status, told = ask(port, f"/api/quests/{name}")
    assert status == 200
    assert told["meta"]["name"] == name
    assert told["error"]["steps"] == 12
    assert told["result"] is None
    assert told["findings"] == [finding]
    assert told["how_to_mend"] == "mend it"
    assert told["head"] == [long.decode()[:2000], *[LINE.decode().strip()] * 4]
    assert told["rendered"] == "ü" * 8000


def test_a_link_in_a_quest_is_not_followed(home: Home, port: int, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret\n")
    name = put_quest(home, LINE)
    for file in ("quest.jsonl", "rendered.txt"):
        (home.queue / "normal" / name / file).unlink(missing_ok=True)
        (home.queue / "normal" / name / file).symlink_to(secret)
    told = ask(port, f"/api/quests/{name}")[1]
    assert (told["head"], told["rendered"]) == ([], None)


def test_html_in_a_name_stays_a_text_in_json(home: Home, port: int) -> None:
    title = '<img src=x onerror="alert(1)">.jsonl'
    name = put_quest(home, LINE, title)
    assert ask(port, "/api/quests")[1]["waiting"][0]["title"] == title
    assert "<" not in name


NO_QUESTS = (
    ("/api/quests?limit=0", 400, "a whole number from 1 to 500"),
    ("/api/quests?limit=lots", 400, "a whole number from 1 to 500"),
    (f"/api/quests/{GONE}", 404, "nowhere in the queue"),
    ("/api/quests/..", 400, "is no quest's name"),
    ("/api/quests/%2e%2e", 400, "is no quest's name"),
    ("/api/quests/..%2f..%2fconfig.json", 400, "is no quest's name"),
    ("/api/quests/%00", 400, "is no quest's name"),
    (f"/api/quests/{GONE}%0a", 400, "is no quest's name"),
)


def test_what_is_no_quest_is_refused(port: int) -> None:
    for path, status, said in NO_QUESTS:
        found, told = ask(port, path)
        assert (found, said in told["error"]) == (status, True), (path, told)


def test_a_thousand_looks_change_nothing(home: Home, port: int) -> None:
    furnish(home)
    Control(home).place_order("queue-watcher", "move", {"quest": "x"})
    quest = QuestQueue(home).waiting()[0].name
    before = picture(home)
    for path in GETS:
        for _ in range(170):
            ask(port, path.format(quest=quest))
    assert picture(home) == before


# Wishes


def answered(port: int, wish: tuple[int, Any]) -> dict[str, Any]:
    """Follows an order to its answer, as a page does."""
    status, told = wish
    assert (status, told["daemon"]) == (202, "queue-watcher"), told
    path = f"/api/orders/{told['daemon']}/{told['order']}"
    answer: dict[str, Any] = until(lambda: (found := ask(port, path)[1])["state"] != "sent" and found)
    return answer


def test_wishes_are_carried_out_by_the_queue_watcher(home: Home, port: int, watcher: Watcher) -> None:
    name, ended = put_quest(home, LINE), put_quest(home, LINE * 2)
    end(home, ended, hour=1, outcome="failed")
    moved = answered(port, post(port, f"/api/quests/{name}/move", {"priority": "high"}))
    assert (moved["state"], moved["error"], moved["result"]) == ("done", None, {"quest": name, "priority": "high"})
    assert QuestQueue(home).names("high") == [name]
    assert answered(port, post(port, f"/api/quests/{ended}/retry", {}))["state"] == "done"
    assert QuestQueue(home).names("normal") == [ended]
    gone = answered(port, post(port, f"/api/quests/{name}/remove", {"name": name}))
    assert gone["result"] == {"quest": name}
    assert QuestQueue(home).find(name) is None


def test_while_nobody_watches_an_order_is_sent_and_shown(home: Home, port: int) -> None:
    name = put_quest(home, LINE)
    status, told = post(port, f"/api/quests/{name}/move", {"priority": "low"})
    assert status == 202
    path = f"/api/orders/queue-watcher/{told['order']}"
    assert ask(port, path)[1] == {"state": "sent", "result": None, "error": None, "at": None}
    (order,) = ask(port, "/api/control")[1]["orders"]
    assert (order["daemon"], order["id"], order["action"]) == ("queue-watcher", told["order"], "move")
    assert order["arguments"] == {"quest": name, "priority": "low"}


NO_WISHES = (
    ("claimed", "move", {"priority": "low"}, 409, "only a waiting quest has another priority"),
    ("waiting", "move", {"priority": "soon"}, 400, "Invalid enum value 'soon'"),
    ("waiting", "move", {}, 400, "missing required field `priority`"),
    ("waiting", "move", {"priority": "low", "now": True}, 400, "unknown field `now`"),
    ("waiting", "retry", {}, 409, "it has not ended"),
    ("refused", "retry", {}, 409, "was never admitted"),
    ("waiting", "remove", {}, 400, "missing required field `name`"),
    ("waiting", "remove", {"name": "yes"}, 400, "state its whole name"),
    ("claimed", "remove", None, 409, "skip it first"),
    ("gone", "remove", None, 404, "nowhere in the queue"),
    ("waiting", "dance", {}, 404, "Not found"),
)


def test_a_wish_that_cannot_be_is_refused(home: Home, port: int) -> None:
    quests = {"waiting": put_quest(home, LINE), "claimed": put_quest(home, LINE * 2), "gone": GONE}
    queue = QuestQueue(home)
    queue.claim(quests["claimed"])
    quests["refused"] = put_quest(home, LINE * 3)
    queue.claim(quests["refused"])
    queue.fail(quests["refused"], b'{"schema": "refusal@1", "reason": "bad", "findings": [], "total": 0, "counts": {}}')
    before = picture(home)
    for which, action, body, status, said in NO_WISHES:
        asked = {"name": quests[which]} if body is None else body
        found, told = post(port, f"/api/quests/{quests[which]}/{action}", asked)
        assert (found, said in told["error"]) == (status, True), (which, action, told)
    assert picture(home) == before


def test_a_body_that_is_no_wish_is_refused(home: Home, port: int) -> None:
    path = f"/api/quests/{put_quest(home, LINE)}/move"
    assert post(port, path, b'{"priority": "low"}', Content_Type="text/plain")[0] == 415
    assert post(port, path, b"{", Content_Type="application/json")[0] == 400
    assert post(port, path, b"[" * 60_000, Content_Type="application/json")[0] == 400
    assert post(port, path, b" " * 70_000, Content_Type="application/json")[0] == 413
    assert list((home.orders / "queue-watcher").glob("*.json")) == []


def test_a_meta_that_says_more_is_told(home: Home, port: int) -> None:
    name = put_quest(home, LINE)
    folder = home.queue / "normal" / name
    write_meta(folder, replace(read_meta(folder), generator_id="forge", generator_version="3", skill="bin", level=4))
    (quest,) = ask(port, "/api/quests")[1]["waiting"]
    assert (quest["generator"], quest["skill"], quest["level"]) == ("forge@3", "bin", 4)
