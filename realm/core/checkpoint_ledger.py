"""The ledger: what every checkpoint was worth at the moment it was saved.

The sidecars `checkpoint-*/.ledger.json` are the truth; the index made from them is a convenience.
A sidecar holds no path, so it stays true when its folder moves.
"""

import math
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from realm.core import files, hosts
from realm.core.paths import home

SIDECAR = ".ledger.json"
INDEX_SCHEMA = "checkpoint_ledger@1"
NAME = re.compile(r"checkpoint-(0|[1-9][0-9]{0,17})(?:-([0-9]{8}-[0-9]{4}))?")
NAME_TIME = "%Y%m%d-%H%M"
TIMESTAMP = "%Y-%m-%dT%H:%M:%SZ"
METRICS: dict[str, Callable[..., Any]] = {
    "train_loss": min,
    "val_loss": min,
    "accuracy": max,
}  # the better end


class NoSuchCheckpointError(LookupError):
    """The ledger has no checkpoint of that step."""


class RemoteLedgerError(RuntimeError):
    """The other machine's ledger did not answer, or not as a ledger does."""


# Names: one parser and one order for all


@dataclass(frozen=True)
class CheckpointName:
    """What a name says. `saved_at` is UTC to the minute, None for the old form without a date."""

    step: int
    saved_at: datetime | None

    @property
    def order(self) -> tuple[int, datetime]:
        """Sorts from the oldest to the newest; of one step, an undated name comes first."""
        return self.step, self.saved_at or datetime.min.replace(tzinfo=UTC)


def canonical_name(step: int, when: datetime) -> str:
    """checkpoint-{step}-{YYYYMMDD}-{HHMM} (UTC). ValueError: a step below 0 or a time without zone."""
    if step < 0 or when.tzinfo is None:
        raise ValueError(f"step {step} at {when}: a checkpoint has a step from 0 and a time with its zone")
    return f"checkpoint-{step}-{when.astimezone(UTC):{NAME_TIME}}"


def parse_name(name: str) -> CheckpointName:
    """Raises ValueError for all but checkpoint-{step}-{YYYYMMDD}-{HHMM} and the old checkpoint-{step}."""
    match = NAME.fullmatch(name)
    try:
        if match is None:
            raise ValueError("it has another form")
        step, date = match.groups()
        saved_at = datetime.strptime(date, NAME_TIME).replace(tzinfo=UTC) if date else None
        return CheckpointName(int(step), saved_at)
    except ValueError as error:
        raise ValueError(
            f"{name!r} is no checkpoint's name ({error}): rename it to checkpoint-STEP-YYYYMMDD-HHMM, "
            "such as checkpoint-190000-20251127-1430"
        ) from None


def extract_step(name_or_path: str | Path) -> int:
    """Raises ValueError if the last part of the path is no checkpoint's name."""
    return parse_name(Path(name_or_path).name).step


# Records: one beside the weights of each checkpoint


class CheckpointRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One checkpoint. What was not measured is None; NaN and infinity are refused.

    `timestamp` is RFC 3339 in UTC, to the second. `training_files` are names without folders.
    `size_bytes` and `manifest` (SHA-256 by relative name) cover every file but the sidecar itself.
    """

    ledger_version: Literal[1]
    canonical_name: str
    step: int
    timestamp: str
    train_loss: float | None
    val_loss: float | None
    learning_rate: float | None  # the optimizer's own value
    epoch: float | None
    accuracy: float | None
    training_files: list[str]
    skill_name: str | None
    skill_level: int | None
    total_examples: int
    total_tokens: int
    size_bytes: int
    manifest: dict[str, str]
    host: str
    hero: str
    config_hash: str
    fingerprint: dict[str, str | int | bool]

    def __post_init__(self) -> None:
        for field in ("train_loss", "val_loss", "learning_rate", "epoch", "accuracy"):
            value = getattr(self, field)
            if value is not None and not math.isfinite(value):
                raise ValueError(f"{field} is {value}: record None where there is no finite number")
        if any("/" in name for name in self.training_files):
            raise ValueError(f"training_files {self.training_files}: record names, not paths of one host")
        named, saved_at = parse_name(self.canonical_name), _time_of(self.timestamp)
        if named.step != self.step or named.saved_at not in (None, saved_at.replace(second=0)):
            raise ValueError(f"{self.canonical_name} is not the name of step {self.step} of {self.timestamp}")


def record_checkpoint(folder: Path, *, step: int, saved_at: datetime, **measured: Any) -> CheckpointRecord:
    """Measures the files of a staged (dot-named) checkpoint and writes its sidecar.

    `measured` are the fields of CheckpointRecord that neither the files nor this machine can tell.
    Returns the record as readers will see it. Raises ValueError for a published or empty folder and for a wrong
    value, TypeError for a missing or unknown field.
    """
    if not folder.name.startswith("."):
        raise ValueError(f"{folder} is published already: record a checkpoint while its folder is dot-named")
    manifest = {name: digest for name, digest in files.manifest(folder).items() if name != SIDECAR}
    if not manifest:
        raise ValueError(f"{folder} holds no files: write the checkpoint before recording it")
    record = CheckpointRecord(
        ledger_version=1,
        canonical_name=canonical_name(step, saved_at),
        step=step,
        timestamp=_rfc3339(saved_at),
        size_bytes=sum((folder / name).stat().st_size for name in manifest),
        manifest=manifest,
        host=platform.node(),
        **measured,
    )
    content = _pretty(record)
    as_read = msgspec.json.decode(content, type=CheckpointRecord)
    files.write_whole(folder / SIDECAR, content)
    return as_read


def read_record(folder: Path) -> CheckpointRecord | None:
    """The record in a model folder, wherever it lies; None if there is none. ValueError if broken."""
    sidecar = folder / SIDECAR
    try:
        return msgspec.json.decode(sidecar.read_bytes(), type=CheckpointRecord)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{sidecar}: {error}; restore it from another copy of this checkpoint") from error


# The ledger of this machine


Identity = tuple[int, int, int]  # inode, mtime in ns, size


class Entry(NamedTuple):
    """A parsed sidecar, and which file it was."""

    identity: Identity | None
    record: CheckpointRecord


class LedgerSummary(Struct, frozen=True, kw_only=True):
    """`best` is a checkpoint's name by metric, None where no record has that metric."""

    count: int
    unreadable: int
    oldest_step: int | None
    latest_step: int | None
    size_bytes: int
    skills: list[str]
    best: dict[str, str | None]


