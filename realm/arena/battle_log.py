"""What the trainer tells: log lines, events, metrics rows, and the two status documents.

The work loop leaves a view behind after every step; the heartbeat thread turns the newest one into files, so the step
loop never waits for a disk.
"""

import os
import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from realm.arena.battle.campaign import Campaign
from realm.arena.battle.learner import StepResult
from realm.core.daemon import Frame
from realm.core.events import EventLog
from realm.core.game import STEPS_PER_LEVEL
from realm.core.metrics import MetricsWriter
from realm.core.paths import Home
from realm.core.quests import QuestQueue
from realm.core.status import (
    BattleStatus,
    LastSeal,
    SealBudget,
    StepSeconds,
    Totals,
    TrainingStatus,
    write_status,
)

SPEED_STEPS = 50  # steps that the measured speed is averaged over
SPIKE_FROM_STEP = 100  # before, the average still falls fast
SPIKE_FACTOR, SPIKE_RISE = 2.0, 0.5  # a spike is above this many times the smoothed loss, and so many nats above it


@dataclass(frozen=True)
class View:
    """The battle as of the last step. Replaced as a whole, so that a reader never sees half of two."""

    state: str = "starting"
    campaign: Campaign | None = None
    result: StepResult | None = None
    mask_ratio: float | None = None
    bytes_done: int = 0
    waiting: int | None = None
    pause_reasons: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    unsealed_minutes: float | None = None
    last_seal: LastSeal | None = None
    seals_of_a_day: SealBudget | None = None
    newest_checkpoint: str | None = None


@dataclass(frozen=True)
class Pace:
    """One step as the clock saw it."""

    at: float  # monotonic seconds
    tokens: int
    bytes_done: int


