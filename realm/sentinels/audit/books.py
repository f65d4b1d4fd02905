"""Everything that a home has written down about quests, steps and seals, read from the files alone.

Sources are read in such an order that what a daemon writes meanwhile can only add to a later one: seals before the
journal and history that they rest on, these before the folders, rows last.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec
from msgspec import Struct

from realm.core.config import ConfigError, Retention, load_config
from realm.core.history import ENDERS
from realm.core.paths import Home
from realm.core.quests import STATES, QuestQueue, State
from realm.core.status import QueueWatcherStatus, SchedulerStatus, TrainingStatus
from realm.sentinels import durable
from realm.sentinels.audit.annals import Climb
from realm.sentinels.audit.history import Claimed, Ended, as_claimed, by_campaign, claimed_in, read_history
from realm.sentinels.audit.keepers import Keeper
from realm.sentinels.audit.lines import Lines, generations
from realm.sentinels.audit.rows import Rows, read_rows
from realm.sentinels.audit.told import Told, read_events

STATE = "state.json"  # the part of a seal that is not tensors


class Totals(Struct, frozen=True):
    tokens: int = 0
    examples: int = 0
    quests: int = 0


class Campaign(Struct, frozen=True):
    """Where training stood when it was sealed."""

    step: int
    id: str = ""
    last_claim: int = 0
    claims: tuple[Claimed, ...] = ()  # the open one, and those that no earlier seal covers
    totals: Totals = Totals()
    journal_seq: int = 0


class SealedState(Struct, frozen=True):
    campaign: Campaign


@dataclass(frozen=True)
class Books:
    home: Home
    deep: bool  # every byte that has a digest was read, or is to be
    removed: Collection[str] | None  # quests that people are known to have removed; None: it is not known
    trainer: Keeper[TrainingStatus]
    watcher: Keeper[QueueWatcherStatus]
    scheduler: Keeper[SchedulerStatus]
    seals: list[durable.Seal]  # newest first
    sealed: Campaign | None  # of the newest whole seal; None: there is none, or its state cannot be read
    journal_problem: str | None
    journal_begins: int  # with this line
    journal: list[durable.Decision]
    lines: Lines
    history: dict[str, list[Ended]]  # by daemon
    told: Told
    climb: Climb
    drops: list[Path]  # what lies in the inbox, and is no folder
    folders: dict[str, list[State]]  # where each quest lies
    rows: Rows

    @classmethod
    def read(cls, home: Home, *, deep: bool, removed: Collection[str] | None) -> "Books":
        """Raises OSError."""
        trainer = Keeper.of("trainer", home, TrainingStatus.FILE, TrainingStatus)
        watcher = Keeper.of("queue-watcher", home, QueueWatcherStatus.FILE, QueueWatcherStatus)
        scheduler = Keeper.of("scheduler", home, SchedulerStatus.FILE, SchedulerStatus)
        seals = durable.seals(home.seals, deep=deep)
        sealed = _newest_campaign(seals)
        journal_problem = None
        try:
            begins, journal = durable.read_journal(home.journal) or (1, [])
        except durable.JournalHole as hole:
            begins, journal, journal_problem = 1, [], str(hole)
        lines = Lines()
        history = read_history(home.history, lines)
        told = read_events(home.events, lines)
        climb = Climb.read(home, lines)
        drops = [path for path in home.inbox.rglob("*") if not path.is_dir()]
        folders = _folders(QuestQueue(home))
        rows = read_rows(generations(home.metrics).get(home.metrics / "trainer.jsonl", []), lines)
        return cls(
            home,
            deep,
            removed,
            trainer,
            watcher,
            scheduler,
            seals,
            sealed,
            journal_problem,
            begins,
            journal,
            lines,
            history,
            told,
            climb,
            drops,
            folders,
            rows,
        )

    def quests(self) -> Iterator[tuple[str, State, Path]]:
        """Name, state and folder of each that is still where it was seen."""
        for name, states in self.folders.items():
            folder = self.home.queue / states[0] / name
            if folder.exists():
                yield name, states[0], folder

    @cached_property
    def last_line(self) -> dict[str, Ended]:
        """By quest; where both daemons ended one, the trainer did so later."""
        return {line.quest: line for daemon in ENDERS for line in self.history[daemon]}

    @cached_property
    def retention(self) -> Retention:
        """The shipped limits, where config.json cannot be read."""
        try:
            return load_config(self.home.config_file).retention
        except ConfigError:
            return Retention()

    @property
    def is_moving(self) -> bool:
        return self.trainer.is_alive or self.watcher.is_alive or self.scheduler.is_alive

    @cached_property
    def campaign(self) -> str:
        """The present one's name; empty if nothing was ever trained, or an earlier version gave it none."""
        if self.sealed and self.sealed.id:
            return self.sealed.id
        born = next((line for line in self.journal if line.kind == "campaign"), None)
        return str(born.data.get("id", "")) if born else ""

    @cached_property
    def campaigns(self) -> dict[str, list[Ended]]:
        known = (*(self.sealed.claims if self.sealed else ()), *self.journalled)
        its_first = next((claim.quest for claim in known if claim.number == 1), None)
        return by_campaign(self.history["trainer"], self.campaign, its_first)

    @cached_property
    def ended(self) -> list[Claimed]:
        """Claims of the present campaign that history has a line of, as their lines follow each other."""
        return [as_claimed(one) for one in self.campaigns.get(self.campaign, [])]

    @cached_property
    def journalled(self) -> list[Claimed]:
        """Claims of the present campaign that the journal still tells of."""
        return [claimed_in(line.data.get("claim")) for line in self.journal if line.kind == "claim"]

    @cached_property
    def carried(self) -> dict[int, Claimed]:
        """By number: claims that the newest seal carries, or the journal has behind it.

        History may have ends of them: from a seal that was lost since, or because they were filed just now.
        """
        covered = self.sealed.journal_seq if self.sealed else 0
        later = [claimed_in(line.data.get("claim")) for line in self.journal if _is_later_claim(line, covered)]
        return {claim.number: claim for claim in (*(self.sealed.claims if self.sealed else ()), *later)}

    @cached_property
    def unfiled(self) -> dict[int, Claimed]:
        """Of these, what history has no end of."""
        filed = {(claim.number, claim.quest) for claim in self.ended}
        return {number: claim for number, claim in self.carried.items() if (number, claim.quest) not in filed}

    @cached_property
    def lost(self) -> set[object]:
        """Numbers of claims whose folder the trainer looked for in vain."""
        return {line.data.get("claim") for line in self.journal if line.kind == "lost"}

    @cached_property
    def journal_holes(self) -> list[str]:
        """Journals that were set aside: what was decided in them after the seal of that time was decided anew."""
        return sorted(path.name for path in self.home.current_model.glob("journal-hole-*"))


def _newest_campaign(seals: list[durable.Seal]) -> Campaign | None:
    for seal in seals:
        if seal.problem is None:
            try:
                return msgspec.json.decode((seal.folder / STATE).read_bytes(), type=SealedState).campaign
            except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
                return None
    return None


def _folders(queue: QuestQueue) -> dict[str, list[State]]:
    found: dict[str, list[State]] = defaultdict(list)
    for state in reversed(STATES):
        for name in queue.names(state):
            found[name].append(state)
    return dict(found)


def _is_later_claim(line: durable.Decision, covered: int) -> bool:
    return line.kind == "claim" and line.seq > covered
