"""The climb: each exam that counts has its papers, each batch became one quest, no item was taught twice."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import msgspec

from realm.sentinels.audit.annals import BATCH, Items, Line, json_of, report_of
from realm.sentinels.audit.books import Books
from realm.sentinels.audit.gone import gone
from realm.sentinels.finding import Finding, fine, note, trouble

LOOK = "levels are counted from history/scheduler.jsonl: compare it with a backup"


def exams(books: Books) -> Iterator[Finding]:
    """What the annals count lies in exams/, once; what lies there is counted."""
    climb = books.climb
    for exam, times in Counter(line.exam for line in climb.exams).items():
        if times > 1:
            yield trouble(f"exam {exam}: the annals count it {times} times", "it counts more than it is worth", LOOK)
    for line in climb.exams:
        if line.exam not in climb.papers:
            yield trouble(f"exam {line.exam}: the annals count it, exams/ has no folder of it", "no evidence", LOOK)
        elif books.deep and (what := _difference(books, line)):
            yield trouble(f"exam {line.exam}: {what}", "a level may rest on it", LOOK)
    taught = books.scheduler.said.skills if books.scheduler.said else {}
    for exam in sorted(climb.papers - {line.exam for line in climb.exams}):
        what = f"exam {exam}: lies in exams/ and is not in the annals"
        if books.scheduler.is_alive and exam.partition("/")[0] in taught:
            yield trouble(what, "the scheduler runs, and writes down what was sat", "restart it, and report it")
        else:
            yield note(what, "", "the scheduler writes it down when it runs, if its skill is there")
    if climb.exams:
        how = "their papers were counted" if books.deep else "each has a folder"
        yield fine(f"{len(climb.exams):,} exams graded, {how}")


def _difference(books: Books, line: Line) -> str | None:
    try:
        report = report_of(books.home, line.exam)
        papers = (books.home.exams / line.exam / "papers.jsonl").read_bytes().count(b"\n")
    except (OSError, msgspec.MsgspecError) as error:
        return f"its report or papers cannot be read: {error}"
    if (report.checkpoint, max(report.levels), report.count, report.correct) != (
        line.checkpoint,
        line.level,
        line.count,
        line.correct,
    ):
        return "report.json has another result than the annals"
    return f"{papers} papers of {line.count}" if papers != line.count else None


def batches(books: Books) -> Iterator[Finding]:
    """Numbered from 0, and each became one quest, or will."""
    numbers = [line.number for line in books.climb.batches]
    for expected, number in enumerate(numbers):
        if number != expected:
            yield trouble(f"batch {number}: follows {expected} others", "batches are numbered without gaps", LOOK)
            break
    found = _found(books)
    for number, places in sorted(found.items()):
        if len(places) > 1:
            yield trouble(f"batch {number}: is {len(places)} quests: {', '.join(sorted(places))}", "", "report it")
    missing = [number for number in numbers if number not in found]
    if numbers and missing[-1:] == numbers[-1:]:
        yield note(f"batch {missing.pop()}: has no drop yet", "", "the scheduler makes it when it teaches again")
    yield from gone(books, [f"curriculum-{number:06d}" for number in missing], "was dispatched, and is nowhere")
    if numbers:
        yield fine(f"{len(numbers):,} batches dispatched, {len(found):,} of them found")


def _found(books: Books) -> dict[int, set[str]]:
    """Batch -> its quests, by name, and its drop."""
    ended = {line.quest for lines in books.history.values() for line in lines}
    quests = {*books.folders, *ended, *(claim.quest for claim in books.unfiled.values())}
    drops = {path.name.partition(".jsonl")[0] for path in books.drops if _is_named_as_batch(path)}
    found: dict[int, set[str]] = defaultdict(set)
    for name in (*quests, *drops):
        if match := BATCH.search(name):
            found[int(match[1])].add(name)
    dispatched = {line.number for line in books.climb.batches}
    return {number: names for number, names in found.items() if number in dispatched}


def _is_named_as_batch(path: Path) -> bool:
    return bool(BATCH.match(path.name)) and not path.name.endswith(".meta.json")


def items(books: Books) -> Iterator[Finding]:
    """No item of a level was dispatched twice."""
    taught: dict[tuple[str, int], list[tuple[Items, int]]] = defaultdict(list)
    for line in books.climb.batches:
        for part in line.parts:
            taught[line.skill, part.level].append((part, line.number))
    for (skill, level), parts in taught.items():
        parts.sort(key=lambda pair: pair[0].first_index)
        for (before, first), (after, second) in pairwise(parts):
            if after.first_index < before.first_index + before.count:
                what = f"batch {second}: holds items of {skill} level {level} that batch {first} holds too"
                yield trouble(what, "they were taught twice", LOOK)


def tasks(books: Books) -> Iterator[Finding]:
    """Each lies in one state; one runs at most; what is done was graded."""
    found, root = books.climb.tasks, books.home.tasks
    for task, states in found.items():
        if len(states) > 1:
            yield trouble(f"task {task}: lies in {' and '.join(sorted(states))}", "", f"look into {root}")
    running = sorted(task for task, states in found.items() if "running" in states)
    if len(running) > 1:
        yield trouble(f"tasks: {len(running)} run at once", "exams share a machine with the trainer", "report it")
    elif running and not books.scheduler.is_alive:
        yield note(f"task {running[0]}: its scheduler is gone", "", "it is sat again when the scheduler runs")
    counted = {line.exam for line in books.climb.exams}
    for task in sorted(task for task, states in found.items() if states == ["done"]):
        exam = json_of(root / "done" / task / "result.json").get("data", {}).get("exam")
        if exam and exam not in counted and exam not in books.climb.papers:
            yield trouble(f"task {task}: done, and its exam {exam} lies nowhere", "", LOOK)
    if found:
        yield fine(f"{len(found):,} tasks")
