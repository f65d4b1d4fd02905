"""What is written down: status, history, events, metrics, settings."""

from datetime import UTC, datetime
from pathlib import Path

import orjson

from realm.arena.unlocking import NotLocked, unlock
from realm.armory.settings import Settings
from realm.core.config import Config, load_config
from realm.core.events import EventLog, events_after
from realm.core.history import EndedQuest, History, read_history
from realm.core.jsonl import whole_lines
from realm.core.locked import Locked, read_locked, write_locked
from realm.core.metrics import MetricsWriter, read_metrics
from realm.core.paths import Home
from realm.core.status import QueueWatcherStatus, Writer, read_status, write_status
from tests.protocol.subject import Complaint, Complaints, Subject, name_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HISTORY = [EndedQuest(claim=claim, quest=name_of("quest"), outcome="completed", ended_at=NOW) for claim in (1, 2, 3)]
LOCKED = Locked(model_name="squire", base_model=None, max_length=512)


def once_each(found: list[object], wanted: list[object], what: str) -> Complaints:
    for one in wanted:
        if one not in found:
            yield Complaint("lost", f"{what} {one}")
        elif found.count(one) > 1:
            yield Complaint("twice", f"{what} {one}")


def write_history(home: Home, *ended: EndedQuest) -> None:
    history = History(home.history, "trainer")
    for one in ended:
        history.append(one)


def check_history(home: Home) -> Complaints:
    found = [line.claim for line in read_history(home.history / "trainer.jsonl")]
    yield from once_each([*found], [1, 2, 3], "the history line of claim")


def emit(home: Home, *claims: int, rotate_bytes: int = 10**6) -> None:
    """Raises OSError for what could not be written: who cares for an event asks `failed_writes`."""
    log = EventLog(home.events, "trainer", rotate_bytes=rotate_bytes)
    for claim in claims:
        log.emit("quest.completed", "a quest is completed", claim=claim)
    if log.failed_writes:
        raise OSError(f"{log.failed_writes} events are not written")


def check_events(home: Home) -> Complaints:
    found = [event.claim for event in events_after(home.events / "trainer.jsonl")[0]]
    yield from once_each([*found], [1, 2, 3], "the event of claim")


def write_rows(home: Home, *steps: int, rotate_bytes: int = 10**6) -> None:
    """Raises OSError for what could not be written: who cares for rows asks `lost_rows`."""
    metrics = MetricsWriter(home.metrics, "trainer", rotate_bytes=rotate_bytes)
    for step in steps:
        metrics.write({"step": step, "loss": 1.0})
        metrics.flush()
    if metrics.lost_rows:
        raise OSError(f"{metrics.lost_rows} rows are not written")


def rewind(home: Home) -> None:
    metrics = MetricsWriter(home.metrics, "trainer")
    metrics.rewind(1)
    metrics.write({"step": 2, "loss": 0.5})
    metrics.flush()
    if metrics.lost_rows:
        raise OSError("the rewind is not written")


def check_rows(home: Home, *wanted: tuple[int, float]) -> Complaints:
    found = [(row["step"], row["loss"]) for row in read_metrics(home.metrics)]
    if found != list(wanted):
        yield Complaint("lost", f"the rows are {found}")
    for line in whole_lines(home.metrics / "trainer.jsonl"):
        try:
            orjson.loads(line)
        except orjson.JSONDecodeError:
            yield Complaint("torn", f"metrics has the line {line!r}")


def tell(home: Home, seq: int) -> None:
    """Raises OSError for what could not be written: the next document is the mend."""
    writer = Writer(daemon="queue-watcher", pid=1, boot_id="b", started_at=NOW, version="1", config_hash="c")
    document = QueueWatcherStatus(
        writer=writer,
        heartbeat_at=NOW,
        interval_s=5.0,
        seq=seq,
        ticked_at=NOW,
        phase="step",
        phase_limit_s=120.0,
        state="idle",
    )
    if problem := write_status(home.status, document):
        raise OSError(problem)


def check_status(home: Home) -> Complaints:
    told = read_status(home.status / QueueWatcherStatus.FILE, QueueWatcherStatus)
    if told is None or told.seq != 2:
        yield Complaint("lost", f"the status is {told}")


def set_rate(home: Home) -> None:
    settings = Settings.read(home)
    if settings.get("training.learning_rate").value != 0.0625:
        settings.write(settings.changed("training.learning_rate", 0.0625))


def check_rate(home: Home) -> Complaints:
    if (found := load_config(home.config_file).training.get("learning_rate")) != 0.0625:
        yield Complaint("lost", f"the learning rate is {found}")


