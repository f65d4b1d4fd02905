"""What must be true of any home: at any moment nothing that can be seen is torn; after a start nothing is left over."""

import hashlib
import os
from pathlib import Path

import orjson

from realm.arena.battle.checkpoint import sweep as sweep_checkpoints
from realm.arena.battle.seal import sweep as sweep_seals
from realm.arena.intake.admission import Admission
from realm.core.config import Gatekeepers, load_config
from realm.core.history import read_history
from realm.core.locked import read_locked
from realm.core.paths import Home
from realm.core.quests import ENDED, QUEST_FILE, RECLAIMED_FILE, STATES, QuestQueue, read_meta
from tests.protocol.subject import Complaint, Complaints

OWN_NAMES = (".staging", ".attempt", ".pause", ".stop", ".skip", ".seal", ".ledger.json")


def an_hour_passes(home: Home) -> None:
    """So that no writer of a temporary file can be alive."""
    for path in home.root.rglob(".*.tmp"):
        os.utime(path, (0, 0))


def start_of_daemons(home: Home) -> None:
    """What each does first, before it looks at anything."""
    an_hour_passes(home)
    if home.missing():
        home.create()  # they tell that it lacks something: `realm init`
    home.sweep()
    Admission(home, Gatekeepers, lambda: None).recover()
    sweep_seals(home.seals)
    sweep_checkpoints(home.current_model)


def torn(home: Home) -> Complaints:
    """Judged as a reader does who knows nothing of what just happened."""
    for state in STATES:
        for name in QuestQueue(home).names(state):
            yield from _torn_quest(home.queue / state / name)
    documents = [*home.status.glob("[!.]*.json"), *home.orders.glob("*/done/[!.]*.json")]
    for file in documents:
        with _told(file) as complaints:
            orjson.loads(file.read_bytes())
        yield from complaints
    for history in home.history.glob("*.jsonl"):
        with _told(history) as complaints:
            list(read_history(history))
        yield from complaints
    with _told(home.config_file) as complaints:
        load_config(home.config_file)
        read_locked(home.current_model)
        home.check_format()
    yield from complaints


def _torn_quest(folder: Path) -> Complaints:
    if folder.parent.name in ENDED and not [*folder.glob("result.json"), *folder.glob("*error.json")]:
        yield Complaint("torn", f"{folder.name} has ended, and nothing says how")
    with _told(folder) as complaints:
        if not folder.name.endswith(hashlib.sha256((folder / QUEST_FILE).read_bytes()).hexdigest()[:8]):
            raise ValueError(f"{QUEST_FILE} has not the bytes that its name tells")
        read_meta(folder)
        for verdict in folder.glob("[!.]*.json"):
            orjson.loads(verdict.read_bytes())
    yield from complaints


class _told:  # noqa: N801 - read as a word: with _told(file)
    """Turns what a reader raises into a complaint."""

    def __init__(self, file: Path):
        self._file = file
        self._complaints: list[Complaint] = []

    def __enter__(self) -> list[Complaint]:
        return self._complaints

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, Exception):
            self._complaints.append(Complaint("torn", f"{self._file}: {error}"))
        return isinstance(error, Exception)


def left_over(home: Home) -> Complaints:
    """Names that were nobody's business but their writer's, who is dead."""
    for path in sorted(home.root.rglob("*")):
        is_private = path.name.startswith(".") or path.name.endswith((".tmp", ".part", "~"))
        is_open = path.name == RECLAIMED_FILE and path.parent.parent.name not in ENDED
        is_known = path.name in OWN_NAMES or path.name.startswith(".previous-") or is_open
        if (is_private and not is_known) or home.staging in path.parents:
            yield Complaint("leftover", str(path.relative_to(home.root)))
