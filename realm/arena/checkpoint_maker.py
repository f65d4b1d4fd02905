"""Checkpoints: when one is due, and how a seal becomes one. On a full disk it stays due, and is tried again."""

import time
from pathlib import Path

from realm.arena.battle.campaign import Campaign
from realm.arena.battle.checkpoint import retire, write_checkpoint
from realm.arena.battle.fingerprint import Fingerprint
from realm.arena.battle.sealer import RETRY_SECONDS, SealReport
from realm.arena.battle_log import BattleLog
from realm.core.checkpoint_ledger import CheckpointLedger, CheckpointRecord
from realm.core.config import Retention
from realm.core.crown import DamagedCrown, read_crown
from realm.core.daemon import Frame
from realm.core.paths import Home


class CheckpointMaker:
    """Of one loaded hero. `make` runs in the sealer's thread, all else in the work loop's."""

    def __init__(self, frame: Frame, home: Home, log: BattleLog, model_folder: Path, fingerprint: Fingerprint):
        self._frame, self._home, self._log = frame, home, log
        self._model_folder, self._fingerprint = model_folder, fingerprint
        self._ledger = CheckpointLedger(home.current_model)
        latest = self._ledger.get_latest()
        self.newest = latest.canonical_name if latest else None
        self.size = latest.size_bytes if latest else 0  # bytes that the next one takes, as far as is known
        self.problem: str | None = None  # why one that is due is not there
        self._newest_step = latest.step if latest else 0
        self._ordered_step = 0  # none older than this is what was asked for; 0: nobody asks
        self._begun_step = 0  # of the one that is being made; 0: none is
        self._failure: str | None = None
        self._retry_at = 0.0  # monotonic

    def is_due(self, campaign: Campaign) -> bool:
        """A multiple of `checkpoint_steps` lies between the newest checkpoint and this moment, or one was asked for."""
        every = campaign.training.checkpoint_steps
        newest = max(self._newest_step, self._begun_step)
        passed = campaign.step // every > newest // every or newest < self._ordered_step
        may_try = self.problem is None or time.monotonic() >= self._retry_at
        return passed and may_try

    def ordered(self, step: int) -> str | None:
        """The name of one that is not older than `step`, at which somebody asks for it; None until it is there."""
        self._ordered_step = self._ordered_step or step
        if self._newest_step < self._ordered_step:
            return None
        self._ordered_step = 0
        return self.newest

    def begin(self, step: int, shortage: str | None) -> None:
        """A seal begins from which one is made; or none can, and `shortage` says why."""
        self._failure = shortage
        self._begun_step = 0 if shortage else step

    def make(self, report: SealReport, retention: Retention) -> None:
        """From the seal's own copy of the weights."""
        try:
            record = self._write(report)
        except OSError as error:  # the seal holds the same weights: no training is lost
            self._failure = f"{self._home.current_model}: {error.strerror}"
            self.size = report.seal.size  # more than it can take
            return
        self._newest_step, self.newest, self.size = record.step, record.canonical_name, record.size_bytes
        self._frame.log("checkpoint", name=record.canonical_name)
        self._log.events.emit("checkpoint.saved", record.canonical_name, step=record.step)
        self._log.show(newest_checkpoint=record.canonical_name)
        try:
            retired = self._retired(retention, report.snapshot.state.campaign.training.checkpoint_steps)
            self._ledger.write_index(self._home.status / "checkpoint_ledger.json")
        except (DamagedCrown, OSError) as error:  # the next one does both
            self._frame.log("status", problem=error)
            return
        if retired:
            self._frame.log("checkpoint", retired=", ".join(retired))

    def _retired(self, retention: Retention, checkpoint_steps: int) -> list[str]:
        """Raises OSError, and DamagedCrown: a champion whose name is not known must not go."""
        crown = read_crown(self._home)
        return retire(self._ledger, retention, checkpoint_steps, crown.checkpoint if crown else None)

    def end(self, failure: str | None) -> None:
        """The seal has landed, or could not be written, as `failure` says. Tells of a shortage once, and of its end."""
        self._begun_step = 0
        self._failure = failure or self._failure
        was_short, self.problem = self.problem, self._failure and f"a checkpoint is due and waits: {self._failure}"
        if self.problem:
            self._retry_at = time.monotonic() + RETRY_SECONDS
            if not was_short:
                self._frame.log("wait", reason=self.problem)
                self._log.events.emit("resource.short", self.problem)
        elif was_short:
            self._log.events.emit("resource.back", "checkpoints are written again")

    def _write(self, report: SealReport) -> CheckpointRecord:
        sealed = report.snapshot.state.campaign
        claim = sealed.claims[-1] if sealed.claims else None  # none where a late one is made between quests
        return write_checkpoint(
            self._home.current_model,
            lambda folder: report.snapshot.save_pretrained(folder, sealed.training.checkpoint_dtype),
            self._model_folder,
            step=sealed.step,
            train_loss=sealed.loss,
            val_loss=sealed.validation_loss if sealed.validation_step == sealed.step else None,
            learning_rate=sealed.learning_rate,
            epoch=float(claim.epoch) if claim else None,
            accuracy=None,
            training_files=[one.quest for one in sealed.claims],
            skill_name=claim.skill if claim else None,
            skill_level=claim.level if claim else None,
            total_examples=sealed.totals.examples,
            total_tokens=sealed.totals.tokens,
            hero=sealed.hero,
            config_hash=sealed.training.digest,
            fingerprint=self._fingerprint,
        )
