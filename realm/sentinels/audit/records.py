"""The append-only files: every line whole, no event twice; and what they are worth in gold."""

from collections.abc import Iterator

from realm.core.game import GOLD_PER_QUEST
from realm.sentinels.audit.books import Books
from realm.sentinels.finding import Finding, fine, note, trouble


def lines(books: Books) -> Iterator[Finding]:
    for where in books.lines.damaged:
        yield trouble(where, "the disk is bad, or the file was edited", "mend or delete that line")
    for file in books.lines.torn:
        if books.is_moving:
            continue  # it is being written
        yield note(f"{file}: its last line is torn", "its writer was killed", "it is cut off at the next line")
    yield fine(f"{books.lines.count:,} lines of history, events and metrics")


def events(books: Books) -> Iterator[Finding]:
    for what in books.told.repeated:
        yield trouble(f"{what}: is told twice", "an event that was told is not told again after a kill", "report it")


def outcomes(books: Books) -> Iterator[Finding]:
    """Each daemon ends what is its own, once."""
    for line in books.history["queue-watcher"]:
        if line.outcome != "refused" or line.claim is not None:
            yield trouble(f"quest {line.quest}: {line.outcome} in the queue-watcher's history, which only refuses")
    for name, lines in books.history.items():
        seen = set()
        for line in lines:
            key = (line.campaign, line.claim, line.quest)
            if key in seen:
                yield trouble(f"quest {line.quest}: {name}.jsonl tells twice how claim {line.claim} of it ended")
            seen.add(key)
            if line.outcome == "refused" and name == "trainer":
                yield trouble(f"quest {line.quest}: refused in the trainer's history, which never refuses")


def gold(books: Books) -> Iterator[Finding]:
    completed = sum(line.outcome == "completed" for line in books.history["trainer"])
    yield fine(f"{completed * GOLD_PER_QUEST:,} gold for {completed:,} completed quests")
    said, sealed = books.trainer.said, books.sealed
    has_all_ended = all(claim.outcome != "open" for claim in books.carried.values())
    if books.trainer.ended_cleanly and said and said.totals and sealed and has_all_ended and not books.unfiled:
        mine = sum(claim.outcome == "completed" for claim in books.ended)
        if said.totals.quests != mine:
            yield trouble(f"status: {said.totals.quests:,} quests completed, history has {mine:,} of this campaign")
