"""Drops: every one that was let in or turned away has come to something, and none lies there for ever."""

import time
from collections.abc import Iterator
from pathlib import Path

from realm.sentinels.audit.books import Books
from realm.sentinels.audit.gone import gone
from realm.sentinels.finding import Finding, fine, trouble

SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst")
LATE_SECONDS = 300.0  # longer than a drop waits for its sidecar, for quiet, and for a rescan


def told(books: Books) -> Iterator[Finding]:
    """Every drop that was let in or turned away has come to something."""
    ended = {line.quest for lines in books.history.values() for line in lines}
    known = books.folders.keys() | ended | {claim.quest for claim in books.unfiled.values()}
    yield from gone(books, sorted(books.told.admitted - known), "was let in, was never claimed, and is nowhere")
    refused = {line.quest for line in books.history["queue-watcher"]}
    for name in sorted(books.told.refused - refused):
        yield trouble(f"quest {name}: an event tells that it was refused, history does not", "", "")
    let_in, turned_away = len(books.told.admitted), len(books.told.refused)
    yield fine(f"{let_in + turned_away:,} drops in the events: {let_in:,} let in, {turned_away:,} refused")


def late(books: Books) -> Iterator[Finding]:
    """A finished drop is taken at once by a queue-watcher that has nothing else to do."""
    said = books.watcher.said
    drops = [path for path in books.home.inbox.rglob("*") if path.name.endswith(SUFFIXES) and _is_drop(path)]
    if drops:
        yield fine(f"{len(drops):,} drops lie in the inbox")
    if not books.watcher.is_alive or said is None or said.state != "idle":
        return
    told = "\n".join(said.problems)
    late = [path for path in drops if time.time() - path.lstat().st_ctime > LATE_SECONDS and path.name not in told]
    if len(late) > (said.inbox_being_written or 0):
        for path in late:
            yield trouble(f"{path}: lies there for minutes, and the queue-watcher rests", "", "touch it, and report it")


def _is_drop(path: Path) -> bool:
    return not path.name.startswith(".") and (path.is_file() or path.is_symlink())