class CheckpointLedger:
    """The checkpoints that lie in `root` at the moment of asking; none while there is no `root`."""

    def __init__(self, root: Path):
        self.root = root
        self._known: dict[str, Entry] = {}

    def list_all(self, limit: int | None = None) -> list[CheckpointRecord]:
        """Newest first."""
        return self._scan()[0][: _checked(limit)]

    def list_by_skill(self, skill: str) -> list[CheckpointRecord]:
        """Newest first."""
        return [record for record in self.list_all() if record.skill_name == skill]

    def get(self, step: int) -> CheckpointRecord:
        """The newest one of that step. Raises NoSuchCheckpointError."""
        records = self.list_all()
        for record in records:
            if record.step == step:
                return record
        steps = sorted({record.step for record in records}, key=lambda known: abs(known - step))[:5]
        nearest = f"the nearest steps are {', '.join(map(str, steps))}" if steps else "there is none at all"
        raise NoSuchCheckpointError(f"no checkpoint of step {step} in {self.root}: {nearest}")

    def get_latest(self) -> CheckpointRecord | None:
        """The one with the highest step, and of that step the newest."""
        return next(iter(self.list_all(limit=1)), None)

    def get_best(self, metric: str = "train_loss") -> CheckpointRecord | None:
        """The newest of the best; None if no record has the metric. Raises ValueError for an unknown one."""
        return _best(self.list_all(), metric)

    def summary(self) -> LedgerSummary:
        records, unreadable = self._scan()
        best = {metric: _best(records, metric) for metric in METRICS}
        return LedgerSummary(
            count=len(records),
            unreadable=len(unreadable),
            oldest_step=records[-1].step if records else None,
            latest_step=records[0].step if records else None,
            size_bytes=sum(record.size_bytes for record in records),
            skills=sorted({record.skill_name for record in records if record.skill_name}),
            best={metric: record.canonical_name if record else None for metric, record in best.items()},
        )

    def unreadable(self) -> dict[str, str]:
        """By name, why something called checkpoint-* is in none of the lists."""
        return self._scan()[1]

    def path_of(self, record: CheckpointRecord) -> Path:
        return self.root / record.canonical_name

    def verify(self, record: CheckpointRecord) -> list[str]:
        """Each difference between the manifest and the disk, in words. Reads every byte."""
        folder = self.path_of(record)
        try:
            present = {file.relative_to(folder).as_posix() for file in files.files_below(folder)} - {SIDECAR}
        except FileNotFoundError:
            return [f"{folder}: missing"]
        except ValueError as error:
            return [str(error)]
        differences = [f"{name}: extra file" for name in sorted(present - record.manifest.keys())]
        for name, digest in record.manifest.items():
            differences += _difference(folder, name, digest) if name in present else [f"{name}: missing"]
        return differences

    def write_index(self, path: Path) -> None:
        """Writes all records by name into one file, durably."""
        records, unreadable = self._scan()
        index = {
            "schema": INDEX_SCHEMA,
            "written_at": _rfc3339(datetime.now(UTC)),
            "checkpoints": {record.canonical_name: record for record in records},
            "unreadable": unreadable,
        }
        files.write_whole(path, _pretty(index))

    def _scan(self) -> tuple[list[CheckpointRecord], dict[str, str]]:
        """All records, newest first, and by name the reasons why the others cannot be read."""
        known: dict[str, Entry] = {}
        unreadable: dict[str, str] = {}
        for folder in _entries(self.root):
            try:
                known[folder.name] = self._read(folder)
            except (OSError, ValueError) as error:
                unreadable[folder.name] = str(error)
        self._known = known
        newest_first = sorted(known, key=lambda name: parse_name(name).order, reverse=True)
        return [known[name].record for name in newest_first], unreadable

    def _read(self, folder: Path) -> Entry:
        """Parses the sidecar only if it is another file than last time."""
        identity = _identity(folder / SIDECAR)
        known = self._known.get(folder.name)
        if known and known.identity == identity:
            return known
        record = read_record(folder)
        if record is None:
            raise ValueError(f"{folder} has no {SIDECAR}: it was not saved by a realm; move it elsewhere")
        if record.canonical_name != folder.name:
            raise ValueError(f"{folder} holds the record of {record.canonical_name}: give it that name again")
        return Entry(identity, record)


def get_ledger(root: Path | None = None) -> CheckpointLedger:
    """The ledger of the checkpoints in `root`; default: current_model/ in the realm's home."""
    return CheckpointLedger(home() / "current_model" if root is None else root)


# The ledger of another machine


class LedgerListing(Struct, frozen=True):
    """The answer to GET {base}."""

    checkpoints: list[CheckpointRecord]


class Refusal(Struct, frozen=True):
    """The answer that comes with a status other than 200."""

    error: str


