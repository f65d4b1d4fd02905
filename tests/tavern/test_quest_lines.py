"""What stands in a quest's lines, over real HTTP: bad ones shown and left out, repeated and examined ones told."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from realm.arena.battle.chat import ChatTokenizer
from realm.arena.intake.inbox import BULK_BYTES
from realm.armory.vram import GIB
from realm.core.paths import Home
from realm.core.quests import ERROR_FILE, QUEST_FILE, QuestQueue, read_meta, write_meta
from realm.guild.annals import Annals
from tests.arena.realm_home import put_quest
from tests.arena.watcher import Watcher, chat, error, meta, plain
from tests.cli.console import picture
from tests.guild.climbers import exam
from tests.tavern.serving import ask, drop, post

GOOD, BAD = chat("2 + 2?", "4"), b'{"messages": [{"role": "user"\n'


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    monkeypatch.setenv("REALM_HOME", str(home.root))
    return home


def fail(home: Home, content: bytes, *findings: dict[str, Any], name: str = "quest.jsonl") -> str:
    quest = put_quest(home, content, name)
    queue = QuestQueue(home)
    queue.claim(quest)
    verdict = {"outcome": "failed", "reason": "bad", "findings": findings, "total": len(findings)}
    queue.fail(quest, json.dumps(verdict).encode())
    return quest


def finding(line: int | None) -> dict[str, Any]:
    return {"line": line, "finding": "broken", "text": "it is broken", "how_to_mend": "mend it"}


# The rows at fault


def test_the_rows_that_findings_name_are_shown(home: Home, port: int) -> None:
    long = b'{"text": "' + b"x" * 20_000 + b'"}\n'
    quest = fail(home, GOOD * 2 + BAD + long + GOOD * 5, *map(finding, (3, 4, None, 3, 9, 7)))
    assert ask(port, f"/api/quests/{quest}")[1]["rows"] == [
        {"line": 3, "text": BAD.decode().strip()},
        {"line": 4, "text": None},
        {"line": 7, "text": GOOD.decode().strip()},
    ]


# Mending


def queue_of(home: Home, seen: dict[str, Any]) -> dict[str, Any]:
    return {path: one for path, one in seen.items() if path.startswith(str(home.queue))}


def test_a_refused_quest_is_mended_by_leaving_its_bad_lines_out(home: Home, port: int, watcher: Watcher) -> None:
    bad = BAD * 150 + b'{"messages": []}\n\n'  # more than a verdict names
    drop(port, "sums.jsonl.meta.json", b'{"generator_id": "forge", "epochs": 2, "example_count": 999}')
    drop(port, "sums.jsonl", BAD + GOOD * 7 + bad + GOOD * 3, "&priority=normal&meta")
    refused = watcher.wait_for("sums.jsonl")
    before = (refused / QUEST_FILE).stat().st_mtime_ns
    status, told = post(port, f"/api/quests/{refused.name}/mend", {})
    assert (status, told) == (201, {"file": "inbox/normal/sums-mended.jsonl", "kept": 10, "left_out": 152})
    quest = watcher.wait_for("sums-mended.jsonl")
    assert (quest.parent.name, plain(quest)) == ("normal", GOOD * 10)
    assert (meta(quest)["generator_id"], meta(quest)["epochs"], meta(quest)["warnings"]) == ("forge", 2, [])
    assert (refused / QUEST_FILE).stat().st_mtime_ns == before
    assert error(refused)["total"] == 152


def test_lines_that_the_trainer_named_are_left_out(home: Home, port: int) -> None:
    quest = fail(home, GOOD + chat("3?", "3") + GOOD, finding(2), name="x-mended.jsonl.gz")
    for number in ("", "-2"):
        status, told = post(port, f"/api/quests/{quest}/mend", {})
        assert (status, told["file"]) == (201, f"inbox/normal/x-mended{number}.jsonl")
        assert (home.root / told["file"]).read_bytes() == GOOD * 2


def test_what_no_missing_line_mends_is_refused(home: Home, port: int) -> None:
    big = fail(home, GOOD, finding(1))
    with (home.failed / big / QUEST_FILE).open("ab") as file:
        file.truncate(BULK_BYTES + 1)
    linked = fail(home, GOOD * 4, finding(1))
    (home.failed / linked / QUEST_FILE).unlink()
    (home.failed / linked / QUEST_FILE).symlink_to(home.config_file)
    damaged = fail(home, GOOD * 5, finding(1))
    (home.failed / damaged / ERROR_FILE).write_bytes(b"{")
    waiting = put_quest(home, GOOD * 6)
    wishes = (
        (fail(home, GOOD * 2, finding(1), finding(None)), {}, 409, "the fault lies in no single line"),
        (fail(home, BAD * 3, finding(1)), {}, 409, "none of its lines is good"),
        (fail(home, GOOD * 3), {}, 409, "each of its lines is good"),
        (big, {}, 409, "up to 104,857,600 are mended here"),
        (linked, {}, 409, "no lines that could be read"),
        (damaged, {}, 409, "cannot be mended here"),
        (waiting, {}, 409, "only a failed quest is mended"),
        (waiting, {"lines": [1]}, 400, "unknown field `lines`"),
        ("..%2F..%2Fconfig.json", {}, 400, "is no quest's name"),
    )
    before = picture(home)
    for quest, body, status, said in wishes:
        found, told = post(port, f"/api/quests/{quest}/mend", body)
        assert (found, said in told["error"]) == (status, True), (quest, told)
    assert post(port, f"/api/quests/{waiting}/mend", {}, Origin="http://evil.example")[0] == 403
    assert queue_of(home, before) == queue_of(home, picture(home))
    assert not [path for path in home.inbox.rglob("*") if path.is_file()]


# The census


def test_repeated_and_examined_lines_are_told(home: Home, port: int) -> None:
    papers = home.exams / "bin" / "checkpoint-500-20261123-0030-l1-v1.0.0" / "papers.jsonl"
    papers.parent.mkdir(parents=True)
    papers.write_bytes(b'{"prompt": "5 + 5?", "split": "hash"}\ngarbage\n{"prompt": "2 + 2?", "split": "none"}\n')
    quest = put_quest(home, GOOD + BAD + GOOD + b"\n" + chat("5 + 5?", "10") + GOOD + chat("x" * 2000))
    before = picture(home)
    status, told = ask(port, f"/api/quests/{quest}/census")
    assert status == 200
    assert (told["lines"], told["is_whole"], sum(told["lengths"].values())) == (6, True, 6)
    assert told["lengths"]["4096"] == 1
    assert told["repeats"] == {"lines": 2, "examples": [{"line": 3, "of": 1}, {"line": 6, "of": 1}]}
    assert told["exam_prompts"] == 2
    assert told["in_exams"] == {"lines": 1, "examples": [{"line": 5, "exam": f"bin/{papers.parent.name}"}]}
    assert told["in_shared"] == 3
    assert "cannot be counted in tokens" in told["tokens"]["problem"]  # no hero is there
    assert picture(home) == before


def test_examples_are_counted_in_the_heros_tokens(tmp_path: Path, squire: Path, port: int, home: Home) -> None:
    (home.models / "squire").symlink_to(squire)
    home.config_file.write_bytes(b'{"training": {"batch_size": 2, "max_length": 100}}')
    long = "Long " * 60
    quest = put_quest(home, chat("2 + 2?", "4") * 30 + BAD + chat("2 + 2?", "4, as it is") * 9 + chat(long, long))
    counter = ChatTokenizer.load(squire)
    texts = (("2 + 2?", "4"), ("2 + 2?", "4, as it is"), (long, long))
    short, middle, most = (length_of(counter, *text) for text in texts)
    assert short < middle < 100 < most
    told = ask(port, f"/api/quests/{quest}/census")[1]["tokens"]
    assert (told["problem"], told["sampled"], sum(told["histogram"].values())) == (None, 40, 40)
    bins = {int(end): count for end, count in told["histogram"].items()}
    assert len(bins) <= 16
    assert max(bins) - told["bin"] < most <= max(bins)
    assert bins[max(bins)] == 1
    assert sum(count for end, count in bins.items() if end - told["bin"] < middle) == 39
    passes = [(one * min(41, 200 // one), one) for one in (short, middle, 100)]  # padded to its longest
    largest = max(passes, key=lambda one: one[0])[1]
    assert (told["max_length"], told["tokens_per_pass"]) == (100, 200)
    largest_pass = told["largest_pass"]
    assert (largest_pass["examples"], largest_pass["length"]) == (200 // largest, largest)
    assert 0.5 * GIB < largest_pass["bytes"] < GIB


def length_of(counter: ChatTokenizer, question: str, answer: str) -> int:
    asked, told = ({"role": role, "content": text} for role, text in (("user", question), ("assistant", answer)))
    return len(counter.examples([[asked, told]])[0].ids)  # type: ignore[list-item]


def test_a_census_of_no_quest_is_refused(port: int) -> None:
    assert ask(port, "/api/quests/..%2F..%2Fconfig.json/census")[0] == 400
    assert ask(port, "/api/quests/20260101T000000.000000Z-gone-0a1b2c3d/census")[0] == 404


# The exams around it


def test_the_exams_before_and_after_a_quest_are_told(home: Home, port: int) -> None:
    annals = Annals(home)
    for step, level, accuracy in ((100, 1, 0.5), (200, 1, 0.6), (250, 2, 0.1), (300, 1, 0.9), (400, 1, 1.0)):
        annals.append(replace(exam(1, level, accuracy), checkpoint=f"checkpoint-{step}-20260101-0000"))
    with (home.history / "scheduler.jsonl").open("ab") as file:
        file.write(b"scribble\n")
    quest = put_quest(home, GOOD)
    folder = home.queue / "normal" / quest
    write_meta(folder, replace(read_meta(folder), skill="bin", level=1))
    queue = QuestQueue(home)
    assert ask(port, f"/api/quests/{quest}")[1]["exams"] is None
    queue.claim(quest)
    queue.complete(quest, b'{"outcome": "completed", "first_step": 210, "steps": 90}')
    told = ask(port, f"/api/quests/{quest}")[1]["exams"]
    assert (told["level"], told["before"]["accuracy"], told["after"]["accuracy"]) == (1, 0.6, 0.9)
    assert told["before"]["low"] < 0.6 < told["before"]["high"]
    assert told["after"]["checkpoint"] == "checkpoint-300-20260101-0000"
