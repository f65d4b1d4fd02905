"""When the trainer seals, and what a seal brings about."""

import time
from collections import deque
from datetime import UTC, datetime, timedelta
from pathlib import Path

from realm.arena.battle.campaign import Campaign
from realm.arena.battle.journal import Journal
from realm.arena.battle.learner import LoadedHero, Snapshot
from realm.arena.battle.sealed_state import SealedState
from realm.arena.battle.sealer import RETRY_SECONDS, Sealer, SealReport
from realm.arena.battle_log import BattleLog
from realm.arena.checkpoint_maker import CheckpointMaker
from realm.arena.intake.copying import SHORTAGES, Shortage
from realm.arena.pruning import prune_ended
from realm.arena.quest_board import QuestBoard
from realm.core.config import Config
from realm.core.daemon import Frame
from realm.core.events import tail
from realm.core.paths import Home
from realm.core.quests import ENDED
from realm.core.status import LastSeal, SealBudget

A_DAY = timedelta(days=1)
MOST_SEALS = 10_000  # events that are read for those of the last day


class SealKeeper:
    """Seals of one loaded hero. `campaign` is asked for at each seal, as it changes with every step."""

    def __init__(
        self,
        frame: Frame,
        home: Home,
        log: BattleLog,
        board: QuestBoard,
        config: Config,
        model_folder: Path,
        hero: LoadedHero,
        journal: Journal,
    ):
        self._frame, self._log, self._board = frame, log, board
        self._config, self._hero, self._journal = config, hero, journal
        self._sealer = Sealer(home.seals, config.seals, _last_number(home.seals), log.metrics.settle)
        self.checkpoints = CheckpointMaker(frame, home, log, model_folder, hero.fingerprint)
        self._sealed: Campaign | None = None
        self._unfiled: tuple[Campaign, str] | None = None  # ended claims that a seal covers, and its name
        self._file_at = 0.0  # monotonic
        self._oldest_seal = 0  # number of the older one that is kept; 0: there is one
        self._filing_problem: str | None = None
        self._written = deque(_sealed_lately(home.events))
        self._written_bytes = sum(size for _, size in self._written)
        self._told_problem: str | None = None
        self.asked = False  # somebody wants a seal as soon as none is in flight

    def adopt(self, config: Config) -> None:
        """Other intervals and limits, from now on."""
        self._config = config
        self._sealer.adopt(config.seals)

    @property
    def problem(self) -> str | None:
        """Why no seal can be written."""
        return self._sealer.problem

    @property
    def problems(self) -> tuple[str, ...]:
        """Why something that is due is not written."""
        return tuple(filter(None, (self.problem, self.checkpoints.problem, self._filing_problem)))

    @property
    def unsealed_minutes(self) -> float:
        return self._sealer.unsealed_minutes

    def is_overdue(self, campaign: Campaign) -> bool:
        """A full disk has kept seals away for longer, or for more quests, than the settings allow."""
        seals = self._config.seals
        too_much = self.unsealed_minutes >= seals.max_unsealed_minutes or len(campaign.claims) > seals.max_open_claims
        return self.problem is not None and too_much

    def covers(self, campaign: Campaign) -> bool:
        """Nothing was trained since the newest seal, or ever; what was decided, the journal knows."""
        return not campaign.last_claim or campaign.same_moment(self._sealed)

    def start_if_due(self, campaign: Campaign, *, is_dry: bool = False) -> None:
        """`is_dry`: the queue has been empty for a while, so a seal now costs no training."""
        crowded = len(campaign.claims) > self._config.seals.max_open_claims
        wanted = self._sealer.is_due or ((is_dry or crowded) and self._sealer.is_affordable)
        waits_for_space = self.problem is not None and not self._sealer.is_due
        if self.covers(campaign):
            self._sealer.nothing_to_seal()
        if self._sealer.busy or waits_for_space or not (self.asked or wanted):
            return
        self.asked = not self.covers(campaign) and not self._start(campaign)

    def _start(self, campaign: Campaign) -> bool:
        started = self._sealer.start(self._snapshot(campaign))
        self._tell_problem()
        return started

    def _tell_problem(self) -> None:
        """Once when seals cannot be written, and once when they can again."""
        problem = self.problem
        if bool(problem) != bool(self._told_problem):
            if problem:
                self._frame.log("wait", reason=problem)
                self._log.events.emit("seal.late", problem)
            else:
                self._log.events.emit("resource.back", "seals are written again")
        self._told_problem = problem

    def seal_now(self, campaign: Campaign) -> set[int]:
        """A seal of this very moment, durable on return; on a full disk the newest older one stays."""
        self._frame.tick("seal")
        filed = self.land(wait=True)
        if not self.covers(campaign) and self._start(campaign):
            filed |= self.land(wait=True)
        return filed

    def land(self, *, wait: bool = False) -> set[int]:
        """If a seal has become durable: files the claims it covers, returns their numbers."""
        was_busy = self._sealer.busy
        report = self._sealer.finished(wait=wait)
        self._tell_problem()
        if was_busy and not self._sealer.busy:
            self.checkpoints.end(self.problem)
        if report:
            self._landed(report)
        return self._file_covered()

    def _landed(self, report: SealReport) -> None:
        seal, self._sealed = report.seal, report.snapshot.state.campaign
        self._oldest_seal = self._sealer.forget_covered(self._journal)  # first, as it frees what filing may need
        self._unfiled, self._file_at = (self._sealed, seal.folder.name), 0.0
        self._frame.log("seal", name=seal.folder.name, bytes=seal.size, seconds=f"{report.seconds:.2f}")
        text = f"sealed at step {seal.step:,}"
        self._log.events.emit("seal.written", text, step=seal.step, key=seal.folder.name, data={"bytes": seal.size})
        self._written.append((datetime.now(UTC), seal.size))
        self._written_bytes += seal.size
        self._log.show(unsealed_minutes=0.0, last_seal=_last_seal(report))

    def _file_covered(self) -> set[int]:
        """Numbers of the ended claims that are now where they belong; on a full disk they wait."""
        if self._unfiled is None or time.monotonic() < self._file_at:
            return set()
        sealed, seal_name = self._unfiled
        try:
            self._file(sealed, seal_name)
        except OSError as error:
            if error.errno not in SHORTAGES:
                raise
            self._file_at = time.monotonic() + RETRY_SECONDS
            self._tell_filing(f"ended quests wait in queue/processing: {Shortage.of(error)}")
            return set()
        self._unfiled = None
        self._tell_filing(None)
        self._prune(self._oldest_seal)
        return {claim.number for claim in sealed.ended}

    def _tell_filing(self, problem: str | None) -> None:
        """Once when quests cannot be filed, and once when they can again."""
        if problem and not self._filing_problem:
            self._frame.log("wait", reason=problem)
            self._log.events.emit("resource.short", problem)
        elif self._filing_problem and not problem:
            self._log.events.emit("resource.back", "ended quests are filed again")
        self._filing_problem = problem

    def _file(self, sealed: Campaign, seal_name: str) -> None:
        """Again is harmless."""
        for claim in sealed.ended:
            self._board.file(claim, sealed.id, seal_name)
            if claim.outcome in ("completed", "failed"):
                event, line = (
                    ("quest.completed", "complete") if claim.outcome == "completed" else ("quest.failed", "fail")
                )
                text = f"{claim.quest}: {claim.steps:,} steps" + (f"; {claim.reason}" if claim.reason else "")
                self._log.events.emit(event, text, claim=claim.number, data={"steps": claim.steps, "seal": seal_name})
                self._frame.log(line, quest=claim.quest, steps=claim.steps, reason=claim.reason)

    def _prune(self, oldest_seal: int) -> None:
        """Ended quests beyond the limits of the settings leave the disk."""
        for end in ENDED:
            if names := prune_ended(self._board.queue, end, self._config.retention, oldest_seal):
                self._frame.log("prune", folder=end, quests=len(names))

    def resumed_from(self, campaign: Campaign, seal_name: str) -> set[int]:
        """The newest seal holds this; returns the numbers filed."""
        self._sealed, self._unfiled = campaign, (campaign, seal_name)
        return self._file_covered()

    def checkpoint(self, campaign: Campaign) -> set[int]:
        """Begins a seal from which a checkpoint is made, where there is space for both; returns the numbers filed."""
        self._frame.tick("seal")
        filed = self.land(wait=True)
        snapshot = self._snapshot(campaign)
        shortage = self._sealer.shortage(snapshot.size + self.checkpoints.size)
        self.checkpoints.begin(campaign.step, shortage)
        if shortage:
            self.checkpoints.end(None)
        else:
            self._sealer.start(snapshot, then=lambda report: self.checkpoints.make(report, self._config.retention))
        return filed

    def written_in_a_day(self) -> SealBudget:
        """What seals wrote in the last 24 hours, also before this start, and what they may."""
        while self._written and self._written[0][0] < datetime.now(UTC) - A_DAY:
            self._written_bytes -= self._written.popleft()[1]
        return SealBudget(written=self._written_bytes, allowed=self._sealer.budget)

    def _snapshot(self, campaign: Campaign) -> Snapshot:
        self._log.metrics.flush()  # a seal must not cover steps whose rows a kill could still take
        return self._hero.learner.snapshot(SealedState(campaign=campaign, fingerprint=self._hero.fingerprint))


def _last_number(seals: Path) -> int:
    names = (path.name.removeprefix("corrupt-").rpartition("-")[2] for path in seals.iterdir())
    return max((int(number) for number in names if number.isdecimal()), default=0)


def _last_seal(report: SealReport) -> LastSeal:
    seal = report.seal
    return LastSeal(
        name=seal.folder.name, step=seal.step, at=datetime.now(UTC), bytes=seal.size, seconds=report.seconds
    )


def _sealed_lately(events: Path) -> list[tuple[datetime, int]]:
    """When, and how many bytes: the seals of the last day, as the trainer told of them."""
    since = datetime.now(UTC) - A_DAY
    told = [event for event in tail([events / "trainer.jsonl"], MOST_SEALS) if event.kind == "seal.written"]
    return [(event.at, int(event.data.get("bytes", 0))) for event in told if event.at >= since]
