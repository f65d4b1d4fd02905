"""When the trainer seals, what a seal brings about, and the checkpoints made from seals."""

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from realm.arena.battle.campaign import Campaign
from realm.arena.battle.checkpoint import retire, write_checkpoint
from realm.arena.battle.journal import Journal
from realm.arena.battle.loaded_hero import LoadedHero
from realm.arena.battle.sealer import Sealer, SealReport
from realm.arena.battle.snapshot import Snapshot, take_snapshot
from realm.arena.battle_log import BattleLog
from realm.arena.pruning import prune_ended
from realm.arena.quest_board import QuestBoard
from realm.core.checkpoint_ledger import CheckpointLedger, CheckpointRecord
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
        self._frame, self._home, self._log, self._board = frame, home, log, board
        self._config, self._model_folder, self._hero, self._journal = config, model_folder, hero, journal
        self._sealer = Sealer(home.seals, config.seals, _last_number(home.seals))
        self._ledger = CheckpointLedger(home.current_model)
        self._sealed: Campaign | None = None
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
    def unsealed_minutes(self) -> float:
        return self._sealer.unsealed_minutes

    @property
    def is_overdue(self) -> bool:
        """A full disk has kept seals away for longer than the settings allow."""
        return self.problem is not None and self.unsealed_minutes >= self._config.seals.max_unsealed_minutes

    def covers(self, campaign: Campaign) -> bool:
        """Nothing happened since the newest seal."""
        return campaign.same_moment(self._sealed)

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

    def _start(self, campaign: Campaign, then: Callable[[SealReport], None] = lambda report: None) -> bool:
        started = self._sealer.start(self._snapshot(campaign), then)
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
        report = self._sealer.finished(wait=wait)
        self._tell_problem()
        if report is None:
            return set()
        seal, sealed = report.seal, report.snapshot.state.campaign
        self._sealed = sealed
        oldest = self._sealer.forget_covered(self._journal)  # first, as it frees what filing may need
        self.file(sealed, seal.folder.name)
        self._prune(oldest)
        self._frame.log("seal", name=seal.folder.name, bytes=seal.size, seconds=f"{report.seconds:.2f}")
        text = f"sealed at step {seal.step:,}"
        self._log.events.emit("seal.written", text, step=seal.step, key=seal.folder.name, data={"bytes": seal.size})
        self._written.append((datetime.now(UTC), seal.size))
        self._written_bytes += seal.size
        self._log.show(unsealed_minutes=0.0, last_seal=_last_seal(report))
        return {claim.number for claim in sealed.ended}

    def file(self, sealed: Campaign, seal_name: str) -> None:
        """Ended claims that a seal covers go where they belong. Again is harmless."""
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

    def resumed_from(self, campaign: Campaign) -> None:
        """The newest seal holds this."""
        self._sealed = campaign

    def checkpoint(self, campaign: Campaign) -> set[int]:
        """Begins a seal from which a checkpoint is made, unless this step has one; returns the numbers filed."""
        if any(record.step == campaign.step for record in self._ledger.list_all()):
            return set()
        self._frame.tick("seal")
        filed = self.land(wait=True)
        self._start(campaign, then=self._make_checkpoint)
        return filed

    def written_in_a_day(self) -> SealBudget:
        """What seals wrote in the last 24 hours, also before this start, and what they may."""
        while self._written and self._written[0][0] < datetime.now(UTC) - A_DAY:
            self._written_bytes -= self._written.popleft()[1]
        return SealBudget(written=self._written_bytes, allowed=self._sealer.budget)

    def newest_checkpoint(self) -> str | None:
        latest = self._ledger.get_latest()
        return latest.canonical_name if latest else None

    def _snapshot(self, campaign: Campaign) -> Snapshot:
        self._log.metrics.flush()  # a seal must not cover steps whose rows a kill could still take
        return take_snapshot(self._hero.engine, campaign, self._hero.fingerprint)

    def _make_checkpoint(self, report: SealReport) -> None:
        """In the sealer's thread, from the seal's own copy of the weights."""
        campaign = report.snapshot.state.campaign
        try:
            record = self._write_checkpoint(report)
            retired = retire(self._ledger, self._config.retention, campaign.training.checkpoint_steps)
            self._ledger.write_index(self._home.status / "checkpoint_ledger.json")
        except OSError as error:  # the seal holds the same weights: no training is lost
            self._frame.log("wait", reason=f"checkpoint not written: {error}")
            self._log.events.emit("resource.short", f"a checkpoint was not written: {error}", key=str(error))
            return
        self._frame.log("checkpoint", name=record.canonical_name, retired=", ".join(retired) or None)
        self._log.events.emit("checkpoint.saved", record.canonical_name, step=record.step)
        self._log.show(newest_checkpoint=record.canonical_name)

    def _write_checkpoint(self, report: SealReport) -> CheckpointRecord:
        sealed = report.snapshot.state.campaign
        claim = sealed.claims[-1]
        return write_checkpoint(
            self._home.current_model,
            self._hero.engine.model,
            report.snapshot.weights,
            self._model_folder,
            sealed.training.checkpoint_dtype,
            step=sealed.step,
            train_loss=sealed.loss,
            val_loss=sealed.validation_loss if sealed.validation_step == sealed.step else None,
            learning_rate=sealed.learning_rate,
            epoch=float(claim.epoch),
            accuracy=None,
            training_files=[one.quest for one in sealed.claims],
            skill_name=claim.skill,
            skill_level=claim.level,
            total_examples=sealed.totals.examples,
            total_tokens=sealed.totals.tokens,
            hero=sealed.hero,
            config_hash=sealed.training.digest,
            fingerprint=self._hero.fingerprint,
        )


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
