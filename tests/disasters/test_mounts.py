"""Parts of the home on other mounts, and a home that turns read-only under its daemons."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from realm.core.paths import Home
from realm.core.quests import QuestQueue
from realm.core.status import QueueWatcherStatus, read_status
from tests.arena.realm_home import eventually, log_of, running
from tests.disasters.conftest import QUESTS, Told
from tests.disasters.hooks import hook
from tests.disasters.records import (
    check_each_is_somewhere_once,
    copy_of,
    history,
    lines,
    needs_root,
    problems,
    small_disk,
    small_home,
    state,
    story,
    weights,
)

pytestmark = needs_root


@contextmanager
def bound(*paths: Path) -> Iterator[None]:
    """Each on a mount of its own, with the same content."""
    with ExitStack() as later:
        for path in paths:
            subprocess.run(["mount", "--bind", path, path], check=True)
            later.callback(subprocess.run, ["umount", "--lazy", path], check=True)
        yield


def remount(path: Path, mode: str) -> None:
    """`ro` as soon as nobody has a file of it open for writing."""
    options = f"remount,bind,{mode}"
    eventually(lambda: subprocess.run(["mount", "-o", options, path], stderr=subprocess.DEVNULL).returncode == 0)


def test_an_inbox_on_another_mount_is_copied_from(tmp_path: Path, squire: Path) -> None:
    home = small_home(tmp_path / "home", squire)
    home.inbox.rename(home.root / "inbox.old")
    with small_disk(home.inbox, megabytes=4):
        home.create()
        with running("queue_watcher", home):
            (home.inbox / "high" / "x.jsonl").write_bytes(lines(20))
            eventually(lambda: len(QuestQueue(home).names("high")) == 1, 60)
        assert not (home.inbox / "high" / "x.jsonl").exists()
    assert QuestQueue(home).waiting()[0].path.joinpath("quest.jsonl").read_bytes() == lines(20)


def test_a_queue_whose_folders_lie_on_several_mounts_is_waited_for_with_a_sentence(
    before: Home, calm: Told, tmp_path: Path
) -> None:
    home = copy_of(before, tmp_path / "home")
    with ExitStack() as later:
        later.enter_context(bound(home.processing))
        trainer = later.enter_context(running("trainer", home))
        with ExitStack():
            eventually(lambda: state(home) == "waiting" or trainer.poll() is not None, 60)
            assert "Invalid cross-device link (let the whole home lie on one mount" in problems(home)
            assert log_of(home).count("event=wait") == 1
            subprocess.run(["umount", "--lazy", home.processing], check=True)
            eventually(lambda: len(history(home)) == QUESTS or trainer.poll() is not None, 120)
            subprocess.run(["mount", "--bind", home.processing, home.processing], check=True)  # for the end of `bound`
    assert Told.of(home) == calm


def test_a_home_that_turns_read_only_is_waited_for_and_nothing_is_lost(
    before: Home, calm: Told, tmp_path: Path
) -> None:
    """Files that are open for writing stay so, as when the kernel itself does it: lock, journal, attempt, log."""
    home = copy_of(before, tmp_path / "home")
    attempt = home.current_model / ".attempt"
    attempt.touch()
    gate = tmp_path / "gate"
    drop = b"".join([lines(20, first=7000)])
    with (
        bound(home.root, home.locks, home.journal, attempt, home.logs, home.inbox),
        running("trainer", home, hook(f"hold_at(9, {str(gate)!r})")) as trainer,
        running("queue_watcher", home) as watcher,
    ):
        eventually(lambda: "held at step 9" in log_of(home) or trainer.poll() is not None, 60)
        eventually(lambda: "event=ready" in log_of(home, "queue_watcher"), 60)
        remount(home.root, "ro")
        gate.touch()
        (home.inbox / "late.jsonl").write_bytes(drop)
        eventually(lambda: "cannot be brought to queue/processing" in log_of(home) or trainer.poll() is not None, 60)
        eventually(lambda: "event=wait" in log_of(home, "queue_watcher") or watcher.poll() is not None, 60)
        assert "Read-only file system (mount it for writing)" in log_of(home)
        assert "Read-only file system (mount it for writing)" in log_of(home, "queue_watcher")
        remount(home.root, "rw")
        eventually(lambda: len(history(home)) == QUESTS + 1 or trainer.poll() is not None, 120, "all are trained")
        eventually(lambda: state(home) == "idle", 30)
    assert (trainer.returncode, watcher.returncode) == (0, 0)
    assert story(home)[:QUESTS] == calm.story
    assert not (home.inbox / "late.jsonl").exists()
    check_each_is_somewhere_once(home)


def test_daemons_that_start_on_a_read_only_home_wait_and_go_on(before: Home, calm: Told, tmp_path: Path) -> None:
    home = copy_of(before, tmp_path / "home")
    with bound(home.root, home.logs):
        remount(home.root, "ro")
        with running("trainer", home) as trainer, running("queue_watcher", home) as watcher:
            for daemon in ("trainer", "queue_watcher"):
                eventually(lambda daemon=daemon: "mount it for writing" in log_of(home, daemon), 60)  # type: ignore[misc]
            assert (trainer.poll(), watcher.poll()) == (None, None)
            remount(home.root, "rw")
            eventually(lambda: len(history(home)) == QUESTS or trainer.poll() is not None, 120, "all are trained")
            eventually(lambda: "event=ready" in log_of(home, "queue_watcher"), 60)
    assert (weights(home), story(home)) == (calm.weights, calm.story)
    assert read_status(home.status / QueueWatcherStatus.FILE, QueueWatcherStatus)
