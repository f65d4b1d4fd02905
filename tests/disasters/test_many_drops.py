"""More drops at once than the kernel's queue of hints holds."""

import os
import signal
from pathlib import Path

from realm.core.paths import Home
from realm.core.quests import QuestQueue, read_meta
from realm.core.status import QueueWatcherStatus, read_status
from tests.arena.realm_home import eventually, log_of, running
from tests.disasters.records import lines, needs_root, small_disk

HINTS = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
DROPS = int(os.environ.get("REALM_TEST_DROPS", HINTS // 2 + 500))  # each gives two hints: created, closed


def left(home: Home) -> int | None:
    """Drops in the inbox; looking for oneself would cost the watcher half its time."""
    shown = read_status(home.status / QueueWatcherStatus.FILE, QueueWatcherStatus)
    return shown.inbox_files if shown and shown.last_admitted else None


@needs_root
def test_each_becomes_one_quest(tmp_path: Path) -> None:
    """REALM_TEST_DROPS sets how many. In memory, as a disk takes about ten milliseconds for each."""
    with small_disk(tmp_path / "disk", megabytes=300 + DROPS // 40) as disk:
        home = Home(disk / "home")
        home.create()
        with running("queue_watcher", home) as watcher:
            eventually(lambda: "event=ready" in log_of(home, "queue_watcher"))
            watcher.send_signal(signal.SIGSTOP)
            for number in range(DROPS):
                (home.inbox / f"{number:06}.jsonl").write_bytes(lines(1, first=number))
            watcher.send_signal(signal.SIGCONT)
            eventually(lambda: left(home) == 0, 60 + DROPS / 50, "all are taken")
        waiting = QuestQueue(home).waiting()
        assert sorted(read_meta(quest.path).original_name for quest in waiting) == [
            f"{number:06}.jsonl" for number in range(DROPS)
        ]
        assert QuestQueue(home).names("failed") == []
        assert list(home.staging.iterdir()) == []
