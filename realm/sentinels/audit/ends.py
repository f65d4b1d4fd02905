"""Ended quests: each with its verdict, a line of history that tells the same, and a folder while settings keep it."""

from collections.abc import Iterator
from datetime import UTC, datetime

from realm.core.game import GOLD_PER_QUEST
from realm.core.quests import ENDED, ERROR_FILE, PRIORITIES, RESULT_FILE, VERDICTS, State
from realm.sentinels.audit.books import Books
from realm.sentinels.audit.gone import gone
from realm.sentinels.audit.history import Ended
from realm.sentinels.audit.verdict import VERDICT_ERRORS, Verdict, read_verdict
from realm.sentinels.finding import Finding, fine, note, trouble

GIB = 2**30
VERDICT_OF: dict[State, str] = {"recently_completed": RESULT_FILE, "failed": ERROR_FILE}
OUTCOMES: dict[State, tuple[str, ...]] = {
    "recently_completed": ("completed", "skipped"),
    "failed": ("failed", "refused"),
}


def verdicts(books: Books) -> Iterator[Finding]:
    """Whoever sees an ended quest sees why, and history tells the same."""
    for name, state, folder in books.quests():
        if state in PRIORITIES and any((folder / one).exists() for one in VERDICTS):
            yield note(f"quest {name}: waits with a verdict beside it", "a hand moved it back", "")
        if state not in ENDED:
            continue
        try:
            verdict = read_verdict(folder / VERDICT_OF[state])
        except VERDICT_ERRORS as error:
            what = f"quest {name}: {VERDICT_OF[state]} cannot be read: {error}"
            yield trouble(what, "an ended quest has its verdict beside it", "realm quest retry trains it once more")
            continue
        yield from _against_history(books, name, verdict, books.last_line.get(name))


def pruned(books: Books) -> Iterator[Finding]:
    """A folder of an ended quest leaves when the settings say so; history keeps its line."""
    present = books.folders.keys() | {claim.quest for claim in books.unfiled.values()}
    alone = [line for name, line in books.last_line.items() if name not in present]
    for end, outcomes in OUTCOMES.items():
        left = [line for line in alone if line.outcome in outcomes]
        kept = [line for name, line in books.last_line.items() if end in books.folders.get(name, ())]
        oldest = _oldest_kept(books, end, left, kept)
        early = sorted(line.quest for line in left if oldest is None or line.ended_at > oldest)
        yield from gone(books, early, "has ended, and its folder is gone though the settings keep it")
    yield fine(f"{len(books.last_line):,} quests have ended, {len(alone):,} of them are in history alone")


def _oldest_kept(books: Books, end: State, left: list[Ended], kept: list[Ended]) -> datetime | None:
    """When that one was filed: the limits made earlier ones leave. None if they are not reached."""
    limits = books.retention
    size = sum(line.bytes or 0 for line in kept) + max((line.bytes or 0 for line in left), default=0)
    is_full = len(kept) >= limits.ended_quests or size > limits.ended_gb * GIB
    return min((_filed_at(books, end, line) for line in kept), default=None) if is_full else None


def _filed_at(books: Books, end: State, line: Ended) -> datetime:
    """Later than it ended, if a damaged seal had it trained and filed again."""
    verdict = books.home.queue / end / line.quest / VERDICT_OF[end]
    try:
        return max(line.ended_at, datetime.fromtimestamp(verdict.stat().st_mtime, UTC))
    except FileNotFoundError:
        return line.ended_at


def _against_history(books: Books, name: str, verdict: Verdict, line: Ended | None) -> Iterator[Finding]:
    pending = next((one for one in books.unfiled.values() if one.quest == name), None)
    if pending and pending.number == verdict.number:
        return  # its line comes with the next seal, or with the next start
    if line is None:
        what = f"quest {name}: has ended, and no line of history tells of it"
        keeper = books.watcher if verdict.is_refusal else books.trainer
        was_killed = verdict.is_refusal and not keeper.is_alive and not keeper.ended_cleanly
        mend = f"start the {keeper.name}: it writes the line"
        yield note(what, f"the {keeper.name} was killed", mend) if was_killed else trouble(what, "", "")
        return
    wanted = "refused" if verdict.is_refusal else verdict.outcome or "failed"
    mine = {"outcome": wanted, "claim": verdict.number}
    theirs = {"outcome": line.outcome, "claim": line.claim}
    if verdict.number is not None:
        mine |= {field: getattr(verdict, field) for field in ("steps", "tokens", "examples")}
        theirs |= {field: getattr(line, field) for field in ("steps", "tokens", "examples")}
        mine["gold"], theirs["gold"] = verdict.gold, GOLD_PER_QUEST * (line.outcome == "completed")
    for field, value in mine.items():
        if theirs[field] != value:
            yield trouble(
                f"quest {name}: its verdict says {field} {value}, its last line of history {theirs[field]}",
                "one of both was changed by hand, or the folder was moved",
                "compare with a backup; realm quest show tells the verdict",
            )
            return
