"""Claims: numbered without gaps, each ended once, each beginning at the step where the one before it ended."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise

from realm.sentinels.audit.books import Books
from realm.sentinels.audit.history import Claimed
from realm.sentinels.finding import Finding, fine, note, trouble

WHAT_IS_COUNTED = "gold, totals and the curves are counted claim by claim"
MEND_HISTORY = "compare history/trainer.jsonl with a backup; a line that is gone can be written again from result.json"
SHARED_FIELDS = ("outcome", "steps", "tokens", "examples")


def numbers(books: Books) -> Iterator[Finding]:
    """1, 2, 3, ... over history, the newest seal and the journal behind it."""
    for campaign, lines in books.campaigns.items():
        quests: dict[int, list[str]] = defaultdict(list)
        for one in lines:
            quests[one.claim or 0].append(one.quest)
        unfiled = books.unfiled if campaign == books.campaign else {}
        told = f"claim {{}} of campaign {campaign or 'without a name'}"
        for number, names in quests.items():
            if len(names) > 1:
                what = f"{told.format(number)}: history has {len(names)} ends of it: {', '.join(names)}"
                yield _unless_hole(books, what, MEND_HISTORY)
        for number in sorted(set(range(1, max([0, *quests, *unfiled]) + 1)) - quests.keys() - unfiled.keys()):
            yield trouble(
                f"{told.format(number)}: neither history, nor the newest seal, nor the journal tells of it",
                WHAT_IS_COUNTED,
                MEND_HISTORY,
            )
    ended = Counter(one.outcome for lines in books.campaigns.values() for one in lines)
    counts = ", ".join(f"{count:,} {outcome}" for outcome, count in ended.most_common()) or "none has ended"
    still = f"; {len(books.unfiled):,} not filed yet" if books.unfiled else ""
    yield fine(f"{ended.total() + len(books.unfiled):,} claims: {counts}{still}")


def agreement(books: Books) -> Iterator[Finding]:
    """History, seal and journal mean the same quest, and tell the same of it."""
    ended = {claim.number: claim for claim in books.ended}  # of a number that came twice, the later
    sealed = books.sealed.claims if books.sealed else ()
    for source, claims in (("the newest seal", sealed), ("the journal", books.journalled)):
        for claim in claims:
            known = ended.get(claim.number)
            if known and (known.quest, known.sha256) != (claim.quest, claim.sha256):
                what = f"claim {claim.number}: history ended {known.quest}, {source} has {claim.quest}"
                yield _unless_hole(books, what, MEND_HISTORY)
    for claim in sealed:
        known = ended.get(claim.number)
        if known and claim.outcome != "open":
            yield from _differences(f"claim {claim.number}", "history", known, "the newest seal", claim)


def joins(books: Books) -> Iterator[Finding]:
    """The steps of one claim follow those of the one before it."""
    claims = sorted(books.ended, key=lambda claim: claim.number)
    claims += [claim for number, claim in sorted(books.unfiled.items()) if claim.first_step is not None]
    for claim in claims[:1]:
        if claim.number == 1 and claim.first_step:
            yield _unless_hole(books, f"claim 1: begins at step {claim.first_step}, not at 0", MEND_HISTORY)
    for before, claim in pairwise(claims):
        if None in (before.first_step, claim.first_step) or claim.number != before.number + 1:
            continue
        begin, end = claim.first_step or 0, (before.first_step or 0) + before.steps
        if begin != end:
            what = f"claim {claim.number}: begins at step {begin:,}, claim {before.number} ended at {end:,}"
            yield _unless_hole(books, what, MEND_HISTORY)


def seals(books: Books) -> Iterator[Finding]:
    """An end is written down only when a seal covers it."""
    highest = 0
    for one in books.campaigns.get(books.campaign, []):
        step, _, number = (one.seal or "").partition("-")
        if not (step.isdecimal() and number.isdecimal()):
            yield trouble(f"claim {one.claim}: history names no seal that covers it", "", MEND_HISTORY)
            continue
        if int(step) < (one.data.first_step or 0) + one.steps:
            end = (one.data.first_step or 0) + one.steps
            yield trouble(f"claim {one.claim}: ended at step {end:,}, its seal {one.seal} does not reach it", "", "")
        if int(number) < highest:
            yield trouble(f"claim {one.claim}: seal {one.seal} is older than that of a claim before it", "", "")
        highest = max(highest, int(number))


def _differences(subject: str, one_source: str, one: Claimed, other_source: str, other: Claimed) -> Iterator[Finding]:
    for field in SHARED_FIELDS:
        mine, theirs = getattr(one, field), getattr(other, field)
        if mine != theirs:
            yield trouble(
                f"{subject}: {field} is {mine} in {one_source}, {theirs} in {other_source}",
                WHAT_IS_COUNTED,
                MEND_HISTORY,
            )


def _unless_hole(books: Books, what: str, how_to_mend: str) -> Finding:
    """A journal with a hole takes back what was claimed behind the seal: its numbers and steps are used again."""
    if books.journal_holes:
        return note(what, f"{', '.join(books.journal_holes)} was set aside: what it held was decided anew")
    return trouble(what, WHAT_IS_COUNTED, how_to_mend)
