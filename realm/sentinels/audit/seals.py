"""Seals and journal: what training resumes from, whole, and adding up with history."""

from collections.abc import Iterator
from itertools import pairwise

import msgspec

from realm.sentinels.audit.books import Books
from realm.sentinels.durable import MANIFEST, SEAL_NAME
from realm.sentinels.finding import Finding, fine, note, trouble

KEPT = 2
MEND_DISK = "look at the disk (smartctl -a, dmesg); the trainer sets a bad seal aside at its next start"


def whole(books: Books) -> Iterator[Finding]:
    for seal in books.seals:
        if seal.problem:
            yield trouble(f"seal {seal.folder.name}: {seal.problem}", "training cannot resume from it", MEND_DISK)
        if seal.manifest is None:
            continue
        named = f"{seal.manifest.step}-{seal.manifest.number}"
        if named != seal.folder.name:
            yield trouble(f"seal {seal.folder.name}: its {MANIFEST} is that of {named}", "", "give it its name again")
        present = {path.name for path in seal.folder.iterdir()} if seal.folder.exists() else set()
        for extra in sorted(present - seal.manifest.parts.keys() - {MANIFEST}):
            yield trouble(f"seal {seal.folder.name}: {extra} is no part of it", "", f"remove {seal.folder / extra}")
    for aside in sorted(books.home.seals.glob("corrupt-*")):
        yield note(f"seal {aside.name}: a damaged one, set aside", "", f"look at the disk, then rm -r {aside}")


def order(books: Books) -> Iterator[Finding]:
    """A later number is of a later moment; the newest two are kept."""
    manifests = [seal.manifest for seal in books.seals if seal.manifest]
    for later, earlier in pairwise(manifests):
        if later.number == earlier.number or (later.step, later.journal_seq) < (earlier.step, earlier.journal_seq):
            yield trouble(
                f"seal {later.step}-{later.number}: is not of a later moment than {earlier.step}-{earlier.number}",
                "training would resume from the wrong one",
                f"move the wrong one out of {books.home.seals} before the trainer starts",
            )
    if len(books.seals) > KEPT:
        what = f"seals: {len(books.seals)} are kept instead of {KEPT}"
        is_left = not books.trainer.is_alive and not books.trainer.ended_cleanly
        yield note(what, "the trainer was killed", "it removes the oldest when it starts") if is_left else trouble(what)
    strangers = [
        path.name
        for path in sorted(books.home.seals.iterdir())
        if not SEAL_NAME.fullmatch(path.name) and not path.name.startswith((".", "corrupt-"))
    ]
    for name in strangers:
        yield trouble(f"seal {name}: that is no seal's name", "nobody looks at it", f"rm -r {books.home.seals / name}")
    size = sum(seal.manifest.size for seal in books.seals if seal.manifest)
    how = "every byte was read" if books.deep else "sizes were compared"
    yield fine(f"{len(books.seals)} seals, {size:,} bytes ({how})")


def journal(books: Books) -> Iterator[Finding]:
    """Without a hole, from what the older kept seal still needs up to what the newest holds."""
    for name in books.journal_holes:
        yield note(f"journal: {name} was set aside", "what it held behind the seal of that time was decided anew")
    if books.journal_problem:
        yield trouble(f"journal: {books.journal_problem}", "decisions behind the newest seal are lost", MEND_DISK)
        return
    manifests = [seal.manifest for seal in books.seals if seal.manifest]
    last = books.journal_begins + len(books.journal) - 1
    oldest = min((manifest.journal_seq for manifest in manifests), default=0)
    if books.journal_begins > oldest + 1:
        what = f"journal: begins with line {books.journal_begins}, the oldest kept seal needs line {oldest + 1}"
        mend = "look for older segments in vault/backups"
        yield note(what) if books.journal_holes else trouble(what, "falling back to that seal would lose claims", mend)
    for manifest in manifests:
        if manifest.journal_seq > last:
            yield trouble(
                f"journal: ends with line {last}, seal {manifest.step}-{manifest.number} holds lines"
                f" up to {manifest.journal_seq}",
                "a line is durable before its effect",
                MEND_DISK,
            )
    numbers = [claim.number for claim in books.journalled]
    for before, number in pairwise(numbers):
        if number != before + 1:
            yield trouble(f"journal: claim {number} follows claim {before}", "claims are numbered without gaps", "")
    if books.journal:
        yield fine(f"journal whole from line {books.journal_begins:,} to {last:,}, {len(numbers):,} claims in it")


def totals(books: Books) -> Iterator[Finding]:
    """What the newest seal counts is what its claims add up to."""
    sealed = books.sealed
    if sealed is None:
        if any(seal.problem is None for seal in books.seals):
            yield trouble("seal: the newest whole one holds a state that cannot be read", "", MEND_DISK)
        return
    newest = next(seal.manifest for seal in books.seals if seal.problem is None and seal.manifest)
    name = f"seal {newest.step}-{newest.number}"
    if (newest.step, newest.journal_seq) != (sealed.step, sealed.journal_seq):
        yield trouble(f"{name}: its state is that of step {sealed.step}, line {sealed.journal_seq}", "", MEND_DISK)
    claims = {claim.number: claim for claim in books.ended if claim.number <= sealed.last_claim}
    claims |= {claim.number: claim for claim in sealed.claims}
    if len(claims) != sealed.last_claim:
        return  # told already: one is missing
    sums = {
        "step": sum(claim.steps for claim in claims.values()),
        "tokens": sum(claim.tokens for claim in claims.values()),
        "examples": sum(claim.examples for claim in claims.values()),
        "quests": sum(claim.outcome == "completed" for claim in claims.values()),
    }
    counted = {"step": sealed.step, **msgspec.to_builtins(sealed.totals)}
    for field, total in sums.items():
        if counted[field] != total:
            what = f"{name}: counts {counted[field]:,} {field}, its {len(claims):,} claims add up to {total:,}"
            why = "history and seal tell of different battles"
            yield note(what, why) if books.journal_holes else trouble(what, why, "compare both with a backup")
