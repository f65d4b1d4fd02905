"""Status documents: what each daemon is doing now, as one small JSON file that only it writes.

Every document begins with the same header (the fields of `Status`, flat beside the document's own), and three facts
are never merged: alive is a held lock, progressing is a moving `seq`, and `state` is only a word. Numbers are
measured; null means unknown, and where the cause is trouble, `problems` names it.
"""

import fcntl
import os
import threading
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

import msgspec
import orjson
from msgspec import Meta, Struct

from realm.core.json_safe import finite as finite
from realm.core.json_safe import json_safe

STATES = {
    "starting": "waits out a back-off, recovers or loads",
    "idle": "nothing to do",
    "working": "does its work; the trainer: fights a quest",
    "paused": "a person's .pause or a daemon's hold exists",
    "stopped": "a person's .stop is obeyed: the accelerator is released",
    "waiting": "something is short (disk, accelerator, host); problems says what",
    "stopping": "brings its work to a durable end, then exits",
    "ended": "exited as it was told",
}

# How long the work loop may take between two ticks before it counts as hung, seconds.
PHASE_LIMITS = {"step": 120.0, "load": 1800.0, "compile": 1800.0, "seal": 1800.0, "waiting": 120.0}

BATTLE_STATES = {
    "idle": "no quest",
    "preparing": "the quest is being tokenised, or the model loads",
    "fighting": "steps are being trained",
    "paused": "rallied",
    "victory": "the quest was completed",
    "retreat": "the quest was skipped",
    "defeated": "the quest failed",
}

# Refused when written, taken as they are when read: an older reader must not fail on a newer word.
State = Annotated[str, Meta(extra_json_schema={"enum": list(STATES)})]
Phase = Annotated[str, Meta(extra_json_schema={"enum": list(PHASE_LIMITS)})]
BattleState = Annotated[str, Meta(extra_json_schema={"enum": list(BATTLE_STATES)})]

Time = Annotated[datetime, Meta(tz=True)]  # in the file: RFC 3339, UTC, Z
Count = Annotated[int, Meta(ge=0)]
Amount = Annotated[float, Meta(ge=0.0)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]


class StatusError(ValueError):
    """A status file that exists and cannot be read; the text says which, why, and how to mend it."""


class Writer(Struct, frozen=True, kw_only=True):
    """The process that wrote a document."""

    daemon: str
    pid: int
    boot_id: str
    started_at: Time
    version: str
    config_hash: str


class Status(Struct, frozen=True, kw_only=True):
    """The header of every document; reading any document as `Status` gives its header alone.

    `failed_writes` is counted by `write_status` itself: documents that could not be written since the process began.
    """

    writer: Writer
    heartbeat_at: Time  # when this document was written
    interval_s: Annotated[float, Meta(gt=0.0)]  # it is written again within so many seconds
    seq: Count  # ticks of the work loop: moves only when the loop does
    ticked_at: Time  # the last of them
    phase: Phase
    phase_limit_s: Annotated[float, Meta(gt=0.0)]  # a tick older than this: hung
    state: State
    problems: list[str] = []
    failed_writes: Count = 0


class Admitted(Struct, frozen=True, kw_only=True):
    quest: str
    at: Time
    bytes: Count


class Refused(Struct, frozen=True, kw_only=True):
    name: str  # as it lay in the inbox
    at: Time
    reason: str


class QueueWatcherStatus(Status, frozen=True, kw_only=True, tag_field="schema", tag="queue_watcher_status@1"):
    """What lies where, and what was last let in or turned away."""

    FILE: ClassVar[str] = "queue-watcher.json"

    queues: dict[str, Count] = {}  # folder below queue/ -> quests in it
    inbox_files: Count | None = None  # seen in the last scan
    inbox_being_written: Count | None = None  # of these, not finished yet
    last_admitted: Admitted | None = None
    last_refused: Refused | None = None
    disk_free_bytes: Count | None = None


class StepSeconds(Struct, frozen=True, kw_only=True):
    """Where the last step's time went, seconds."""

    data: Amount | None = None  # waiting for the next batch
    forward_backward: Amount | None = None  # one number: the loss is taken, and differentiated, in pieces
    optimizer: Amount | None = None


class LastSeal(Struct, frozen=True, kw_only=True):
    name: str
    step: Count
    at: Time
    bytes: Count
    seconds: Amount


class SealBudget(Struct, frozen=True, kw_only=True):
    """Bytes: what seals wrote in the last 24 hours, and what they may write in a day."""

    written: Count
    allowed: Count


