"""The queue, what ended in it, and what is half made."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from realm.core.history import ENDERS, DamagedHistory, read_history
from realm.core.quests import ERROR_FILE, STATES, QuestQueue
from realm.core.status import is_locked
from realm.sentinels.finding import Finding, fine, note, of_sentence
from realm.sentinels.patient import Patient

SHOWN = 5


class _Verdict(msgspec.Struct):
    reason: str = "it gives no reason"


def strangers(patient: Patient) -> Iterator[Finding]:
    queue = QuestQueue(patient.home)
    found = queue.strangers()
    for path in found[:SHOWN]:
        yield note(
            f"{path} is no quest",
            "nothing looks at it: a quest is a folder with the name that its admission gave it, once in the queue",
            f"to train it: move its quest.jsonl into {patient.home.inbox}; else remove it",
        )
    if more := found[SHOWN:]:
        yield note(f"and {len(more)} more that are no quests", "", f"find {patient.home.queue} -maxdepth 2")
    if not found:
        counts = ", ".join(f"{len(queue.names(state))} {state.removeprefix('recently_')}" for state in STATES)
        yield fine(f"nothing but quests: {counts}")


def failed(patient: Patient) -> Iterator[Finding]:
    queue = QuestQueue(patient.home)
    names = queue.names("failed")
    if names:
        newest = names[-1]
        yield note(
            f"in queue/failed: {len(names)}; the newest: {_reason(patient.home.failed / newest)}",
            "",
            f"realm quest show {newest.partition('Z-')[2]} tells the lines; realm quest rm removes one",
        )


def half_made(patient: Patient) -> Iterator[Finding]:
    leftovers = list(patient.home.staging.iterdir())
    if leftovers and not is_locked(patient.home.locks / "queue-watcher.lock"):
        yield note(
            f"half-made, in {patient.home.staging}: {len(leftovers)}",
            "the queue-watcher was killed while it let them in; their drops are still in the inbox",
            "realm run queue-watcher removes them when it starts",
        )


def history(patient: Patient) -> Iterator[Finding]:
    for daemon in ENDERS:
        file = patient.home.history / f"{daemon}.jsonl"
        if not file.exists():
            continue
        try:
            count = sum(1 for _ in read_history(file))
        except DamagedHistory as error:
            yield of_sentence("trouble", str(error))
        else:
            yield fine(f"history of the {daemon}: {count:,} ended quests, every line can be read")


def _reason(folder: Path) -> str:
    try:
        return msgspec.json.decode((folder / ERROR_FILE).read_bytes(), type=_Verdict).reason
    except (OSError, msgspec.DecodeError) as error:
        return f"{ERROR_FILE} cannot be read: {error}"
