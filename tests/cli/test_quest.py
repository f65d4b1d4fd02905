"""`realm quest`: drops land whole, lists equal the files, and nothing outside the queue can be named."""

import gzip
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from realm.cli.terminal import cells
from realm.core.paths import Home
from realm.core.quests import STATES, QuestQueue
from tests.arena.realm_home import put_quest
from tests.cli.console import LINE, REALM, alive, picture, realm, start, started, until

SIDECAR = b'{"generator_id": "by-hand", "epochs": 2}'


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder outside the home."""
    folder = tmp_path / "desk"
    folder.mkdir()
    return folder


def write(folder: Path, name: str, content: bytes = LINE) -> Path:
    file = folder / name
    file.write_bytes(content)
    return file


def inbox(home: Home) -> dict[str, bytes]:
    """Every file of the inbox, by its path below it."""
    files = [path for path in home.inbox.rglob("*") if path.is_file()]
    return {path.relative_to(home.inbox).as_posix(): path.read_bytes() for path in sorted(files)}


def parsed(home: Home, *words: object) -> Any:
    return orjson.loads(realm(home, *words, "--json").stdout)


def state_of(home: Home, name: str) -> str | None:
    quest = QuestQueue(home).find(name)
    return quest.state if quest else None


# Dropping


def test_a_drop_is_copied_whole_into_the_inbox_and_stays_where_it_was(home: Home, desk: Path) -> None:
    file = write(desk, "a b.jsonl", LINE * 20_000)
    told = realm(home, "quest", "drop", file).stdout
    assert inbox(home) == {"a b.jsonl": LINE * 20_000}
    assert (home.inbox / "a b.jsonl").stat().st_mode & 0o777 == 0o664
    assert file.read_bytes() == LINE * 20_000
    assert told.splitlines() == [
        "📥 inbox/a b.jsonl (1.7 MiB)",
        "It stays there until the queue-watcher runs: `realm run queue-watcher`",
    ]


def test_priority_names_the_folder_and_what_comes_next_is_told(home: Home, desk: Path) -> None:
    put_quest(home, LINE, priority="high")
    put_quest(home, LINE * 2, priority="low")
    with alive(home, "queue-watcher"):
        told = realm(home, "quest", "drop", "--priority", "high", write(desk, "x.jsonl")).stdout
    assert list(inbox(home)) == ["high/x.jsonl"]
    assert "puts it into queue/high, behind 1 other;" in told
    assert "'urgent' is not one of" in realm(home, "quest", "drop", "--priority", "urgent", desk, ends_with=2).stderr


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz", "x.jsonl.zst"])
def test_a_sidecar_travels_with_its_quest(home: Home, desk: Path, name: str) -> None:
    file, sidecar = write(desk, name), write(desk, f"{name}.meta.json", SIDECAR)
    realm(home, "quest", "drop", file, sidecar)
    assert inbox(home) == {name: LINE, f"{name}.meta.json": SIDECAR}


def test_the_sidecar_of_the_plain_file_serves_its_archive_unless_the_plain_file_is_there(
    home: Home, desk: Path
) -> None:
    archive = write(desk, "x.jsonl.gz", gzip.compress(LINE))
    write(desk, "x.jsonl.meta.json", SIDECAR)
    realm(home, "quest", "drop", archive)
    assert list(inbox(home)) == ["x.jsonl.gz", "x.jsonl.gz.meta.json"]
    write(desk, "x.jsonl")
    realm(home, "quest", "drop", "--priority", "low", archive)
    assert list(inbox(home)) == ["low/x.jsonl.gz", "x.jsonl.gz", "x.jsonl.gz.meta.json"]


def test_a_name_that_is_taken_gets_a_number(home: Home, desk: Path) -> None:
    for content in (b"1", b"2", b"3"):
        realm(home, "quest", "drop", write(desk, "x.jsonl.gz", content))
    assert inbox(home) == {"x.jsonl.gz": b"1", "x-2.jsonl.gz": b"2", "x-3.jsonl.gz": b"3"}


def test_a_sidecar_that_lies_there_is_not_taken_for_the_drops_own(home: Home, desk: Path) -> None:
    write(home.inbox, "x.jsonl.meta.json", b"somebody's")
    file = write(desk, "x.jsonl")
    realm(home, "quest", "drop", file)
    write(desk, "x.jsonl.meta.json", SIDECAR)
    realm(home, "quest", "drop", file)
    assert inbox(home) == {
        "x.jsonl.meta.json": b"somebody's",
        "x-2.jsonl": LINE,
        "x-3.jsonl": LINE,
        "x-3.jsonl.meta.json": SIDECAR,
    }


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("missing.jsonl", "does not exist"),
        ("empty.jsonl", "is empty: there is nothing to learn from it"),
        ("folder.jsonl", "is a folder: name the files in it"),
        ("text.txt", "a quest's name ends in .jsonl, .jsonl.gz, .jsonl.zst"),
        (".hidden.jsonl", "a name that begins with a dot is left alone"),
        ("pipe.jsonl", "is no regular file"),
        ("orphan.jsonl.meta.json", "a quest's name ends in"),
        ("odd.jsonl", "odd.jsonl.meta.json is no regular file: a sidecar is one"),
        ("\x1b[2J.txt", "\\x1b[2J.txt: a quest's name"),
    ],
)
def test_what_is_no_quest_is_refused_and_nothing_is_dropped(home: Home, desk: Path, name: str, sentence: str) -> None:
    good = write(desk, "good.jsonl")
    for text in ("text.txt", ".hidden.jsonl", "orphan.jsonl.meta.json", "odd.jsonl", "\x1b[2J.txt"):
        write(desk, text)
    write(desk, "empty.jsonl", b"")
    (desk / "folder.jsonl").mkdir()
    (desk / "odd.jsonl.meta.json").mkdir()
    os.mkfifo(desk / "pipe.jsonl")
    refused = realm(home, "quest", "drop", good, desk / name, ends_with=1)
    assert sentence in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert inbox(home) == {}


def test_a_disk_that_gets_full_is_one_sentence_and_leaves_nothing_behind(home: Home, desk: Path) -> None:
    """The kernel refuses to let a file grow beyond 64 KiB."""
    small, large = write(desk, "small.jsonl"), write(desk, "large.jsonl", LINE * 2_000)
    command = [*REALM, "--home", str(home.root), "quest", "drop", str(small), str(large)]
    limited = ["prlimit", f"--fsize={2**16}", *command]
    done = subprocess.run(limited, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, f"Error: {large} was not dropped: File too large\n")
    assert done.stdout == "📥 inbox/small.jsonl (90 B)\n"
    assert inbox(home) == {"small.jsonl": LINE}


# Dropping and waiting


@contextmanager
def watching(home: Home) -> Iterator[None]:
    """A real queue-watcher."""
    with started(home, "run", "queue-watcher"):
        yield


def test_wait_ends_when_the_drops_are_quests(home: Home, desk: Path) -> None:
    plain, archive = write(desk, "x.jsonl"), write(desk, "y.jsonl.gz", gzip.compress(LINE * 3))
    waiting = start(home, "quest", "drop", "--wait", "--priority", "high", plain, archive)
    try:
        assert waiting.stderr
        assert "waits for the queue-watcher, which is not running" in waiting.stderr.readline()
        with watching(home):
            told = waiting.communicate()[0]
    finally:
        waiting.kill()
    assert waiting.returncode == 0
    first, second = sorted(QuestQueue(home).names("high"), key=lambda name: "-y-" in name)
    assert told.splitlines()[-2:] == [
        f"⏳ x.jsonl is in queue/high as {first}: 1 lines",
        f"⏳ y.jsonl.gz is in queue/high as {second}: 3 lines",
    ]
    assert inbox(home) == {}


def test_wait_tells_what_the_queue_watcher_waits_for(home: Home, desk: Path) -> None:
    home.config_file.write_text("{")
    with watching(home):
        waiting = start(home, "quest", "drop", "--wait", write(desk, "x.jsonl"))
        try:
            assert waiting.stderr
            assert any("config.json: not valid JSON" in line for line in waiting.stderr)
            home.config_file.unlink()
            assert "x.jsonl is in queue/normal" in waiting.communicate()[0]
        finally:
            waiting.kill()


def test_wait_tells_a_refusal_and_ends_with_status_1_and_show_quotes_the_lines(home: Home, desk: Path) -> None:
    broken = write(desk, "broken.jsonl", LINE + b'{"messages": [\n' + LINE + b'{"messages": 5, "more": "\\u001b[2J"}\n')
    with watching(home):
        refused = realm(home, "quest", "drop", "--wait", broken, ends_with=1).stdout
    [name] = QuestQueue(home).names("failed")
    assert "🚫 broken.jsonl is refused: line 2: not valid JSON" in refused
    assert f"realm quest show {name}" in refused
    shown = realm(home, "quest", "show", "broken").stdout.splitlines()
    assert shown[shown.index('  {"messages": [') - 1].startswith("line 2  not valid JSON")
    assert shown[shown.index('  {"messages": 5, "more": "\\u001b[2J"}') - 1].startswith("line 4  'messages' is not")
    retried = realm(home, "quest", "retry", "broken", ends_with=1).stderr
    how_to_go_on = f"never admitted: mend your file, or {home.failed / name / 'quest.jsonl'}, and drop it again"
    assert how_to_go_on in retried
    assert how_to_go_on in shown[-1]
    assert state_of(home, name) == "failed"


@pytest.mark.parametrize("name", ["cut.jsonl.gz", "link.jsonl"])
def test_of_a_refused_drop_that_has_no_lines_what_is_there_is_named(home: Home, desk: Path, name: str) -> None:
    if name == "link.jsonl":
        (home.inbox / name).symlink_to(desk)
    else:
        write(home.inbox, name, gzip.compress(LINE)[:-9])
    with watching(home):
        until(lambda: QuestQueue(home).names("failed"))
    shown = realm(home, "quest", "show", "-").stdout.splitlines()[-1]
    kept = f"your file, or {home.failed / QuestQueue(home).names('failed')[0] / 'original.gz'},"
    assert f"mend {'your drop' if name == 'link.jsonl' else kept} and drop it again" in shown


# Looking


@pytest.fixture
def quests(home: Home) -> dict[str, str]:
    """Names of quests by what they are called here."""
    queue = QuestQueue(home)
    names = {
        "low": put_quest(home, LINE * 2, "low.jsonl", "low"),
        "high": put_quest(home, LINE * 3, "high.jsonl", "high"),
        "claimed": put_quest(home, LINE * 4, "claimed.jsonl"),
        "old": put_quest(home, LINE * 5, "old.jsonl"),
        "new": put_quest(home, LINE * 6, "new.jsonl"),
        "failed": put_quest(home, LINE * 7, "日本語.jsonl", "low"),
    }
    for key in ("claimed", "old", "new", "failed"):
        queue.claim(names[key])
    for key in ("old", "new"):
        queue.complete(names[key], b'{"number": 7, "steps": 64, "mean_loss": 0.5, "gold": 100}')
    queue.fail(names["failed"], b'{"reason": "quest: line 2: no assistant turn", "steps": 1}')
    return names


def test_quests_are_listed_in_training_order_and_then_the_ended_newest_first(
    home: Home, quests: dict[str, str]
) -> None:
    order = ["claimed", "high", "low", "new", "old", "failed"]
    assert [one["name"] for one in parsed(home, "quest", "ls")] == [quests[key] for key in order]
    lines = realm(home, "quest", "ls").stdout.splitlines()
    assert [line.split()[1] for line in lines[1:]] == [quests[key].partition("Z-")[2] for key in order]
    assert [line.split()[0] for line in lines[1:]] == ["processing", "high", "low", "completed", "completed", "failed"]


def test_a_skipped_quest_is_not_listed_as_completed(home: Home, quests: dict[str, str]) -> None:
    queue = QuestQueue(home)
    queue.claim(quests["low"])
    queue.complete(quests["low"], b'{"outcome": "skipped", "gold": 0}')
    states = {line.split()[1]: line.split()[0] for line in realm(home, "quest", "ls").stdout.splitlines()[1:]}
    assert states[quests["low"].partition("Z-")[2]] == "skipped"
    assert states[quests["new"].partition("Z-")[2]] == "completed"
    outcomes = {one["name"]: one["outcome"] for one in parsed(home, "quest", "ls")}
    assert (outcomes[quests["low"]], outcomes[quests["high"]]) == ("skipped", None)


def test_a_list_as_json_equals_the_metas(home: Home, quests: dict[str, str]) -> None:
    listed = parsed(home, "quest", "ls")
    assert len(listed) == len(quests)
    for one in listed:
        meta = orjson.loads((Path(one["path"]) / "meta.json").read_bytes())
        assert one["problem"] is None
        assert {key: one[key] for key in meta if key in one} == {key: meta[key] for key in one if key in meta}
        assert Path(one["path"]) == home.queue / one["state"] / one["name"]


def test_a_list_can_be_of_some_states(home: Home, quests: dict[str, str]) -> None:
    listed = parsed(home, "quest", "ls", "--state", "failed", "--state", "high")
    assert [one["name"] for one in listed] == [quests["high"], quests["failed"]]
    assert "is not one of 'high'" in realm(home, "quest", "ls", "--state", "done", ends_with=2).stderr


def test_an_empty_queue_says_how_to_fill_it(home: Home) -> None:
    assert realm(home, "quest", "ls").stdout == "no quest is there: `realm quest drop FILE.jsonl` brings one\n"
    assert parsed(home, "quest", "ls") == []


def test_old_ended_quests_are_counted_instead_of_listed(home: Home) -> None:
    queue = QuestQueue(home)
    for number in range(22):
        name = put_quest(home, LINE * (number + 1))
        queue.claim(name)
        queue.complete(name, b"{}")
    assert "and 2 older ones: realm quest ls --state recently_completed" in realm(home, "quest", "ls").stdout
    shown = realm(home, "quest", "ls", "--state", "recently_completed").stdout
    assert (len(shown.splitlines()), "older" in shown) == (23, False)


def test_columns_stay_below_each_other_with_wide_names_and_broken_metas(home: Home, quests: dict[str, str]) -> None:
    (home.queue / "low" / quests["low"] / "meta.json").write_text("{")
    lines = realm(home, "quest", "ls").stdout.splitlines()
    begin = cells(lines[0][: lines[0].index("FILE")])
    files = ["claimed.jsonl", "high.jsonl", f"{home.root}", "new.jsonl", "old.jsonl", "日本語.jsonl"]
    for line, file in zip(lines[1:], files, strict=True):
        assert cells(line[: line.index(file)]) == begin
    [problem] = [one["problem"] for one in parsed(home, "quest", "ls", "--state", "low")]
    assert "meta.json" in problem


@pytest.mark.parametrize("key", ["low", "claimed", "new", "failed"])
def test_a_quest_is_shown_as_its_files_say(home: Home, quests: dict[str, str], key: str) -> None:
    folder = home.queue / str(state_of(home, quests[key])) / quests[key]
    verdicts = {"new": ("result", "result.json"), "failed": ("error", "error.json")}
    told = parsed(home, "quest", "show", quests[key])
    assert (told["name"], told["path"]) == (quests[key], str(folder))
    assert told["meta"] == orjson.loads((folder / "meta.json").read_bytes())
    for verdict, file in verdicts.values():
        there = verdicts.get(key) == (verdict, file)
        assert told[verdict] == (orjson.loads((folder / file).read_bytes()) if there else None)


def test_a_part_of_a_name_is_enough_if_no_other_has_it(home: Home, quests: dict[str, str]) -> None:
    shown = realm(home, "quest", "show", "new").stdout
    assert shown.startswith(quests["new"])
    for words in ("steps      64", "mean loss  0.5000", "gold       100", "original name      new.jsonl"):
        assert words in shown
    assert "quest: line 2: no assistant turn" in realm(home, "quest", "show", quests["failed"]).stdout
    several = realm(home, "quest", "show", "l", ends_with=1).stderr
    assert "quests have 'l' in their names: " in several
    assert quests["claimed"] in several


@pytest.mark.parametrize("part", ["", "../../inbox", "../processing", "..", "/etc", "nobody", "*", "\x1b[2J"])
@pytest.mark.parametrize("words", [["show"], ["retry"], ["rm", "--yes"], ["move", "low"]], ids=" ".join)
def test_what_is_no_part_of_a_quests_name_is_refused(home: Home, words: list[str], part: str) -> None:
    put_quest(home, LINE)
    write(home.inbox, "x.jsonl")
    before = picture(home)
    refused = realm(home, "quest", words[0], part, *words[1:], ends_with=1)
    assert "in its name: `realm quest ls` lists them" in refused.stderr
    assert refused.stderr.strip().isprintable()
    assert picture(home) == before


# Changing


def test_an_ended_quest_is_retried_with_the_priority_it_was_admitted_with_or_another(
    home: Home, quests: dict[str, str]
) -> None:
    assert realm(home, "quest", "retry", quests["failed"]).stdout == f"{quests['failed']} waits again, low\n"
    assert state_of(home, quests["failed"]) == "low"
    realm(home, "quest", "retry", "old", "--priority", "high")
    assert state_of(home, quests["old"]) == "high"
    busy = realm(home, "quest", "retry", "claimed", ends_with=1).stderr
    assert f"it lies in {home.processing}" in busy


def test_a_waiting_quest_is_moved(home: Home, quests: dict[str, str]) -> None:
    assert realm(home, "quest", "move", "low", "high").stdout == f"{quests['low']} waits, high\n"
    assert state_of(home, quests["low"]) == "high"
    assert f"it lies in {home.processing}" in realm(home, "quest", "move", "claimed", "low", ends_with=1).stderr
    assert "is not one of 'high', 'normal', 'low'" in realm(home, "quest", "move", "low", "soon", ends_with=2).stderr


def test_a_quest_is_removed_only_when_that_is_confirmed(home: Home, quests: dict[str, str]) -> None:
    asked = realm(home, "quest", "rm", "high", stdin="n\n", ends_with=1)
    assert f"delete {quests['high']}, which is in queue/high?" in asked.stdout
    realm(home, "quest", "rm", "high", stdin="", ends_with=1)
    assert state_of(home, quests["high"]) == "high"
    realm(home, "quest", "rm", "high", stdin="y\n")
    assert state_of(home, quests["high"]) is None
    realm(home, "quest", "rm", "new", "--yes")
    assert sum(len(QuestQueue(home).names(state)) for state in STATES) == len(quests) - 2


def test_a_claimed_quest_is_not_removed(home: Home, quests: dict[str, str]) -> None:
    assert "is being trained: skip it first" in realm(home, "quest", "rm", "claimed", "--yes", ends_with=1).stderr
    assert state_of(home, quests["claimed"]) == "processing"
