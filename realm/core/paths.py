"""Where things lie: the realm's home, and the configs that ship with the code."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from realm.core.files import sweep_temporary, write_whole

SYSTEM_HOME = Path("/var/lib/realm")
PACKAGE = Path(__file__).resolve().parents[1]


def home(explicit: Path | None = None) -> Path:
    """The realm's home, absolute, whether it exists or not.

    `explicit` (--home), else $REALM_HOME, else /var/lib/realm if it exists, else $XDG_DATA_HOME/realm.
    """
    return _chosen_home(explicit).expanduser().absolute()


def _chosen_home(explicit: Path | None) -> Path:
    if explicit is not None:
        return explicit
    if stated := os.environ.get("REALM_HOME"):
        return Path(stated)
    if SYSTEM_HOME.is_dir():
        return SYSTEM_HOME
    return Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share") / "realm"


def shipped_configs() -> Path:
    """The configs that came with this code. Raises FileNotFoundError if the installation lacks them."""
    installed, checkout = PACKAGE / "configs", PACKAGE.parent / "configs"
    for folder in (installed, checkout):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"neither {installed} nor {checkout} exists: install realm again")


# The table of a realm's home. Made from it: `realm init`, `realm doctor`, the units' ReadWritePaths=.

FORMAT_VERSION = 1  # of a home; an older one is moved on by `realm migrate`

PEOPLE = "people"
DAEMONS = (
    "trainer",
    "queue-watcher",
    "vaultkeeper",
    "branch-officer",
    "oracle",
    "guardian",
    "tavern",
    "scheduler",
    "watchtower",
)

SKILL_SERVERS = "skill@"  # one for each skill; it takes no orders and shows no status: GET /health tells it

OWN = 0o755  # the daemons write
SHARED = 0o2775  # people of the home's group write too, and what they make stays in that group
PRIVATE = 0o700


@dataclass(frozen=True)
class Place:
    """One row of the table. `path` is relative to the home; `writers` are daemons, or "people"."""

    path: str
    kind: Literal["folder", "file"]
    writers: tuple[str, ...]
    mode: int
    meaning: str


def _folder(path: str, writers: tuple[str, ...], meaning: str, mode: int = OWN) -> Place:
    return Place(path, "folder", writers, mode, meaning)


def _file(path: str, writers: tuple[str, ...], meaning: str, mode: int = 0o644) -> Place:
    return Place(path, "file", writers, mode, meaning)


_EVERYONE = (PEOPLE, *DAEMONS)
_MOVERS = ("queue-watcher", PEOPLE, "trainer")
_TRAINER = ("trainer",)
_WATCHER = ("queue-watcher",)
_ENDERS = (*_TRAINER, *_WATCHER)
_KEEPER = ("vaultkeeper",)
_SCHEDULER = ("scheduler",)

PLACES = (
    _file("format", (PEOPLE,), "the format version of this home; written by `realm init` and `realm migrate`"),
    _folder("inbox", _EVERYONE, "drop zone: a finished .jsonl file becomes a quest", SHARED),
    _folder("inbox/high", _EVERYONE, "drops that become quests of high priority", SHARED),
    _folder("inbox/normal", _EVERYONE, "drops that become quests of normal priority", SHARED),
    _folder("inbox/low", _EVERYONE, "drops that become quests of low priority", SHARED),
    _folder(".staging", _WATCHER, "quests being made; one rename from the queue"),
    _folder("control", _EVERYONE, "flags: .pause .stop .skip .seal", SHARED),
    _folder("control/holds", DAEMONS, "pauses that daemons need, one file each, with the reason"),
    _folder("control/orders", (), "one folder of orders for each daemon"),
    *(
        place
        for daemon in DAEMONS
        for place in (
            _folder(f"control/orders/{daemon}", _EVERYONE, f"orders to the {daemon}, one JSON file each", SHARED),
            _folder(f"control/orders/{daemon}/done", (daemon,), f"the {daemon}'s answers"),
        )
    ),
    _folder("queue", (), "a quest is a folder; its state is the folder it lies in"),
    _folder("queue/high", _MOVERS, "waiting quests, trained first", SHARED),
    _folder("queue/normal", _MOVERS, "waiting quests, trained when none is high", SHARED),
    _folder("queue/low", _MOVERS, "waiting quests, trained when no other waits", SHARED),
    _folder("queue/processing", _TRAINER, "claimed, not yet covered by a seal"),
    _folder("queue/recently_completed", _ENDERS, "covered by a seal, with result.json"),
    _folder("queue/failed", _ENDERS, "refused or given up, with error.json"),
    _folder(
        "history",
        (*_ENDERS, *_SCHEDULER, "tavern"),
        "ended quests, exams and batches, deeds, one file a writer, never pruned",
    ),
    _file("history/votes.jsonl", ("tavern",), "which of two answers of the oracle was better, with all that was asked"),
    _folder("status", DAEMONS, "what each daemon is doing, one file each"),
    _file("status/training_status.json", _TRAINER, "the battle in numbers"),
    _file("status/battle_status.json", _TRAINER, "the same battle in the game's words"),
    _file("status/checkpoint_ledger.json", _TRAINER, "index of the checkpoints' own records; can be rebuilt"),
    _file("status/data_lineage.json", _WATCHER, "rejections by generator and by validator"),
    _folder("events", DAEMONS, "history for people, one file for each daemon, rotated"),
    _folder("metrics", (*_TRAINER, "watchtower"), "curves: raw rows, and their min/max/last pyramid"),
    _folder("current_model", (*_TRAINER, *_KEEPER), "the hero's journey: checkpoints, journal, seals"),
    _file("current_model/locked.json", (*_TRAINER, PEOPLE), "settings that this journey is bound to"),
    _folder("current_model/journal", _TRAINER, "truth for order, claims, drops, skips, flags and config values"),
    _folder("current_model/seals", _TRAINER, "durable states that training resumes from"),
    _folder("exams", _SCHEDULER, "exam papers and their grades"),
    _folder("tasks", _SCHEDULER, "queue of tasks that need the GPU"),
    _folder("data", (), "data that is not trained on"),
    _folder("data/validation", (*_SCHEDULER, PEOPLE), "static evaluation sets; own.jsonl is the owner's", SHARED),
    _folder("vault", _KEEPER, "catalog.db, a cache that a scan rebuilds"),
    _folder("vault/backups", _KEEPER, "verified backups"),
    _folder("vault/snapshots", _KEEPER, "a snapshot for each day"),
    _folder("vault/tombstones", _KEEPER, "checkpoints on their way out, kept 24 hours"),
    _folder("models", (PEOPLE, *_TRAINER), "base models"),
    _folder("logs", DAEMONS, "logs of daemons that run without systemd"),
    _folder("secrets", (PEOPLE, "tavern", "oracle"), "the tavern's token and tickets, keys of oracles", PRIVATE),
    _folder("locks", (*DAEMONS, SKILL_SERVERS), "each daemon's instance lock, held for its life, never deleted"),
    _file("config.json", (PEOPLE, "tavern"), "settings, an overlay on the shipped ones", 0o664),
    _file(
        "curriculum_change.json",
        (PEOPLE, "tavern"),
        "the last change of the curriculum: by which program, and what it was before",
        0o664,
    ),
    _file("champion.json", (PEOPLE, "tavern"), "the crowned checkpoint, and the evidence for it", 0o664),
    _folder("configs", (PEOPLE,), "overlays on the shipped configs", SHARED),
)


class HomeError(RuntimeError):
    """A home this program must not touch; the text says why and what to do."""


class _Below:
    """`home.inbox` is the absolute path, `Home.inbox` the one relative to any home."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __get__(self, home: "Home | None", owner: type) -> Path:
        return Path(self.path) if home is None else home.root / self.path


