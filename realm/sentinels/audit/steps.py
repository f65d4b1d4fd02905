"""Steps: a row of metrics for each, in the claim that it was trained for; the last of them is where training stands."""

from collections.abc import Iterator

from realm.sentinels.audit.books import Books
from realm.sentinels.finding import Finding, fine, trouble

MEND_ROWS = "nothing that was trained is lost; the curves have a gap there"


def holes(books: Books) -> Iterator[Finding]:
    for first, last in books.rows.holes():
        steps = f"step {first:,}" if first == last else f"steps {first:,} to {last:,}"
        yield trouble(f"{steps}: metrics/ has no row", "a full disk, or a power cut, may have taken them", MEND_ROWS)
    sealed = books.sealed.step if books.sealed else 0
    behind = books.rows.last_step - sealed
    unsealed = f", {behind:,} of them behind the newest seal" if behind > 0 else ""
    yield fine(f"{books.rows.last_step:,} steps, a row of metrics for each{unsealed}")


def of_claims(books: Books) -> Iterator[Finding]:
    """As many rows, and as many tokens in them, as history counts, and no other claim's among them."""
    at = 0
    for claim in sorted(books.ended, key=lambda claim: claim.number):
        first = at if claim.first_step is None else claim.first_step
        at = first + claim.steps
        if at > books.rows.last_step and claim.number in books.carried:
            continue  # the seal that covered it was lost, and it is about to be trained again
        rows = books.rows.claims[first:at]
        mine = rows.count(claim.number)
        if mine != claim.steps:
            yield trouble(
                f"claim {claim.number}: trained steps {first + 1:,} to {at:,}, metrics/ has {mine:,} rows of it there",
                "history and curves tell of different battles",
                MEND_ROWS,
            )
        elif (tokens := sum(books.rows.tokens[first:at])) != claim.tokens:
            yield trouble(
                f"claim {claim.number}: history has {claim.tokens:,} tokens, its rows of metrics {tokens:,}",
                "history and curves tell of different battles",
                MEND_ROWS,
            )


def behind_the_seal(books: Books) -> Iterator[Finding]:
    """Rows reach at least to the newest seal, and behind it only to claims that the journal knows."""
    sealed = books.sealed.step if books.sealed else 0
    if books.rows.last_step < sealed:
        yield trouble(
            f"seal at step {sealed:,}: the rows of metrics end at step {books.rows.last_step:,}",
            "rows are written before the seal that covers their steps",
            MEND_ROWS,
        )
    known = books.unfiled.keys() | {claim.number for claim in books.ended}
    for number in sorted({*books.rows.claims[sealed:]} - known - {0}):
        yield trouble(
            f"claim {number}: steps behind the newest seal were trained for it, and neither journal nor seal knows it",
            "they could not be trained again after a kill",
            "look for the journal's older segments in vault/backups",
        )


def status(books: Books) -> Iterator[Finding]:
    """What the trainer said last is what its files tell."""
    said = books.trainer.said
    if said is None or said.step is None or said.problems:
        return
    rows = books.rows.last_step
    if books.trainer.ended_cleanly and said.step != rows:
        yield trouble(
            f"status: the trainer ended at step {said.step:,}, the rows of metrics end at {rows:,}",
            "status and curves tell of different battles",
            "start the trainer: it goes on from the newest seal and the journal",
        )
    elif rows < said.step - 1:  # a step is shown a moment before its row is written
        yield trouble(f"status: the trainer stood at step {said.step:,}, the rows of metrics end at {rows:,}", "", "")
    if books.trainer.ended_cleanly and books.sealed and said.totals and said.step == books.sealed.step:
        for field in ("tokens", "examples", "quests"):
            told, sealed = getattr(said.totals, field), getattr(books.sealed.totals, field)
            if told != sealed:
                yield trouble(f"status: totals.{field} is {told:,}, in the newest seal {sealed:,}", "", "")
