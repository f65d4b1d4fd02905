"""Quests that lie nowhere. `realm quest rm` and a hand remove them, and leave no trace."""

from collections.abc import Iterator

from realm.sentinels.audit.books import Books
from realm.sentinels.finding import Finding, note, trouble


def gone(books: Books, names: list[str], fact: str) -> Iterator[Finding]:
    """Trouble only where it is known who removed what."""
    if books.removed is not None:
        for name in names:
            if name not in books.removed:
                yield trouble(f"quest {name}: {fact}", "nobody removed it", "look for it in a backup, or drop it again")
    elif names:
        some = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        why = "`realm quest rm` and a hand leave no trace"
        yield note(f"{len(names):,} quests: each {fact}: {some}", why, "if nobody removed them, drop their files again")