@dataclass(frozen=True)
class Home:
    """A realm's home: where every place lies below `root`."""

    root: Path

    format_file = _Below("format")
    inbox = _Below("inbox")
    staging = _Below(".staging")
    control = _Below("control")
    holds = _Below("control/holds")
    orders = _Below("control/orders")
    queue = _Below("queue")
    processing = _Below("queue/processing")
    completed = _Below("queue/recently_completed")
    failed = _Below("queue/failed")
    history = _Below("history")
    status = _Below("status")
    events = _Below("events")
    metrics = _Below("metrics")
    current_model = _Below("current_model")
    journal = _Below("current_model/journal")
    seals = _Below("current_model/seals")
    exams = _Below("exams")
    tasks = _Below("tasks")
    validation = _Below("data/validation")
    vault = _Below("vault")
    models = _Below("models")
    logs = _Below("logs")
    secrets = _Below("secrets")
    locks = _Below("locks")
    config_file = _Below("config.json")
    curriculum_change = _Below("curriculum_change.json")
    champion = _Below("champion.json")
    configs = _Below("configs")

    def create(self) -> None:
        """Makes every folder of the table, with its mode, and then the format file. Again is harmless.

        Raises HomeError for a home of another format, and for a folder that holds something else.
        """
        self.check_format()
        if not self.format_file.exists():
            self._refuse_strangers()
        self.root.mkdir(parents=True, exist_ok=True)
        for place in PLACES:
            if place.kind == "folder":
                _make_folder(self.root / place.path, place.mode)
        if not self.format_file.exists():
            write_whole(self.format_file, b"%d\n" % FORMAT_VERSION)

    def sweep(self) -> None:
        """Removes what killed writers left between files; every daemon does, at its start."""
        for place in PLACES:
            if place.kind == "folder":
                sweep_temporary(self.root / place.path)
        sweep_temporary(self.root)

    def check_format(self) -> None:
        """Raises HomeError unless this program knows the home's format; one not made yet is fine."""
        try:
            text = self.format_file.read_text(errors="replace").strip()
        except FileNotFoundError:
            return
        if not text.isdecimal():
            raise HomeError(f"{self.format_file} holds {text[:40]!r}: a format version is a whole number")
        if int(text) > FORMAT_VERSION:
            raise HomeError(
                f"{self.root} has format {text}, newer than {FORMAT_VERSION}, the newest this program knows:"
                " install the newer realm again"
            )
        if int(text) < FORMAT_VERSION:
            raise HomeError(f"{self.root} has the older format {text}: run `realm migrate`")

    def check_whole(self) -> None:
        """Raises HomeError unless `create` has made everything, in the format this program knows."""
        self.check_format()
        if missing := self.missing():
            lacks = f"lacks {missing[0].path}" if self.format_file.exists() else "is no realm's home"
            raise HomeError(f"{self.root} {lacks}: run `realm init`")

    def missing(self) -> list[Place]:
        """What `create` makes and is not there: folders, and the format file."""
        made = [place for place in PLACES if place.kind == "folder" or place.path == "format"]
        return [place for place in made if not (self.root / place.path).exists()]

    def _refuse_strangers(self) -> None:
        """A typo in --home must not turn somebody's own folder into a realm, nor change its modes."""
        if not self.root.exists():
            return
        known = {place.path.partition("/")[0] for place in PLACES} | {"lost+found"}
        strangers = sorted(
            path.name for path in self.root.iterdir() if path.name not in known and not path.name.startswith(".")
        )
        if strangers:
            raise HomeError(
                f"{self.root} is no realm and holds other things ({', '.join(strangers[:3])}):"
                " name an empty or a new folder"
            )


def _make_folder(path: Path, mode: int) -> None:
    path.mkdir(exist_ok=True)
    if path.stat().st_mode & 0o7777 != mode:
        path.chmod(mode)  # mkdir obeys the umask and ignores the setgid bit
