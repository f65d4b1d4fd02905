"""Quests: each in one place, as it was let in."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from realm.core.files import sha256_of
from realm.core.quests import ERROR_FILE, META_FILE, QUEST_FILE, QuestMeta, QuestMetaError, read_meta
from realm.sentinels.audit.books import Books
from realm.sentinels.audit.verdict import VERDICT_ERRORS, read_verdict
from realm.sentinels.finding import Finding, fine, note, trouble

SOURCE_FILE, SIDECAR_FILE = "source.json", "sidecar.json"


def places(books: Books) -> Iterator[Finding]:
    """One place for each."""
    for name, states in books.folders.items():
        if len(states) > 1:
            yield trouble(
                f"quest {name}: lies in {', '.join(states)}",
                "a quest is a folder, and its place is its state",
                "remove the copies: realm trains what is furthest on",
            )
    counts = Counter(states[0] for states in books.folders.values())
    told = ", ".join(f"{counts[state]:,} {state.removeprefix('recently_')}" for state in counts) or "none"
    yield fine(f"{len(books.folders):,} quests in the queue: {told}")


def contents(books: Books) -> Iterator[Finding]:
    """The bytes that were let in."""
    for name, _, folder in books.quests():
        try:
            meta = read_meta(folder)
        except (OSError, QuestMetaError, UnicodeDecodeError) as error:
            if not _is_known(folder, META_FILE):
                yield trouble(f"quest {name}: {error}", "what it is cannot be told", "drop its file again")
            continue
        if meta.name != name:
            yield trouble(f"quest {name}: its {META_FILE} is that of {meta.name}", "", "give it its name again")
        for problem in _differences(books, folder, meta):
            if not _is_known(folder, QUEST_FILE):
                yield trouble(f"quest {name}: {problem}", "it is not what was let in", "drop its file again")
        if name in books.told.admitted | books.told.refused:
            yield from _lacking(name, folder, meta)


def claimed(books: Books) -> Iterator[Finding]:
    """What lies in processing/ was claimed, and what is claimed lies somewhere."""
    claimed = {claim.quest for claim in books.carried.values()}
    for name, state, _ in books.quests():
        if state == "processing" and name not in claimed:
            what = f"quest {name}: lies in processing, and neither journal nor seal has a claim of it"
            mend = "start the trainer: it sends the quest back to its priority"
            was_killed = not books.trainer.is_alive and not books.trainer.ended_cleanly
            yield note(what, "the trainer was killed", mend) if was_killed else trouble(what, "", mend)
    for claim in books.unfiled.values():
        if claim.quest in books.folders or claim.number in books.lost or claim.outcome == "lost":
            continue
        yield trouble(
            f"quest {claim.quest}: claim {claim.number} of it is not sealed, and its folder is nowhere in the queue",
            "what was trained of it cannot be trained again after a kill",
            f"put it back into {books.home.processing}, or let the trainer count it as lost",
        )


def _is_known(folder: Path, file: str) -> bool:
    """The trainer saw it too, and gave the quest up for it."""
    try:
        verdict = read_verdict(folder / ERROR_FILE)
    except VERDICT_ERRORS:
        return False
    return not verdict.is_refusal and file in (verdict.reason or "")


def _differences(books: Books, folder: Path, meta: QuestMeta) -> Iterator[str]:
    file = next((file for file in (folder / QUEST_FILE, *folder.glob("original*")) if file.exists()), None)
    if file is None:
        if meta.bytes:  # a link that was refused has none
            yield f"its {QUEST_FILE} is missing"
        return
    size = file.stat().st_size
    if size != meta.bytes:
        yield f"its {file.name} has {size:,} bytes, {META_FILE} says {meta.bytes:,}"
    elif books.deep and sha256_of(file) != meta.sha256:
        yield f"its {file.name} does not have the SHA-256 of {META_FILE}"
    elif books.deep and file.name == QUEST_FILE and (lines := _lines_in(file)) != meta.lines:
        yield f"its {file.name} has {lines:,} lines, {META_FILE} says {meta.lines:,}"


def _lines_in(file: Path) -> int:
    """Those that are not blank."""
    with file.open("rb") as lines:
        return sum(not line.isspace() for line in lines)


def _lacking(name: str, folder: Path, meta: QuestMeta) -> Iterator[Finding]:
    wanted = [SOURCE_FILE]
    if meta.generator_id != "unknown" or meta.generated_at or meta.example_count is not None:
        wanted.append(SIDECAR_FILE)
    for file in wanted:
        if not (folder / file).is_file():
            mend = "training does not need it; a backup may have it"
            yield trouble(f"quest {name}: its {file} is missing", "it was let in with one", mend)
