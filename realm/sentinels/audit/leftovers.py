"""What kills leave half made."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from realm.sentinels.audit.books import Books
from realm.sentinels.audit.keepers import Keeper
from realm.sentinels.finding import Finding, fine, note, trouble


def half_made(books: Books) -> Iterator[Finding]:
    """A daemon removes at its start what an earlier life left; what is older than that start was forgotten."""
    home = books.home
    swept: list[tuple[Keeper[Any], Iterator[Path]]] = [
        (books.watcher, home.staging.iterdir()),
        (books.watcher, home.queue.glob("*/.removed-*")),
        (books.trainer, home.seals.glob(".*")),
        (books.trainer, home.journal.glob(".*")),
        (books.trainer, home.current_model.glob(".*checkpoint-*")),
    ]
    count = 0
    for keeper, found in swept:
        for path in sorted(found):
            count += 1
            if not books.is_moving or keeper.began_at is None:
                yield note(f"{path}: half made", f"the {keeper.name} was killed", "it is removed at its next start")
            elif keeper.is_alive and _changed_at(path) < keeper.began_at:
                yield trouble(f"{path}: is left since before the {keeper.name} started", "", f"rm -r {path}")
    for path in [] if books.is_moving else _litter(home.root):
        yield note(f"{path}: left by a killed process", "nobody looks at it", f"rm {path}")
    if not count:
        yield fine("nothing half made is left")


def _litter(root: Path) -> Iterator[Path]:
    """Files that a killed process was about to rename."""
    for folder, _, files in os.walk(root):
        if not Path(folder).name.startswith("."):
            yield from (Path(folder, name) for name in files if name.startswith(".") and name.endswith(".tmp"))


def _changed_at(path: Path) -> datetime:
    try:
        return datetime.fromtimestamp(path.lstat().st_ctime, UTC)
    except FileNotFoundError:
        return datetime.now(UTC)
