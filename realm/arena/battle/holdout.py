"""Lines kept for validation: chosen by a hash of their bytes, so the same line is never on both sides."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

from realm.arena.battle.stream import Cursor, windows

Rule = Callable[[bytes], bool]


def holdout_rule(share: float) -> Rule:
    """Line -> whether it is held out. The same line gives the same answer in every quest and campaign."""
    limit = int(share * 2**64)

    def held_out(line: bytes) -> bool:
        return int.from_bytes(hashlib.blake2b(line.strip(), digest_size=8).digest(), "big") < limit

    return held_out


def held_out_lines(quests: Iterable[Path], rule: Rule, limit: int) -> list[bytes]:
    """The first `limit` distinct held-out lines of the quests, in order."""
    found: dict[bytes, None] = {}
    for quest in quests:
        for window in windows(quest, Cursor(claim=0)):
            for line in filter(rule, window.lines):
                found[line.strip()] = None
                if len(found) == limit:
                    return list(found)
    return list(found)