def begin_campaign(home: Home) -> None:
    home.config_file.write_text('{"model_name": "squire"}\n')
    write_locked(home.current_model, LOCKED)
    (home.metrics / "trainer.jsonl").write_text('{"step":1}\n')


def unlocked(home: Home, key: str, value: object) -> None:
    try:
        unlock(Settings.read(home), key, value)
    except NotLocked:  # it has come to its end before
        Settings.read(home)


def check_unlocked_length(home: Home) -> Complaints:
    locked = read_locked(home.current_model)
    if locked is None or locked.max_length != 256:
        yield Complaint("lost", f"it is locked at {locked}")
    if load_config(home.config_file).training.get("max_length") != 256:
        yield Complaint("lost", "config.json does not have it")
    yield from check_backup(home)


def check_unlocked_model(home: Home) -> Complaints:
    config: Config = load_config(home.config_file)
    if config.model_name != "dio" or read_locked(home.current_model) is not None:
        yield Complaint("lost", "the old campaign is still here")
    if missing := home.missing():
        yield Complaint("lost", f"the home lacks {missing[0].path}")
    campaigns = list(home.vault.glob("backups/[!.]*/current_model/locked.json"))
    curves = list(home.vault.glob("backups/[!.]*/metrics/trainer.jsonl"))
    for what, found in (("campaign", campaigns), ("curves", curves)):
        if not found:
            yield Complaint("lost", f"no backup has the {what}")
    yield from check_backup(home)


def check_backup(home: Home) -> Complaints:
    backups = list(home.vault.glob("backups/[!.]*"))
    if not backups:
        yield Complaint("lost", "there is no backup")
    for backup in backups:
        if not (backup / "backup.json").exists():
            yield Complaint("torn", f"{backup.name} has no record")


def new_home(home: Home) -> Home:
    return Home(home.root / "models" / "new")


def check_new_home(home: Home) -> Complaints:
    if missing := new_home(home).missing():
        yield Complaint("lost", f"the new home lacks {missing[0].path}")
    modes = {path: path.stat().st_mode for path in Path(new_home(home).root).rglob("*") if path.is_dir()}
    if modes[new_home(home).inbox] & 0o7777 != 0o2775:
        yield Complaint("torn", "the inbox cannot be shared")


SUBJECTS = {
    "history": Subject(
        prepare=lambda home: write_history(home, HISTORY[0]),
        act=lambda home: write_history(home, *HISTORY),
        check=check_history,
    ),
    "events": Subject(
        prepare=lambda home: emit(home, 1),
        act=lambda home: emit(home, 1, 2, 3),
        check=check_events,
    ),
    "rotation of events": Subject(
        prepare=lambda home: emit(home, 1, 2),
        act=lambda home: emit(home, 1, 2, 3, rotate_bytes=300),
        check=check_events,
    ),
    "metrics": Subject(
        prepare=lambda home: write_rows(home, 1),
        act=lambda home: write_rows(home, 1, 2, 3),
        check=lambda home: check_rows(home, (1, 1.0), (2, 1.0), (3, 1.0)),
    ),
    "rotation of metrics": Subject(
        prepare=lambda home: write_rows(home, 1),
        act=lambda home: write_rows(home, 1, 2, 3, rotate_bytes=30),
        check=lambda home: check_rows(home, (1, 1.0), (2, 1.0), (3, 1.0)),
        is_truth=False,
    ),
    "rewind of metrics": Subject(
        prepare=lambda home: write_rows(home, 1, 2, 3),
        act=rewind,
        check=lambda home: check_rows(home, (1, 1.0), (2, 0.5)),
    ),
    "status": Subject(prepare=lambda home: tell(home, 1), act=lambda home: tell(home, 2), check=check_status),
    "config": Subject(
        prepare=lambda home: home.config_file.write_text('{"model_name": "squire"}\n'), act=set_rate, check=check_rate
    ),
    "lock of settings": Subject(
        prepare=lambda home: None,
        act=lambda home: write_locked(home.current_model, LOCKED),
        check=lambda home: once_each([read_locked(home.current_model)], [LOCKED], "locked.json as"),
    ),
    "unlock a length": Subject(
        prepare=begin_campaign,
        act=lambda home: unlocked(home, "training.max_length", 256),
        check=check_unlocked_length,
    ),
    "unlock a model": Subject(
        prepare=begin_campaign, act=lambda home: unlocked(home, "model_name", "dio"), check=check_unlocked_model
    ),
    "init of a home": Subject(
        prepare=lambda home: None,
        act=lambda home: (new_home(home).create(), new_home(home).sweep()),
        check=check_new_home,
    ),
}
