"""The realm's figures in the text format of Prometheus, version 0.0.4: read from files when asked, and nothing written.

What is not known has no line. The trainer's present figures have none while it is down: they would look like now's.
"""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal, NamedTuple, TypeVar

from realm.core.paths import DAEMONS, Home
from realm.core.quests import STATES, QuestQueue
from realm.core.status import (
    SchedulerStatus,
    Status,
    StatusError,
    TrainingStatus,
    WatchtowerStatus,
    freshness,
    is_locked,
    read_status,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Document = TypeVar("Document", bound=Status)
FILES = {"trainer": TrainingStatus.FILE}  # of the others: <daemon>.json


class Family(NamedTuple):
    """One metric: its name without `realm_`, and its values by labels."""

    name: str
    kind: Literal["counter", "gauge"]
    meaning: str
    values: dict[tuple[tuple[str, str], ...], float | None]


def exposition(home: Home, now: datetime | None = None) -> str:
    """Raises OSError if the home cannot be looked into."""
    families = (*_daemons(home, now or datetime.now(UTC)), *_training(home), *_game(home), *_house(home))
    return "".join(line for family in families for line in _lines(family))


def _lines(family: Family) -> Iterator[str]:
    known = {labels: value for labels, value in family.values.items() if value is not None}
    if known:
        yield f"# HELP realm_{family.name} {family.meaning}\n"
        yield f"# TYPE realm_{family.name} {family.kind}\n"
    for labels, value in known.items():
        shown = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels)
        yield f"realm_{family.name}{f'{{{shown}}}' if shown else ''} {value!r}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _gauge(name: str, meaning: str, value: float | None) -> Family:
    return Family(name, "gauge", meaning, {(): value})


def _counter(name: str, meaning: str, value: float | None) -> Family:
    return Family(name, "counter", meaning, {(): value})


def _by(label: str, values: dict[str, float | None]) -> dict[tuple[tuple[str, str], ...], float | None]:
    return {((label, text),): value for text, value in values.items()}


def _daemons(home: Home, now: datetime) -> Iterator[Family]:
    """Of those that ever ran here."""
    known = [name for name in DAEMONS if (home.locks / f"{name}.lock").exists()]
    alive = {name: is_locked(home.locks / f"{name}.lock") for name in known}
    said = {name: document for name in known if (document := _said(home, FILES.get(name, f"{name}.json"), Status))}
    fresh = {name: freshness(document, now, alive[name]) for name, document in said.items()}
    yield Family("daemon_alive", "gauge", "1 while its instance lock is held", _by("daemon", _as_floats(alive)))
    progressing = {name: one.progressing for name, one in fresh.items()}
    yield Family(
        "daemon_progressing", "gauge", "1 while its work loop moves, too", _by("daemon", _as_floats(progressing))
    )
    ages: dict[str, float | None] = {name: one.age_s for name, one in fresh.items()}
    yield Family("daemon_heartbeat_age_seconds", "gauge", "since its last word", _by("daemon", ages))


def _training(home: Home) -> Iterator[Family]:
    said = _said(home, TrainingStatus.FILE, TrainingStatus)
    if said is None:
        return
    totals = said.totals
    yield _counter("step_total", "optimizer steps of the campaign", said.step)
    yield _counter("tokens_total", "real tokens trained", totals.tokens if totals else None)
    yield _counter("examples_total", "examples trained", totals.examples if totals else None)
    if not is_locked(home.locks / "trainer.lock"):
        return
    unsealed = None if said.unsealed_minutes is None else 60 * said.unsealed_minutes
    yield _gauge("loss", "of the last step, nats", said.loss)
    yield _gauge("loss_ema", "smoothed loss, nats", said.loss_ema)
    yield _gauge("validation_loss", "of the last validation, nats", said.validation_loss)
    yield _gauge("learning_rate", "the optimizer's own", said.learning_rate)
    yield _gauge("gradient_norm", "before clipping", said.gradient_norm)
    yield _gauge("tokens_per_second", "real tokens", said.tokens_per_second)
    yield _gauge("mfu_ratio", "share of the device's peak FLOPs", said.mfu)
    yield _gauge("memory_bytes", "resident, of the trainer", said.memory_bytes)
    yield _gauge("accelerator_memory_bytes", "of the trainer", said.accelerator_memory_bytes)
    yield _gauge("unsealed_seconds", "training that only the journal and the queue hold", unsealed)


def _game(home: Home) -> Iterator[Family]:
    queue = QuestQueue(home)
    counts: dict[str, float | None] = {state: len(queue.names(state)) for state in STATES}
    waiting = {state: counts[state] for state in ("high", "normal", "low")}
    ended = {state: counts[state] for state in ("processing", "recently_completed", "failed")}
    yield Family("queue_quests", "gauge", "quests that wait", _by("priority", waiting))
    yield Family("quests", "gauge", "quests that lie in the other folders of queue/", _by("state", ended))
    if said := _said(home, SchedulerStatus.FILE, SchedulerStatus):
        levels: dict[str, float | None] = {skill: one.mastered_level for skill, one in said.skills.items()}
        yield Family("skill_mastered_level", "gauge", "highest level that is mastered", _by("skill", levels))
        yield _counter("exams_total", "exams graded, ever", said.exams)


def _house(home: Home) -> Iterator[Family]:
    yield _gauge("home_free_bytes", "on the disk of the home", shutil.disk_usage(home.root).free)
    if said := _said(home, WatchtowerStatus.FILE, WatchtowerStatus):
        severities = [one.severity for one in said.findings]
        counts: dict[str, float | None] = {one: severities.count(one) for one in ("trouble", "note")}
        yield Family("health_findings", "gauge", "trouble needs a person", _by("severity", counts))
        yield _gauge("pyramid_step", "up to which the curves are drawn", said.pyramid_steps)


def _as_floats(truths: dict[str, bool]) -> dict[str, float | None]:
    return {name: float(truth) for name, truth in truths.items()}


def _said(home: Home, file: str, schema: type[Document]) -> Document | None:
    """None, too, for a document that cannot be read: the inspector tells of it."""
    try:
        return read_status(home.status / file, schema)
    except StatusError:
        return None
