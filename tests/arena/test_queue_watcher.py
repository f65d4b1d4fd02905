"""The real daemon on a real home: what people do to an inbox, and what becomes of it."""

import gzip
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import zstandard

from realm.arena.intake.gatekeepers.quick import LONGEST_LINE
from realm.core.paths import Home
from realm.core.status import freshness, is_locked
from tests.arena.watcher import (
    CHECKOUT,
    FAILED,
    WAITING,
    Watcher,
    chat,
    error,
    immutable,
    meta,
    mounted_apart,
    needs_root,
    plain,
    small_disk,
    until,
    write_elsewhere,
)

GOOD = chat("2 + 2?", "4")
NOBODY = 65534


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    return home


Start = Callable[..., Watcher]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a queue-watcher and waits until it watches."""
    watchers: list[Watcher] = []

    def begin(home: Home, *python_options: str) -> Watcher:
        watchers.append(Watcher(home, *python_options))
        until(lambda: "event=ready" in watchers[-1].log, "ready")
        return watchers[-1]

    yield begin
    for watcher in watchers:
        watcher.kill()


def test_a_day_at_the_inbox(home: Home, start: Start) -> None:
    watcher = start(home)
    copied = write_elsewhere(home, "copied.jsonl", chat("copied"))
    subprocess.run(["cp", copied, home.inbox], check=True)
    assert plain(watcher.wait_for("copied.jsonl")) == copied.read_bytes()

    moved = write_elsewhere(home, "moved.jsonl", chat("moved"))
    os.utime(moved, (1.0, 1.0))
    subprocess.run(["mv", moved, home.inbox / "high"], check=True)
    assert watcher.wait_for("moved.jsonl").parent.name == "high"

    sidecar = {"generator_id": "forge", "generator_version": "3", "epochs": 2}
    forged = write_elsewhere(home, "forged.jsonl", chat("forged"))
    told = write_elsewhere(home, "forged.jsonl.meta.json", json.dumps(sidecar).encode())
    subprocess.run(["cp", forged, told, home.inbox / "low"], check=True)
    assert meta(watcher.wait_for("forged.jsonl"))["epochs"] == 2
    assert list((home.inbox / "low").iterdir()) == []

    folder = write_elsewhere(home, "alice/in-a-folder.jsonl", chat("in a folder")).parent
    subprocess.run(["cp", "-r", folder, home.inbox], check=True)
    assert watcher.wait_for("in-a-folder.jsonl").parent.name == "normal"

    (home.inbox / "packed.jsonl.gz").write_bytes(gzip.compress(chat("packed")))
    assert plain(watcher.wait_for("packed.jsonl.gz")) == chat("packed")
    (home.inbox / "zipped.jsonl.zst").write_bytes(zstandard.ZstdCompressor().compress(chat("zipped")))
    assert plain(watcher.wait_for("zipped.jsonl.zst")) == chat("zipped")

    (home.inbox / "broken.jsonl").write_bytes(GOOD * 16 + b"{,\n")
    refused = watcher.wait_for("broken.jsonl")
    assert error(refused)["findings"][0]["line"] == 17

    until(lambda: (found := watcher.status) and found.last_refused)
    status = watcher.status
    assert status
    assert status.last_refused
    assert status.last_refused.name == "broken.jsonl"
    assert status.last_admitted
    assert status.last_admitted.quest == watcher.quests("normal")[-1].name
    counts = {"high": 1, "normal": 4, "low": 1, "processing": 0, "recently_completed": 0, "failed": 1}
    assert status.queues == counts
    assert freshness(status, status.heartbeat_at, is_locked(home.locks / "queue-watcher.lock")).progressing
    assert "the length of examples is not checked" in watcher.problems

    (told_of,) = watcher.history()
    assert (told_of["outcome"], told_of["quest"]) == ("refused", refused.name)
    assert len(watcher.events("quest.refused")) == 1
    admitted = {event["data"]["quest"] for event in watcher.events("quest.admitted")}
    assert admitted == {quest.name for quest in watcher.quests(*WAITING)}
    assert watcher.stop() == 0
    lineage = json.loads((home.status / "data_lineage.json").read_bytes())
    assert lineage["generators"]["forge@3"]["total"] == 1
    assert lineage["generators"]["unknown@unknown"]["failed"] == 1
    assert list(home.staging.iterdir()) == []


# drops that are not finished


def test_a_file_is_not_taken_while_its_writer_has_it_open(home: Home, start: Start) -> None:
    watcher = start(home)
    with (home.inbox / "slow.jsonl").open("wb") as slow:
        for number in range(3):
            slow.write(chat(f"slow {number}"))
            slow.flush()
            (home.inbox / f"quick-{number}.jsonl").write_bytes(chat(f"quick {number}"))
            watcher.wait_for(f"quick-{number}.jsonl")
            assert watcher.quest_of("slow.jsonl") is None
        until(lambda: (found := watcher.status) and found.inbox_being_written == 1)
    assert plain(watcher.wait_for("slow.jsonl")) == b"".join(chat(f"slow {number}") for number in range(3))


@needs_root
def test_a_file_of_another_user_is_not_taken_while_it_is_written(tmp_path: Path, start: Start) -> None:
    with reachable_home() as home:
        watcher = start(home)
        go_on, reached = os.pipe()
        writer = os.fork()
        if writer == 0:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            with (home.inbox / "theirs.jsonl").open("wb") as file:
                file.write(chat("first"))
                file.flush()
                os.close(reached)
                os.read(go_on, 1)
                file.write(chat("second"))
            os._exit(0)
        (home.inbox / "mine.jsonl").write_bytes(chat("mine"))
        watcher.wait_for("mine.jsonl")
        until(lambda: (found := watcher.status) and found.inbox_being_written == 1)
        assert watcher.quest_of("theirs.jsonl") is None
        os.close(reached)
        assert os.waitpid(writer, 0)[1] == 0
        assert plain(watcher.wait_for("theirs.jsonl")) == chat("first") + chat("second")


@contextmanager
def reachable_home() -> Iterator[Home]:
    """A home whose inbox every user can reach."""
    root = Path(f"/tmp/realm-test-{os.urandom(8).hex()}")
    try:
        root.mkdir(mode=0o755)
        home = Home(root / "home")
        home.create()
        home.inbox.chmod(0o777)
        yield home
    finally:
        shutil.rmtree(root)


def test_the_signal_that_a_broken_lease_sends_does_not_end_the_daemon(home: Home, start: Start) -> None:
    watcher = start(home)
    watcher.process.send_signal(signal.SIGIO)
    (home.inbox / "x.jsonl").write_bytes(GOOD)
    watcher.wait_for("x.jsonl")


# order


def test_a_persons_drop_does_not_wait_behind_what_the_machine_makes(home: Home, start: Start) -> None:
    for number in range(2000):
        (home.inbox / "low" / f"made-{number:04}.jsonl").write_bytes(chat(f"made {number}"))
    watcher = start(home)
    until(lambda: len(watcher.queue.names("low")) > 50)
    (home.inbox / "mine.jsonl").write_bytes(GOOD)
    (home.inbox / "high" / "urgent.jsonl").write_bytes(chat("urgent"))
    watcher.wait_for("mine.jsonl")
    watcher.wait_for("urgent.jsonl")
    assert len(list((home.inbox / "low").iterdir())) > 1000
    names = [meta(quest)["original_name"] for quest in watcher.quests("low")]
    assert names == sorted(names)


def test_a_large_drop_lets_small_ones_pass_and_takes_little_memory(home: Home, start: Start) -> None:
    block = b"".join(chat(f"{number} {os.urandom(400).hex()}") for number in range(8_000))
    blocks = 2**29 // len(block) + 1
    digest = hashlib.sha256()
    large = home.inbox / ".large"
    with large.open("wb") as file:
        for _ in range(blocks):
            digest.update(block)
            file.write(block)
    watcher = start(home)
    memory = [resident_bytes(watcher)]
    large.rename(home.inbox / "large.jsonl")
    until(lambda: any(home.staging.glob(".*/quest.jsonl")))
    for number in range(2):
        (home.inbox / f"small-{number}.jsonl").write_bytes(chat(f"small {number}"))
        watcher.wait_for(f"small-{number}.jsonl")
        memory.append(resident_bytes(watcher))
    assert watcher.quest_of("large.jsonl") is None
    found = meta(watcher.wait_for("large.jsonl"))
    assert (found["sha256"], found["lines"], found["bytes"]) == (
        digest.hexdigest(),
        8_000 * blocks,
        len(block) * blocks,
    )
    memory.append(peak_bytes(watcher))
    print("resident MB at the start, meanwhile, and at most:", [size // 2**20 for size in memory])
    assert max(memory) < 100 * 2**20


def test_told_to_stop_it_gives_up_what_is_half_copied_and_leaves_the_drop(home: Home, start: Start) -> None:
    watcher = start(home)
    (home.inbox / ".large").touch()
    os.truncate(home.inbox / ".large", 4 * 2**30)  # a hole: it takes no space until it is copied
    (home.inbox / ".large").rename(home.inbox / "large.jsonl")
    until(lambda: any(home.staging.glob(".*/quest.jsonl")))
    assert watcher.stop() == 0
    assert watcher.quests() == []
    assert list(home.staging.iterdir()) == []
    assert (home.inbox / "large.jsonl").exists()


def resident_bytes(watcher: Watcher) -> int:
    return _memory(watcher, "VmRSS")


def peak_bytes(watcher: Watcher) -> int:
    return _memory(watcher, "VmHWM")


def _memory(watcher: Watcher, field: str) -> int:
    lines = Path(f"/proc/{watcher.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


# what is no good


def test_bad_drops_stop_nobody(home: Home, start: Start, tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(chat("secret"))
    bad = {
        "empty.jsonl": b"",
        "broken.jsonl": GOOD * 16 + b"{,\n",
        "endless.jsonl": b"x" * (70 * 2**20),
        "wide.jsonl": chat("x" * (LONGEST_LINE - 2**10), "!").replace(b"!", "😀".encode()).replace(b"}]}", b"}]"),
        "latin.jsonl": chat("q").replace(b"q", b"\xe9"),
        "silent.jsonl": b'{"messages": [{"role": "user", "content": "hi"}]}\n',
        "schema.jsonl": chat("q", metadata={"schema_id": "v9"}),
        "cut.jsonl.gz": gzip.compress(os.urandom(1000).hex().encode())[:-9],
        "bomb.jsonl.gz": gzip.compress(bytes(200 * 2**20), 1),
        "two\nlines.jsonl": b"[]\n",
    }
    for name, content in bad.items():
        (home.inbox / name).write_bytes(content)
    (home.inbox / "link.jsonl").symlink_to(tmp_path / "outside")
    (home.inbox / "folder.jsonl").mkdir()
    (home.inbox / "half.jsonl.part").write_bytes(GOOD)
    (home.inbox / "notes.txt").write_bytes(b"notes")
    os.utime(home.inbox / "notes.txt", (1.0, 1.0))
    watcher = start(home)
    (home.inbox / "good.jsonl").write_bytes(GOOD)
    watcher.wait_for("good.jsonl")
    until(lambda: len(watcher.quests(FAILED)) == len(bad) + 1)
    for name, content in bad.items():
        quest = watcher.quest_of(name.replace("\n", "\\n"))
        assert quest
        kept = next(file for file in quest.iterdir() if file.name in ("quest.jsonl", "original.gz"))
        assert kept.read_bytes() == content
        assert error(quest)["findings"][0]["how_to_mend"]
    assert not any(chat("secret") in file.read_bytes() for file in (home.queue / FAILED).rglob("*.json*"))
    assert (tmp_path / "outside").exists()
    until(
        lambda: sorted(path.name for path in home.inbox.iterdir() if path.is_file()) == ["half.jsonl.part", "notes.txt"]
    )
    until(lambda: "inbox/notes.txt is not named .jsonl" in watcher.problems)
    assert len(watcher.history()) == len(bad) + 1
    assert peak_bytes(watcher) < 300 * 2**20


# shortage


@needs_root
def test_while_the_queue_may_not_be_written_drops_wait_and_the_status_says_why(home: Home, start: Start) -> None:
    watcher = start(home)
    with immutable(home.queue / "normal"):
        (home.inbox / "x.jsonl").write_bytes(GOOD)
        until(lambda: (found := watcher.status) and found.state == "waiting" and watcher.problems)
        mend = "give the queue-watcher's user leave to write there"
        assert f"wait in the inbox: {home.queue / 'normal'}: Operation not permitted ({mend}" in watcher.problems
        assert watcher.log.count("event=wait") == 1
        assert len(watcher.events("resource.short")) == 1
        assert watcher.quests() == []
    assert watcher.wait_for("x.jsonl").parent.name == "normal"
    until(lambda: (found := watcher.status) and found.state == "idle")
    assert len(watcher.events("resource.back")) == 1
    assert watcher.quests(FAILED) == []


@needs_root
def test_while_the_queue_lies_on_another_mount_drops_wait_and_the_status_says_why(home: Home, start: Start) -> None:
    with mounted_apart(home.queue):
        watcher = start(home)
        (home.inbox / "x.jsonl").write_bytes(GOOD)
        until(lambda: f"{home.queue / 'normal'}: Invalid cross-device link (let the whole home lie" in watcher.problems)
        assert watcher.quests() == []
    assert watcher.wait_for("x.jsonl").parent.name == "normal"


@needs_root
def test_a_refusal_that_cannot_be_written_down_waits_and_is_not_made_twice(home: Home, start: Start) -> None:
    watcher = start(home)
    with ExitStack() as later:
        with immutable(home.history):
            (home.inbox / "bad.jsonl").write_bytes(b"oops\n")
            until(lambda: (found := watcher.status) and found.state == "waiting")
            assert len(watcher.quests(FAILED)) == 1
            assert (home.inbox / "bad.jsonl").exists()
            later.enter_context(immutable(home.staging))  # so it cannot be copied again
        watcher.wait_for("bad.jsonl")
    assert len(watcher.history()) == len(watcher.quests(FAILED)) == 1


@needs_root
def test_a_drop_that_is_taken_back_ends_its_shortage(home: Home, start: Start) -> None:
    watcher = start(home)
    with immutable(home.queue / "normal"):
        (home.inbox / "x.jsonl").write_bytes(GOOD)
        until(lambda: (found := watcher.status) and found.state == "waiting")
        (home.inbox / "x.jsonl").unlink()
        until(lambda: (found := watcher.status) and found.state == "idle")


@needs_root
def test_a_drop_that_cannot_be_removed_becomes_one_quest_and_is_reported(home: Home, start: Start) -> None:
    (home.inbox / "locked.jsonl").write_bytes(GOOD)
    with immutable(home.inbox / "locked.jsonl"):
        watcher = start(home)
        until(lambda: "locked.jsonl is a quest now and cannot be removed: Operation not permitted" in watcher.problems)
        watcher.kill()
        watcher.start_again()
        (home.inbox / "other.jsonl").write_bytes(chat("another"))
        watcher.wait_for("other.jsonl")
        until(lambda: "locked.jsonl is a quest now" in watcher.problems)
        assert len(watcher.quests()) == 2
        assert len(watcher.events("quest.admitted")) == 2


@needs_root
def test_a_full_disk_loses_nothing_and_refuses_nothing(tmp_path: Path, start: Start) -> None:
    with small_disk(tmp_path / "disk", "size=300m") as disk:
        home = Home(disk / "home")
        home.create()
        (disk / "ballast").write_bytes(bytes(60 * 2**20))
        watcher = start(home)
        for number in range(5):
            (home.inbox / f"{number}.jsonl").write_bytes(chat(str(number)))
        until(lambda: "MB free on the disk of the realm's home" in watcher.problems)
        assert "MB needed (free some space)" in watcher.problems
        assert watcher.quests() == []
        (disk / "ballast").unlink()
        until(lambda: len(watcher.quests(*WAITING)) == 5)
        assert watcher.quests(FAILED) == []
        assert watcher.stop() == 0


# settings


def test_settings_are_followed_and_an_invalid_config_changes_nothing(home: Home, start: Start) -> None:
    home.config_file.write_text('{"gatekeepers": {"empty_content": "warn"}}')
    watcher = start(home)
    (home.inbox / "first.jsonl").write_bytes(chat("q", ""))
    assert meta(watcher.wait_for("first.jsonl"))["warnings"]
    home.config_file.write_text('{"gatekeepers": {"empty_content": "perhaps"}}')
    until(lambda: "gatekeepers.empty_content is 'perhaps'" in watcher.problems)
    (home.inbox / "second.jsonl").write_bytes(chat("r", ""))
    assert meta(watcher.wait_for("second.jsonl"))["warnings"]
    home.config_file.write_text('{"gatekeepers": {"empty_content": "reject"}}')
    until(lambda: "perhaps" not in watcher.problems)
    (home.inbox / "third.jsonl").write_bytes(chat("s", ""))
    assert watcher.wait_for("third.jsonl").parent.name == FAILED
    assert len(watcher.events("config.refused")) == 1
    assert len(watcher.events("config.changed")) == 1


def test_without_any_valid_config_drops_wait(home: Home, start: Start) -> None:
    home.config_file.write_text("{")
    watcher = start(home)
    (home.inbox / "x.jsonl").write_bytes(GOOD)
    until(lambda: (found := watcher.status) and found.state == "waiting" and found.inbox_files == 1)
    assert "config.json: not valid JSON" in watcher.problems
    home.config_file.unlink()
    watcher.wait_for("x.jsonl")


def test_lengths_are_measured_without_torch_or_transformers(home: Home, start: Start, squire: Path) -> None:
    shutil.copytree(squire, home.models / "squire")
    watcher = start(home, "-X", "importtime")
    (home.inbox / "x.jsonl").write_bytes(chat("q" * 1000))
    found = meta(watcher.wait_for("x.jsonl"))
    assert found["params"]["sampled_tokens"]["min"] > 1000
    assert found["validators"]["standard@1"] == "warned"
    assert watcher.stop() == 0
    imported = {
        line.split("|")[-1].strip().split(".")[0] for line in watcher.log.splitlines() if "import time:" in line
    }
    assert "tokenizers" in imported
    assert not imported & {"torch", "transformers", "numpy"}


# one instance, and hints


def test_a_second_watcher_is_refused_and_told_who_watches(home: Home, start: Start) -> None:
    watcher = start(home)
    second = subprocess.run(
        [sys.executable, "-m", "realm.arena.queue_watcher"],
        cwd=CHECKOUT,
        env={**os.environ, "REALM_HOME": str(home.root)},
        capture_output=True,
        text=True,
    )
    assert second.returncode == 75
    assert re.search(rf"queue-watcher runs already: .* held by pid {watcher.process.pid}, started", second.stderr)
    (home.inbox / "x.jsonl").write_bytes(GOOD)
    watcher.wait_for("x.jsonl")


def test_a_folder_that_is_no_home_is_refused(tmp_path: Path) -> None:
    refused = subprocess.run(
        [sys.executable, "-m", "realm.arena.queue_watcher"],
        cwd=CHECKOUT,
        env={**os.environ, "REALM_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert refused.returncode == 1
    assert f"{tmp_path} is no realm's home: run `realm init`" in refused.stderr


def test_an_overflow_of_hints_hides_no_drop(home: Home, start: Start) -> None:
    watcher = start(home)
    watcher.process.send_signal(signal.SIGSTOP)
    for number in range(9_000):  # two events each; the kernel keeps 16,384
        (home.inbox / f".{number}").touch()
    (home.inbox / "last").mkdir()
    (home.inbox / "last" / "x.jsonl").write_bytes(GOOD)
    watcher.process.send_signal(signal.SIGCONT)
    watcher.wait_for("x.jsonl")


STRACE = shutil.which("strace")


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
def test_without_inotify_it_polls_and_says_so(home: Home) -> None:
    fault = ("-e", "trace=inotify_init1", "-e", "inject=inotify_init1:error=EMFILE")
    watcher = Watcher(home, tracer=(str(STRACE), "-f", "-o", "/dev/null", *fault))
    try:
        (home.inbox / "x.jsonl").write_bytes(GOOD)
        watcher.wait_for("x.jsonl")
        until(lambda: "no inotify (Too many open files): looks into the inbox every 5 s instead" in watcher.problems)
        (home.inbox / "y.jsonl").write_bytes(chat("y"))
        watcher.wait_for("y.jsonl")
        assert watcher.problems.count("no inotify") == 1
    finally:
        watcher.kill_traced()