class Totals(Struct, frozen=True, kw_only=True):
    """Of the campaign's whole life."""

    steps: Count = 0
    tokens: Count = 0
    examples: Count = 0
    quests: Count = 0


class TrainingStatus(Status, frozen=True, kw_only=True, tag_field="schema", tag="training_status@1"):
    """The battle in technical terms."""

    FILE: ClassVar[str] = "training_status.json"

    step: Count | None = None  # optimizer steps of the campaign
    quest: str | None = None
    quest_step: Count | None = None  # steps of this claim so far
    quest_progress: Share | None = None  # of its bytes
    quests_waiting: Count | None = None
    loss: float | None = None  # mean over the last step's trained tokens, nats
    loss_ema: float | None = None
    validation_loss: float | None = None
    validation_step: Count | None = None  # the step at which it was measured
    learning_rate: Amount | None = None  # the optimizer's own, not the configured one
    gradient_norm: Amount | None = None  # before clipping
    mask_ratio: Share | None = None  # trained tokens / real tokens
    tokens_per_second: Amount | None = None  # real tokens, no padding
    mfu: Amount | None = None  # model FLOPs utilisation, 1 = the device's peak
    eta_seconds: Amount | None = None  # to the end of the quest, at the measured speed
    step_seconds: StepSeconds | None = None
    memory_bytes: Count | None = None  # resident, of this process
    accelerator_memory_bytes: Count | None = None
    unsealed_minutes: Amount | None = None  # training that only the journal and the queue hold
    last_seal: LastSeal | None = None
    seals_of_a_day: SealBudget | None = None
    totals: Totals | None = None
    pause_reasons: list[str] = []


class BattleStatus(Status, frozen=True, kw_only=True, tag_field="schema", tag="battle_status@1"):
    """The same battle in the game's words."""

    FILE: ClassVar[str] = "battle_status.json"

    battle_state: BattleState = "idle"
    quest: str | None = None
    round: Count | None = None  # steps of this claim so far
    total_rounds: Count | None = None  # estimated from bytes done
    damage_dealt: Amount | None = None  # 1 / training loss
    damage_taken: float | None = None  # training loss
    validation_damage: float | None = None  # validation loss
    rounds_per_second: Amount | None = None
    seconds_remaining: Amount | None = None
    hero_checkpoint: str | None = None  # the newest one's name
    hero_memory_bytes: Count | None = None  # on the accelerator
    battle_started_at: Time | None = None


class SkillStanding(Struct, frozen=True, kw_only=True):
    """Where the hero stands in a skill."""

    mastered_level: Count
    training_level: Count
    max_level: Count
    window: list[Share] = []  # accuracies of the last exams at the training level, at most three
    regressed: list[Count] = []  # mastered levels whose latest exam fell below the threshold


class SchedulerStatus(Status, frozen=True, kw_only=True, tag_field="schema", tag="scheduler_status@1"):
    """What is taught and examined."""

    FILE: ClassVar[str] = "scheduler.json"

    tasks: dict[str, Count] = {}  # folder below tasks/ -> tasks in it
    running: str | None = None  # the task that is being carried out
    exams: Count = 0  # graded, ever
    last_exam: str | None = None  # its folder below exams/
    last_exam_place: str | None = None  # the device that answered, and why that one
    batches: Count = 0  # dispatched, ever
    skills: dict[str, SkillStanding] = {}


class HealthFinding(Struct, frozen=True):
    """What an inspection of the home found; `trouble` needs a person."""

    severity: str  # fine, note, trouble
    group: str
    what: str
    why: str = ""
    mend: str = ""


class WatchtowerStatus(Status, frozen=True, kw_only=True, tag_field="schema", tag="watchtower_status@1"):
    """How the realm is, and how far its curves reach."""

    FILE: ClassVar[str] = "watchtower.json"

    findings: list[HealthFinding] = []
    checked_at: Time | None = None  # when the findings were made
    pyramid_steps: Count | None = None  # the last step that the curves show
    pyramid_rows: Count | None = None  # steps that have a row
    pyramid_progress: Share | None = None  # of the raw rows' bytes that were taken in; below 1 while it is built


class TavernStatus(Status, frozen=True, kw_only=True, tag_field="schema", tag="tavern_status@1"):
    """Where the pages are served."""

    FILE: ClassVar[str] = "tavern.json"

    url: str | None = None  # null while the port is not had


class HeldModel(Struct, frozen=True, kw_only=True):
    """A model in the oracle's memory."""

    name: str  # its checkpoint's, or base
    bytes: Count  # of its weights
    cache_bytes: Count  # that are kept for keys and values
    device: str
    answering: Count  # requests, now
    loaded_at: Time