class RemoteLedgerClient:
    """The same questions over HTTP.

    | GET                     | 200 and JSON             |
    |-------------------------|--------------------------|
    | {base}?limit=&skill=    | LedgerListing            |
    | {base}/{step}           | CheckpointRecord         |
    | {base}/best?metric=     | CheckpointRecord or null |
    | {base}/summary          | LedgerSummary            |

    A step that the service does not have: 404 and a Refusal. Everything else raises RemoteLedgerError.
    `timeout_s` bounds connecting and each wait for bytes.
    """

    def __init__(self, base_url: str, timeout_s: float = 10.0):
        if not base_url.startswith(("http://", "https://")):
            raise ValueError(f"{base_url!r} is no ledger's address: it begins with http:// or https://")
        self.base_url = base_url.rstrip("/")
        self.timeout_s = timeout_s

    def is_available(self) -> bool:
        """Whether a ledger answers there now."""
        try:
            self.summary()
        except RemoteLedgerError:
            return False
        return True

    def list_all(self, limit: int | None = None) -> list[CheckpointRecord]:
        """Newest first."""
        listing: LedgerListing = self._ask("", LedgerListing, limit=_checked(limit))
        return listing.checkpoints

    def list_by_skill(self, skill: str) -> list[CheckpointRecord]:
        """Newest first."""
        listing: LedgerListing = self._ask("", LedgerListing, skill=skill)
        return listing.checkpoints

    def get(self, step: int) -> CheckpointRecord:
        """The newest one of that step. Raises NoSuchCheckpointError."""
        answer: CheckpointRecord | Refusal = self._ask(f"/{step}", CheckpointRecord, absent=Refusal)
        if isinstance(answer, Refusal):
            raise NoSuchCheckpointError(answer.error)
        return answer

    def get_latest(self) -> CheckpointRecord | None:
        """The one with the highest step, and of that step the newest."""
        return next(iter(self.list_all(limit=1)), None)

    def get_best(self, metric: str = "train_loss") -> CheckpointRecord | None:
        """The newest of the best; None if no record has the metric. Raises ValueError for an unknown one."""
        _better(metric)
        best: CheckpointRecord | None = self._ask("/best", CheckpointRecord | None, metric=metric)
        return best

    def summary(self) -> LedgerSummary:
        summary: LedgerSummary = self._ask("/summary", LedgerSummary)
        return summary

    def _ask(self, path: str, found: Any, *, absent: Any = None, **query: str | int | None) -> Any:
        """The answer as a `found`, or of a 404 as an `absent` where that is given."""
        stated = {key: value for key, value in query.items() if value is not None}
        url = f"{self.base_url}{path}?{urlencode(stated)}" if stated else self.base_url + path
        status, body = _fetch(url, self.timeout_s)
        expected = {200: found, 404: absent}.get(status)
        if expected is None:
            raise RemoteLedgerError(f"{url}: HTTP {status}: {body[:200]!r}")
        try:
            return msgspec.json.decode(body, type=expected)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RemoteLedgerError(f"{url}: HTTP {status}, but not a ledger's answer: {error}") from error


def get_ledger_client() -> CheckpointLedger | RemoteLedgerClient:
    """The ledger itself on the trainer's host, a client of it elsewhere.

    Raises realm.core.hosts.HostError on a machine that the registry does not know.
    """
    if hosts.is_trainer_local():
        return get_ledger()
    return RemoteLedgerClient(hosts.get_service_url("ledger"))


def _fetch(url: str, timeout_s: float) -> tuple[int, bytes]:
    """Status and body of a GET, without proxies and without following redirects."""
    # Imported here: they take longer than the rest of this file, and most readers are on the trainer's host.
    from http.client import HTTPException
    from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector

    opener = OpenerDirector()
    opener.add_handler(HTTPHandler())
    opener.add_handler(HTTPSHandler())
    try:
        with opener.open(url, timeout=timeout_s) as response:
            return response.status, response.read()
    except (OSError, HTTPException) as error:
        raise RemoteLedgerError(f"{url}: no answer: {error}") from error


def _identity(file: Path) -> Identity | None:
    """Changes when the file is replaced; None if there is none."""
    try:
        stat = file.stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def _entries(root: Path) -> list[Path]:
    try:
        return [path for path in root.iterdir() if path.name.startswith("checkpoint-")]
    except FileNotFoundError:
        return []


def _difference(folder: Path, name: str, digest: str) -> list[str]:
    try:
        return [] if files.sha256_of(folder / name) == digest else [f"{name}: changed"]
    except OSError as error:
        return [f"{name}: cannot be read: {error.strerror}"]


def _best(records: list[CheckpointRecord], metric: str) -> CheckpointRecord | None:
    better = _better(metric)
    measured = [record for record in records if getattr(record, metric) is not None]
    return better(measured, key=lambda record: getattr(record, metric), default=None)


def _better(metric: str) -> Callable[..., CheckpointRecord | None]:
    if metric not in METRICS:
        raise ValueError(f"unknown metric {metric!r}: choose one of {', '.join(METRICS)}")
    return METRICS[metric]


def _checked(limit: int | None) -> int | None:
    if limit is not None and limit < 0:
        raise ValueError(f"limit {limit}: ask for 0 or more checkpoints, or None for all")
    return limit


def _rfc3339(when: datetime) -> str:
    return f"{when.astimezone(UTC):{TIMESTAMP}}"


def _time_of(timestamp: str) -> datetime:
    when = datetime.strptime(timestamp, TIMESTAMP).replace(tzinfo=UTC)
    if _rfc3339(when) != timestamp:
        raise ValueError(f"timestamp {timestamp!r} does not have the form 2025-11-27T14:30:00Z")
    return when


def _pretty(content: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"
