"""Kernels and file systems that lack what is best: it still works, slower, and says so.

O_TMPFILE is nowhere used. A kernel without inotify is in tests/arena/test_queue_watcher.py.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from realm.core.quests import QuestQueue
from realm.core.status import QueueWatcherStatus, read_status
from tests.arena.realm_home import eventually, running, start
from tests.disasters.hooks import hook
from tests.disasters.records import check_each_is_somewhere_once, history, lines, small_home

STRACE = shutil.which("strace")
SEGMENT = 256 * 1024  # bytes of a journal's


def test_without_leases_a_drop_is_taken_once_it_is_quiet_and_the_status_says_so(tmp_path: Path, squire: Path) -> None:
    home = small_home(tmp_path / "home", squire)

    def shown() -> str:
        found = read_status(home.status / QueueWatcherStatus.FILE, QueueWatcherStatus)
        return "; ".join(found.problems) if found else ""

    with running("queue_watcher", home, hook("no_leases(quiet_seconds=2.0)")):
        with (home.inbox / "slow.jsonl").open("wb") as slow:
            slow.write(lines(20))
            slow.flush()
            eventually(lambda: "the kernel does not tell who writes to a drop" in shown(), 30)
            assert QuestQueue(home).names("normal") == []
        eventually(lambda: len(QuestQueue(home).names("normal")) == 1, 60)
        eventually(lambda: shown() == "", 30)
    assert not (home.inbox / "slow.jsonl").exists()


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
def test_without_preallocation_and_without_a_rename_that_replaces_nothing_quests_are_trained(
    tmp_path: Path, squire: Path
) -> None:
    """As NFS and ZFS answer: the C library then writes the journal's zeros itself."""
    home = small_home(tmp_path / "home", squire, quests=2)
    faults = ("inject=fallocate:error=EOPNOTSUPP", "inject=renameat2:error=EINVAL")
    trainer = start("trainer", home, hook("await_tracer()"))
    tracer = [str(STRACE), "-f", "-p", str(trainer.pid), "-o", "/dev/null", "-e", "trace=fallocate,renameat2"]
    with subprocess.Popen([*tracer, *(word for fault in faults for word in ("-e", fault))], stderr=subprocess.DEVNULL):
        try:
            eventually(lambda: len(history(home)) == 2 or trainer.poll() is not None, 120, "both are trained")
            assert all(segment.stat().st_blocks * 512 >= SEGMENT for segment in home.journal.iterdir())
        finally:
            trainer.terminate()
            trainer.wait(60)
    assert [one.outcome for one in history(home)] == ["completed", "completed"]
    check_each_is_somewhere_once(home)