class ModelLoad(Struct, frozen=True, kw_only=True):
    """A model on its way there."""

    name: str
    bytes_read: Count  # of its weights
    bytes: Count
    began_at: Time


class OracleStatus(Status, frozen=True, kw_only=True, tag_field="schema", tag="oracle_status@1"):
    """Which models answer."""

    FILE: ClassVar[str] = "oracle.json"

    url: str | None = None  # null while the port is not had
    backend: str = "embedded"  # who answers: this process, or with openai another server
    upstream: str | None = None  # that server
    upstream_answers: bool | None = None  # at the last look
    budget_bytes: Count | None = None  # of weights that may be in memory together
    models: list[HeldModel] = []
    loading: ModelLoad | None = None


class Freshness(Struct, frozen=True):
    """What a reader may say about a document's writer."""

    alive: bool  # the instance lock is held
    progressing: bool  # alive, the heartbeat is recent, and the work loop ticks within its phase's limit
    age_s: float  # since the heartbeat; negative if the clock was set back


Document = TypeVar("Document", bound=Status)
Owned = (
    QueueWatcherStatus
    | TrainingStatus
    | BattleStatus
    | SchedulerStatus
    | WatchtowerStatus
    | TavernStatus
    | OracleStatus
)

_writing = threading.Lock()
_failed_writes: Counter[Path] = Counter()


def write_status(folder: Path, document: Owned) -> str | None:
    """Puts `document` in place of the last one, whole, without fsync. Returns None, or why it could not be written.

    Raises nothing for a full disk or a bad field: a status must never stop the work it describes. The failure is
    counted, and the next document that can be written says how many were not. A number that is NaN or infinite is
    written as null with its reason among `problems`.
    """
    path = folder / document.FILE
    with _writing:  # the heartbeat and the work loop of one process share a temporary name
        try:
            replace_whole(path, _encode(document, _failed_writes[path]))
        except (OSError, TypeError, ValueError) as error:
            _failed_writes[path] += 1
            return f"{path}: {error}"
    return None


def read_status(path: Path, schema: type[Document]) -> Document | None:
    """The document at `path`, or None if there is none. Unknown fields are ignored, missing ones take their defaults.

    Raises StatusError if the file is not such a document, OSError if it cannot be read at all.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return msgspec.json.decode(content, type=schema)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StatusError(
            f"{path} is not a {schema.__struct_config__.tag or 'status document'} ({error}): "
            "its daemon replaces it when it next runs, in this version"
        ) from error


def freshness(document: Status, now: datetime, lock_held: bool) -> Freshness:
    """Judges a document's age, never its words. `lock_held` comes from `is_locked` on the writer's instance lock."""
    age = now - document.heartbeat_at
    recent = abs(age) <= timedelta(seconds=3 * document.interval_s)
    ticking = document.heartbeat_at - document.ticked_at <= timedelta(seconds=document.phase_limit_s)
    return Freshness(lock_held, lock_held and recent and ticking, age.total_seconds())


def is_locked(lock_file: Path) -> bool:
    """Whether a daemon holds its instance lock. Probes with a shared lock, held for microseconds; writes nothing."""
    try:
        descriptor = os.open(lock_file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def json_schema(schema: type[Status]) -> dict[str, Any]:
    """The JSON Schema of a document, for the docs and for readers in other languages."""
    return msgspec.json.schema(schema)


def replace_whole(path: Path, content: bytes) -> None:
    """Readers see the old content or the new, never a part; a power cut may lose both. For files with one writer.

    Where `path` is a link (to a tmpfs), what it points to is replaced. Raises OSError.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.tmp")  # always the same, so that kills leave no litter
    temporary.unlink(missing_ok=True)  # what a killed process left may be another user's
    try:
        temporary.write_bytes(content)
        temporary.replace(target)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _encode(document: Owned, failed_writes: int) -> bytes:
    """Raises ValueError or TypeError, naming the field, if the document breaks its own schema."""
    fields, lost = json_safe(msgspec.to_builtins(document))
    fields["problems"] += lost
    fields["failed_writes"] = failed_writes
    checked = msgspec.convert(fields, type(document))
    _refuse_unknown("state", checked.state, STATES)
    _refuse_unknown("phase", checked.phase, PHASE_LIMITS)
    if isinstance(checked, BattleStatus):
        _refuse_unknown("battle_state", checked.battle_state, BATTLE_STATES)
    return orjson.dumps(fields, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _refuse_unknown(field: str, word: str, known: dict[str, Any]) -> None:
    if word not in known:
        raise ValueError(f"{field} {word!r} is none of {', '.join(known)}")