@dataclass
class BattleLog:
    """Everything the trainer writes for others to read."""

    home: Home
    parameters: int = 0
    peak: float = 0.0  # FLOP/s of this device's matmul
    view: View = field(default_factory=View)

    def __post_init__(self) -> None:
        self.events = EventLog(self.home.events, "trainer")
        self.metrics = MetricsWriter(self.home.metrics, "trainer")
        self._queue = QuestQueue(self.home)
        self._pace: deque[Pace] = deque(maxlen=SPEED_STEPS)
        self._showing = threading.Lock()  # the sealer's thread shows, too
        self._unwritten: dict[str, str | None] = {}  # status file -> why it could not be written

    def show(self, **changes: Any) -> None:
        with self._showing:
            self.view = replace(self.view, **changes)

    def of_campaign(self, campaign_id: str) -> None:
        """Events from here on are this campaign's: its step 1,000 is not another's."""
        self.events = EventLog(self.home.events, "trainer", campaign=campaign_id)

    def stepped(self, campaign: Campaign, result: StepResult, mask_ratio: float, bytes_done: int) -> None:
        """After every applied step."""
        self._pace.append(Pace(time.monotonic(), result.tokens, bytes_done))
        self._tell_milestones(campaign, result.loss)
        self.show(
            state="working",
            campaign=campaign,
            result=result,
            mask_ratio=mask_ratio,
            bytes_done=bytes_done,
        )
        self.metrics.write(self._row(campaign, result, mask_ratio))

    def _tell_milestones(self, campaign: Campaign, loss: float) -> None:
        step, before = campaign.step, self.view.campaign.loss_ema if self.view.campaign else None
        if step % STEPS_PER_LEVEL == 0:
            self.events.emit("hero.level", f"Level {step // STEPS_PER_LEVEL}: {step:,} steps", step=step)
        if before is not None and step > SPIKE_FROM_STEP and loss > max(SPIKE_FACTOR * before, before + SPIKE_RISE):
            self.events.emit("loss.spike", f"loss {loss:.3f} where {before:.3f} was usual", step=step)

    def rest(self) -> None:
        """The next step's speed has nothing to do with the last one's: a pause, an idle hour, another quest."""
        self._pace.clear()

    def heartbeat(self, frame: Frame) -> None:
        """In the heartbeat thread."""
        view = replace(self.view, waiting=self._queue.count_waiting())
        self.metrics.flush()
        training = self._training(frame, view)
        frame.status(_sentence(training))
        for document in (training, self._battle(frame, view)):
            self._tell(document.FILE, write_status(self.home.status, document), frame)

    def _tell(self, file: str, problem: str | None, frame: Frame) -> None:
        """Once, however long it lasts."""
        if problem and problem != self._unwritten.get(file):
            frame.log("status", reason=problem)
        self._unwritten[file] = problem

    def _row(self, campaign: Campaign, result: StepResult, mask_ratio: float) -> dict[str, Any]:
        claim = campaign.claims[-1]
        row: dict[str, Any] = {
            "step": campaign.step,
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "claim": claim.number,
            "quest": claim.quest,
            "loss": result.loss,
            "loss_ema": campaign.loss_ema,
            "learning_rate": result.learning_rate,
            "gradient_norm": result.gradient_norm,
            "mask_ratio": mask_ratio,
            "tokens": result.tokens,
            "labelled_tokens": result.labelled_tokens,
            "padded_tokens": result.padded_tokens,
            "seconds": result.seconds,
        }
        if campaign.validation_step == campaign.step:
            row["validation_loss"] = campaign.validation_loss
        return row

    def _training(self, frame: Frame, view: View) -> TrainingStatus:
        campaign, result = view.campaign, view.result
        speed = self._tokens_per_second()
        header = frame.header(view.state, [*view.problems, *self._lost()])
        if campaign is None:
            return TrainingStatus(**header, pause_reasons=list(view.pause_reasons))
        claim = campaign.active
        return TrainingStatus(
            **header,
            step=campaign.step,
            quest=claim.quest if claim else None,
            quest_step=claim.steps if claim else None,
            quest_progress=self._progress(view),
            quests_waiting=view.waiting,
            loss=result.loss if result else None,
            loss_ema=campaign.loss_ema,
            validation_loss=campaign.validation_loss,
            validation_step=campaign.validation_step,
            learning_rate=result.learning_rate if result else None,
            gradient_norm=result.gradient_norm if result else None,
            mask_ratio=view.mask_ratio,
            tokens_per_second=speed,
            mfu=_mfu(speed, self.parameters, self.peak) if speed and self.peak else None,
            eta_seconds=self._eta(view),
            step_seconds=StepSeconds(**result.split) if result else None,
            memory_bytes=_resident_bytes(),
            accelerator_memory_bytes=result.device_bytes if result else None,
            unsealed_minutes=view.unsealed_minutes,
            last_seal=view.last_seal,
            seals_of_a_day=view.seals_of_a_day,
            totals=Totals(
                steps=campaign.step,
                tokens=campaign.totals.tokens,
                examples=campaign.totals.examples,
                quests=campaign.totals.quests,
            ),
            pause_reasons=list(view.pause_reasons),
        )

    def _lost(self) -> list[str]:
        """What a full disk keeps from its file, and what it swallowed since this start."""
        rows, events = self.metrics.lost_rows, self.events.failed_writes
        waiting = [f"{rows:,} metrics rows could not be written, and wait for space"] if rows else []
        return waiting + ([f"{events:,} events could not be written, and are lost"] if events else [])

    def _battle(self, frame: Frame, view: View) -> BattleStatus:
        campaign, result = view.campaign, view.result
        header = frame.header(view.state, list(view.problems))
        claim = campaign.active if campaign else None
        if campaign is None or claim is None:
            return BattleStatus(**header, battle_state=_battle_state(view), hero_checkpoint=view.newest_checkpoint)
        progress = self._progress(view)
        return BattleStatus(
            **header,
            battle_state=_battle_state(view),
            quest=claim.quest,
            round=claim.steps,
            total_rounds=max(claim.steps, round(claim.steps / progress)) if progress else None,
            damage_dealt=1 / result.loss if result and result.loss > 0 else None,
            damage_taken=result.loss if result else None,
            validation_damage=campaign.validation_loss,
            rounds_per_second=self._per_second(len(self._pace) - 1),
            seconds_remaining=self._eta(view),
            hero_checkpoint=view.newest_checkpoint,
            battle_started_at=datetime.fromisoformat(claim.claimed_at) if claim.claimed_at else None,
        )

    def _progress(self, view: View) -> float | None:
        claim = view.campaign.active if view.campaign else None
        if claim is None:
            return None
        done = (claim.epoch - 1) * claim.size + view.bytes_done
        return min(1.0, done / max(1, claim.size * claim.epochs))

    def _tokens_per_second(self) -> float | None:
        return self._per_second(sum(pace.tokens for pace in list(self._pace)[1:]))

    def _eta(self, view: View) -> float | None:
        progress = self._progress(view)
        pace = list(self._pace)
        claim = view.campaign.active if view.campaign else None
        if progress is None or claim is None or len(pace) < 2:
            return None
        bytes_per_second = self._per_second(pace[-1].bytes_done - pace[0].bytes_done)
        left = (1 - progress) * claim.size * claim.epochs
        return left / bytes_per_second if bytes_per_second and bytes_per_second > 0 else None

    def _per_second(self, amount: float) -> float | None:
        pace = list(self._pace)
        elapsed = pace[-1].at - pace[0].at if len(pace) > 1 else 0.0
        return amount / elapsed if elapsed > 0 else None


def _sentence(now: TrainingStatus) -> str:
    """For `systemctl status`."""
    parts = [f"{now.state} at step {now.step or 0:,}"]
    if now.quest:
        parts.append(f"{now.quest} {(now.quest_progress or 0.0):.0%}")
    if now.loss is not None:
        parts.append(f"loss {now.loss:.4f}")
    if now.tokens_per_second:
        parts.append(f"{now.tokens_per_second:,.0f} tokens/s")
    parts.append(f"{now.quests_waiting or 0:,} waiting")
    return "; ".join([", ".join(parts), *now.pause_reasons, *now.problems])


def _battle_state(view: View) -> str:
    if view.state == "paused":
        return "paused"
    if view.state == "starting":
        return "preparing"
    return "fighting" if view.campaign and view.campaign.active else "idle"


def _mfu(tokens_per_second: float, parameters: int, peak: float) -> float:
    """6 FLOPs per parameter and token, forward and backward (Kaplan et al. 2020, section 2.1)."""
    return 6 * parameters * tokens_per_second / peak


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
