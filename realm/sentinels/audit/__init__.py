"""The audit: every quest that was ever dropped, every step and every seal accounted for, from the files alone.

A check is a function from a home's books to findings. Its sentences begin with their subject and a colon.
"""

import time
from collections.abc import Callable, Collection, Iterator

from realm.core.paths import Home
from realm.sentinels.audit import checkpoints, claims, climb, drops, ends, leftovers, quests, records, seals, steps
from realm.sentinels.audit.books import Books
from realm.sentinels.finding import Finding, failed, trouble, unseen

__all__ = ["audit", "broken"]

Check = Callable[[Books], Iterator[Finding]]
Findings = dict[tuple[str, Check], list[Finding]]

CHECKS: dict[str, tuple[Check, ...]] = {
    "Quests": (quests.places, quests.contents, quests.claimed, ends.verdicts, ends.pruned, drops.told, drops.late),
    "Claims": (claims.numbers, claims.agreement, claims.joins, claims.seals),
    "Steps": (steps.holes, steps.of_claims, steps.behind_the_seal, steps.status),
    "Seals": (seals.whole, seals.order, seals.journal, seals.totals),
    "Checkpoints": (checkpoints.records, checkpoints.index),
    "Climb": (climb.exams, climb.batches, climb.items, climb.tasks),
    "Records": (records.lines, records.events, records.outcomes, records.gold),
    "Leftovers": (leftovers.half_made,),
}
LOOKS = 4  # at a home whose daemons run: what is broken in one alone was in motion
PAUSE = 0.5  # seconds between them
SHOWN = 10  # findings of a check


def audit(home: Home, *, deep: bool = False, removed: Collection[str] | None = None) -> dict[str, list[Finding]]:
    """Findings by subject. Changes nothing; daemons may run.

    `deep` compares digests, otherwise names and sizes. `removed` names the quests that people are known to have
    removed, so that any other that is nowhere is trouble; None: nobody knows, and it is worth knowing.
    """
    try:
        found = _lasting_findings(home, deep, removed)
    except OSError as error:
        return {"Audit": [unseen(error)]}
    groups: dict[str, list[Finding]] = {group: [] for group in CHECKS}
    for (group, _), findings in found.items():
        groups[group] += _few(findings)
    return groups


def broken(home: Home, *, deep: bool = False, removed: Collection[str] | None = None) -> list[str]:
    """What `audit` finds that needs a person, one sentence each."""
    found = audit(home, deep=deep, removed=removed)
    return [one.what for findings in found.values() for one in findings if one.severity == "trouble"]


def _lasting_findings(home: Home, deep: bool, removed: Collection[str] | None) -> Findings:
    """Looked at again while daemons run: what is in motion is in order a moment later. Raises OSError."""
    books, found = _look(home, deep, removed)
    for _ in range(LOOKS - 1):
        if not (books.is_moving and _has_trouble(found)):
            break
        time.sleep(PAUSE)
        books, again = _look(home, deep, removed)
        found = {check: _lasting(findings, found[check]) for check, findings in again.items()}
    return found


def _look(home: Home, deep: bool, removed: Collection[str] | None) -> tuple[Books, Findings]:
    books = Books.read(home, deep=deep, removed=removed)
    return books, {(group, check): _findings(check, books) for group, checks in CHECKS.items() for check in checks}


def _findings(check: Check, books: Books) -> list[Finding]:
    try:
        return list(check(books))
    except OSError as error:
        return [unseen(error)]
    except Exception as error:  # noqa: BLE001 - damaged files hold anything, and the other checks still tell theirs
        return [failed(check, error)]


def _has_trouble(found: Findings) -> bool:
    return any(one.severity == "trouble" for findings in found.values() for one in findings)


def _lasting(findings: list[Finding], earlier: list[Finding]) -> list[Finding]:
    """Without the trouble about what was in order a moment ago."""
    known = {_subject(one) for one in earlier if one.severity == "trouble"}
    return [one for one in findings if one.severity != "trouble" or _subject(one) in known]


def _subject(finding: Finding) -> str:
    return finding.what.partition(": ")[0]


def _few(findings: list[Finding]) -> Iterator[Finding]:
    bad = [one for one in findings if one.severity == "trouble"]
    yield from (one for one in findings if one.severity != "trouble")
    yield from bad[:SHOWN]
    if more := bad[SHOWN:]:
        yield trouble(f"and {len(more):,} more of this kind")
