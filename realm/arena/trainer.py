"""trainer: the daemon that trains.

NAME      realm run trainer
READS     queue/{high,normal,low}/, control/ (.pause .stop .skip .seal, holds/), config.json, models/<hero>/
WRITES    queue/processing/ and its ends, current_model/ (journal, seals, checkpoints), status/training_status.json,
          status/battle_status.json, status/checkpoint_ledger.json, events/, metrics/ and history/trainer.jsonl
SIGNALS   TERM, INT: a last seal, then the end; a second one: the end at once, which the next start recovers from
STATES    starting, working, idle, paused, stopped, waiting (a resource is short), stopping, ended
RECOVERY  the newest seal that verifies, then the journal; what it trained since is trained again to the same weights
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import torch

from realm.arena.battle import campaign as campaigns
from realm.arena.battle import exactness
from realm.arena.battle.attempt import Attempt
from realm.arena.battle.campaign import Campaign, Claim, Measured
from realm.arena.battle.chat import Example
from realm.arena.battle.engine import StepResult
from realm.arena.battle.holdout import held_out_lines, holdout_rule
from realm.arena.battle.journal import Journal, JournalHole, Line, set_aside
from realm.arena.battle.loaded_hero import LoadedHero, NoAccelerator, load_hero_from
from realm.arena.battle.mask import BrokenMask, check_mask
from realm.arena.battle.replay import Replay, same_place
from realm.arena.battle.seal import Seal, newest_verified, sweep
from realm.arena.battle.snapshot import read_state
from realm.arena.battle.specs import BadLine, get_spec
from realm.arena.battle.stream import Cursor, Step, StreamedStep, Window, cut_passes, steps, window_examples
from realm.arena.battle_control import BattleControl
from realm.arena.battle_log import BattleLog
from realm.arena.quest_board import QuestBoard
from realm.arena.seal_keeper import SealKeeper
from realm.armory.heroes import HERO_FILE, Hero, HeroError, check_base_model, load_hero
from realm.armory.quiet import silence_transformers
from realm.core.config import AT_A_STEP, Config, ConfigError, Training, load_config, training_of
from realm.core.control import Control
from realm.core.daemon import Frame
from realm.core.history import History
from realm.core.locked import Locked, read_locked, write_locked
from realm.core.paths import Home, HomeError
from realm.core.quests import Finding, QuestQueue

INTERVAL = 2.0  # seconds between status documents
POLL = 0.25  # seconds between looks at the queue or the flags while nothing is trained
DROPS_ALLOWED = 2  # of one claim; the third ends it
VALIDATION_LINES = 256
CANNOT_START = 78  # sysexits.h EX_CONFIG


class Trainer:
    """One campaign, fought by one process. `turn` is one look at the world and at most one step."""

    def __init__(self, frame: Frame, home: Home, log: BattleLog):
        self.frame = frame
        self.home = home
        self.log = log
        self.config: Config = load_config(home.config_file)
        self.model_folder = home.models / self.config.model_name
        check_base_model(self.model_folder, self.config.base_model)
        self.hero: Hero = load_hero(self.model_folder / HERO_FILE)
        asked: Training = training_of(self.config, self.hero.training, home.config_file)
        self.locked = bound(home, self.config, asked)
        self.wanted = msgspec.structs.replace(asked, max_length=self.locked.max_length)
        self.control = Control(home)
        self.wishes = BattleControl(self.control, home.config_file, self.hero.training)
        self.board = QuestBoard(QuestQueue(home), History(home.history, "trainer"), self._tell_unread)
        self.attempt = Attempt(home.current_model / ".attempt")
        self.stream: Iterator[StreamedStep] | None = None
        self.idle_since: float | None = None
        self.told_problems: list[str] = []

    # Life

    def run(self) -> None:
        """After `recover`: until told to stop, and then to a last seal."""
        device = self.hero_in_memory.engine.model.device
        text = f"{self.hero.name} stands at step {self.campaign.step:,}, on {device}"
        self.frame.ready(text)
        self.log.events.emit("daemon.started", text)
        while not self.frame.stopping.is_set():
            self.frame.tick("step")
            self.turn()
        self.log.show(state="stopping")
        self._forget(self.keeper.seal_now(self.campaign))
        self.log.show(state="ended", campaign=self.campaign)
        self.log.events.emit("daemon.ended", f"the trainer ended as it was told, at step {self.campaign.step:,}")
        self.log.heartbeat(self.frame)

    def recover(self) -> None:
        """From files alone to where training stood. Raises HeroError, JournalHole, OSError."""
        self.frame.tick("load")
        sweep(self.home.seals)
        seal, problems = newest_verified(self.home.seals)
        for problem in problems:
            self.log.events.emit("incident.opened", f"a seal does not verify: {problem}", key=problem)
        self.loaded: LoadedHero | None = load_hero_from(self.model_folder, seal, self.wanted, self.config)
        self.campaign = self._campaign(seal)
        self.hero_in_memory.engine.adopt(self.campaign.training)
        self.journal = self._journal_opened()
        self.replay = Replay(self.journal.lines, self.campaign)
        self.log.of_campaign(self._campaign_id())
        self.lost = self.replay.lost_claims
        self.one_shots_obeyed = {line.data["flag"] for line in self.journal.lines if "flag" in line.data}
        self.keeper = SealKeeper(
            self.frame,
            self.home,
            self.log,
            self.board,
            self.config,
            self.model_folder,
            self.hero_in_memory,
            self.journal,
        )
        self._put_in_order(seal)
        self._open_stream()
        self.log.parameters, self.log.peak = self.hero_in_memory.parameters, self.hero_in_memory.peak
        self.log.show(state="idle", campaign=self.campaign, newest_checkpoint=self.keeper.newest_checkpoint())

    @property
    def hero_in_memory(self) -> LoadedHero:
        assert self.loaded is not None, "released by .stop; recover() loads it again"
        return self.loaded

    def _put_in_order(self, seal: Seal | None) -> None:
        """Folders and rows as the seal and the journal say they should be."""
        for name in self.board.release_unclaimed(self.campaign, self.replay.claimed_quests):
            self.log.events.emit("quest.returned", f"{name} was not in the journal and waits again", key=name)
        if seal:
            self.keeper.file(self.campaign, seal.folder.name)
            self._forget({claim.number for claim in self.campaign.ended})
        self.log.metrics.rewind(self.campaign.step)
        if self.replay:
            self.frame.log("replay", from_step=self.campaign.step, to_step=self.replay.last_step)

    def turn(self) -> None:
        self._forget(self.keeper.land())
        if self._apply_journalled():
            return
        if not self.replay and self._held():
            return
        if self.campaign.cursor is None:
            self._claim_or_rest()
        else:
            self._step()

    # Loading

    def _campaign(self, seal: Seal | None) -> Campaign:
        if seal is None:
            return Campaign(hero=self.hero.id, training=self.wanted)
        state = read_state(seal)
        if state.campaign.hero != self.hero.id:
            raise HeroError(
                f"{self.home.current_model} is the journey of {state.campaign.hero}, config.json names {self.hero.id}:"
                " move current_model aside to begin a new campaign"
            )
        for difference in exactness.differences(state.fingerprint, self.hero_in_memory.fingerprint):
            self.frame.log("replay", not_bit_equal=difference)
        return state.campaign

    def _journal_opened(self) -> Journal:
        """A journal with a hole is set aside: the seal stands alone, and claims after it wait again."""
        first = self.campaign.journal_seq + 1
        try:
            return Journal(self.home.journal, first)
        except JournalHole as hole:
            aside = set_aside(self.home.journal)
            self.frame.log("incident", reason=hole, moved_to=aside)
            self.log.events.emit("incident.opened", f"{hole}; the journal lies in {aside.name}", key=str(hole))
            return Journal(self.home.journal, first)

    def _campaign_id(self) -> str:
        """Named by the seal, else by the journal's first line, which a new campaign writes."""
        if not self.campaign.id:
            born = next((line for line in self.journal.lines if line.kind == "campaign"), None)
            born = born or self.journal.append("campaign", self.campaign.position, id=os.urandom(4).hex())
            self.campaign = msgspec.structs.replace(self.campaign, id=str(born.data["id"]))
            self._reached()
        return self.campaign.id

    # The journal

    def _apply_journalled(self) -> bool:
        """Applies one line that is due at this position."""
        line = self.replay.next_due(self.campaign)
        if line is None:
            return False
        if line.kind == "claim":
            self._begin(msgspec.convert(line.data["claim"], Claim))
        else:
            self._decide(line)
        self._reached()
        if not self.replay:
            self.frame.log("replay", finished_at_step=self.campaign.step)
        return True

    def _journal(self, kind: str, **data: object) -> None:
        """A decision taken now: durable first, then its effect."""
        line = self.journal.append(kind, self.campaign.position, **data)
        self._decide(line)
        self._reached()

    def _decide(self, line: Line) -> None:
        """The effect of a line, the same live and replayed. A line about a claim that is over has none."""
        about_active = self.campaign.active is not None and line.at.claim == self.campaign.active.number
        match line.kind:
            case "skip" if about_active:
                self._end("skipped")
            case "fail" if about_active:
                findings = msgspec.convert(line.data.get("findings", ()), tuple[Finding, ...])
                self.campaign = campaigns.found(self.campaign, findings)
                self._end("failed", str(line.data["reason"]))
            case "drop" if about_active and same_place(line.at, self.campaign.position):
                self._pass_over(str(line.data["reason"]))
            case "config":
                changed = {**msgspec.to_builtins(self.campaign.training), **line.data["changes"]}
                self._adopt(msgspec.convert(changed, Training))
            case "split":
                self.campaign = msgspec.structs.replace(
                    self.campaign, tokens_per_pass=int(line.data["tokens_per_pass"])
                )

    def _reached(self) -> None:
        """A line has had its effect. One that is written during replay leaves those behind that still wait."""
        applied = self.replay.applied_seq
        seq = self.journal.last_seq if applied is None else applied
        self.campaign = msgspec.structs.replace(self.campaign, journal_seq=max(seq, self.campaign.journal_seq))

    def _adopt(self, training: Training) -> None:
        self.hero_in_memory.engine.adopt(training)
        self.campaign = msgspec.structs.replace(self.campaign, training=training)
        self.frame.config_hash = training.digest

    # Claims

    def _claim_or_rest(self) -> None:
        if left := self.replay.give_up():
            self.frame.log("replay", left_out=len(left))
        claim = self.board.next_claim(self.campaign.last_claim + 1, self.wanted)
        if claim is None:
            self._rest()
            return
        self.idle_since = None
        self.journal.append("claim", self.campaign.position, claim=msgspec.to_builtins(claim))
        self._begin(claim)
        self._reached()

    def _tell_unread(self, quest: str, reason: str) -> None:
        self.frame.log("fail", quest=quest, steps=0, reason=reason)
        self.log.events.emit("quest.failed", f"{quest}: {reason}", key=quest)

    def _begin(self, claim: Claim) -> None:
        self.campaign = campaigns.begin(self.campaign, claim)
        self._adopt(claim.training)
        self.frame.log("claim", quest=claim.quest, number=claim.number, step=self.campaign.step)
        self.log.events.emit("quest.claimed", f"{claim.quest} is fought", claim=claim.number)
        self.log.rest()
        self._open_stream()

    def _open_stream(self) -> None:
        """The active claim's steps from the cursor on."""
        self.stream = None
        claim, cursor = self.campaign.active, self.campaign.cursor
        if claim is None or cursor is None:
            return
        file = None if claim.number in self.lost else self.board.take(claim)
        if file is None:
            self._lose(claim)
            return
        training = self.campaign.training
        held_out = holdout_rule(training.holdout)
        self.validation = self._validation(file) if training.eval_steps else ()
        chat, spec = self.hero_in_memory.chat, get_spec(claim.schema_id)
        self.stream = steps(file, cursor, chat=chat, spec=spec, training=training, held_out=held_out)

    def _validation(self, file: Path) -> Step:
        own = self.home.validation / "own.jsonl"
        source, rule = (
            (own, lambda line: True) if own.exists() else (file, holdout_rule(self.campaign.training.holdout))
        )
        window = Window(Cursor(claim=0), tuple(held_out_lines([source], rule, VALIDATION_LINES)))
        training = self.campaign.training
        examples, _ = window_examples(
            window, self.hero_in_memory.chat, get_spec("chat_sft_v1"), training, lambda line: False
        )
        return cut_passes(examples, training.tokens_per_pass)

    def _lose(self, claim: Claim) -> None:
        if claim.number not in self.lost:
            self.lost.add(claim.number)
            self.journal.append("lost", self.campaign.position, claim=claim.number)
        self.frame.log("lost", quest=claim.quest)
        self.log.events.emit("quest.lost", f"{claim.quest} is nowhere in the queue", claim=claim.number)
        self._end("lost", "its folder was removed")

    def _end(self, outcome: campaigns.Outcome, reason: str | None = None) -> None:
        self.campaign = campaigns.end(self.campaign, outcome, reason)
        self.stream = None
        self.log.show(campaign=self.campaign)

    # Steps

    def _step(self) -> None:
        claim, cursor = self.campaign.claims[-1], self.campaign.cursor
        assert cursor is not None
        assert self.stream is not None
        began = time.perf_counter()
        try:
            streamed = next(self.stream, None)
            if streamed is None:
                self._end_of_file(claim, cursor)
                return
            if not streamed.passes:
                self.campaign = campaigns.stepped(self.campaign, streamed.after, streamed.counts, None)
                return
            examples = [example for one in streamed.passes for example in one]
            mask_ratio = check_mask(examples, self.hero_in_memory.chat, get_spec(claim.schema_id))
        except (BadLine, BrokenMask) as error:
            self._journal("fail", reason=str(error), findings=msgspec.to_builtins([_finding(error)]))
            return
        data_seconds = time.perf_counter() - began
        if self.attempt.is_poison(cursor):
            self._drop(streamed, "it killed the process three times")
            return
        self.attempt.begin(cursor)
        result = self._trained(examples)
        self.attempt.survived(cursor)
        if not result.applied:
            self._drop(streamed, "its loss or gradient is not a number")
            return
        result.split["data"] = data_seconds
        measured = Measured(
            loss=result.loss,
            learning_rate=result.learning_rate,
            tokens=result.tokens,
            labelled_tokens=result.labelled_tokens,
            examples=len(examples),
        )
        self.campaign = campaigns.stepped(self.campaign, streamed.after, streamed.counts, measured)
        self._validate()
        self.log.stepped(self.campaign, result, mask_ratio, streamed.bytes_done, self.keeper.unsealed_minutes)
        self._checkpoint_if_due()

    def _trained(self, examples: list[Example]) -> StepResult:
        """One optimizer step, in smaller passes after each out-of-memory error. Raises it if none is smaller."""
        engine = self.hero_in_memory.engine
        while True:
            budget = self.campaign.tokens_per_pass or self.campaign.training.tokens_per_pass
            try:
                return engine.step(self.campaign.step + 1, cut_passes(examples, budget))
            except torch.OutOfMemoryError as error:
                engine.forget_gradients()
                if budget // 2 < max(len(example.ids) for example in examples):
                    raise
                self._journal("split", tokens_per_pass=budget // 2, reason=str(error)[:200])
                self.log.events.emit("resource.short", f"out of memory: {budget // 2:,} tokens a pass from now on")

    def _end_of_file(self, claim: Claim, cursor: Cursor) -> None:
        if claim.epoch < claim.epochs:
            self.campaign = campaigns.next_epoch(self.campaign, cursor)
            self._open_stream()
        elif self.board.queue.find(claim.quest) is None:  # a hand removed it while its open file was read to the end
            self._lose(claim)
        else:
            self._end("completed")

    def _drop(self, streamed: StreamedStep, reason: str) -> None:
        """The step is in the stream already: its line comes first, then we walk on without it."""
        line = self.journal.append("drop", self.campaign.position, reason=reason)
        self._walk_past(streamed, reason)
        self._reached()
        self.frame.log("drop", step=self.campaign.step, reason=reason)
        claim = self.campaign.claims[-1]
        self.log.events.emit("step.dropped", reason, claim=claim.number, key=str(line.seq))
        if claim.dropped_steps > DROPS_ALLOWED:
            self._journal("fail", reason=f"{claim.dropped_steps} steps were dropped; the last: {reason}")

    def _pass_over(self, reason: str) -> None:
        """A step that the journal says was dropped."""
        assert self.stream is not None
        if streamed := next(self.stream, None):
            self._walk_past(streamed, reason)

    def _walk_past(self, streamed: StreamedStep, reason: str) -> None:
        self.campaign = campaigns.dropped(self.campaign, _findings_of_drop(streamed, reason))
        self.campaign = campaigns.stepped(self.campaign, streamed.after, streamed.counts, None)

    def _validate(self) -> None:
        every = self.campaign.training.eval_steps
        if every and self.campaign.step % every == 0:
            self._validate_now()

    def _validate_now(self) -> None:
        if self.validation:
            loss = self.hero_in_memory.engine.validation_loss(self.validation)
            self.campaign = msgspec.structs.replace(
                self.campaign, validation_loss=loss, validation_step=self.campaign.step
            )

    # What people ask for

    def _held(self) -> bool:
        """Obeys flags, holds and config; True if nothing is to be trained now."""
        self._obey_config()
        self._obey_one_shots()
        if self.wishes.stopped:
            self._stop()
            return True
        if reasons := self.wishes.pause_reasons():
            self._pause(reasons)
            return True
        if self.log.view.state == "paused":
            self.frame.log("resume", step=self.campaign.step)
            self.log.events.emit("battle.resumed", "training goes on", step=self.campaign.step)
            self.log.show(state="idle", pause_reasons=())
        return self._starved()

    def _obey_config(self) -> None:
        changed = self.wishes.changed_config(self.locked)
        problems = tuple(self.wishes.config_problems)
        if problems and self.wishes.config_problems != self.told_problems:
            self.frame.log("config", problems="; ".join(problems))
            self.log.events.emit("config.refused", "; ".join(problems))
        self.told_problems = self.wishes.config_problems
        self.log.show(problems=problems + ((self.keeper.problem,) if self.keeper.problem else ()))
        if changed is None:
            return
        self.config, self.wanted = changed
        self.keeper.adopt(self.config)
        old, new = msgspec.to_builtins(self.campaign.training), msgspec.to_builtins(self.wanted)
        changes = {key: new[key] for key in AT_A_STEP if new[key] != old[key]}
        if changes:
            self._journal("config", changes=changes)
            self.log.events.emit("config.changed", str(changes), step=self.campaign.step)

    def _obey_one_shots(self) -> None:
        for name in ("skip", "seal"):
            flag = self.control.flag(name)
            if flag is None:
                continue
            if flag.identity not in self.one_shots_obeyed:
                self.one_shots_obeyed.add(flag.identity)
                claim = self.campaign.active
                self._journal(name, flag=flag.identity)
                self.keeper.asked |= name == "seal"
                if name == "skip" and claim:
                    self.frame.log("skip", quest=claim.quest, step=self.campaign.step)
                    self.log.events.emit("quest.skipped", f"{claim.quest} is skipped", claim=claim.number)
            self.control.lower(flag)

    def _pause(self, reasons: list[str]) -> None:
        if self.log.view.state != "paused":
            self.frame.log("pause", reasons="; ".join(reasons), step=self.campaign.step)
            self.log.events.emit("battle.paused", "; ".join(reasons), step=self.campaign.step)
            self.keeper.asked = True
            self.log.rest()
        self.log.show(state="paused", pause_reasons=tuple(reasons), campaign=self.campaign)
        self.keeper.start_if_due(self.campaign)
        self.frame.wait(POLL)

    def _stop(self) -> None:
        """Seals, gives the accelerator back, and waits for a person."""
        self._forget(self.keeper.seal_now(self.campaign))
        self.log.events.emit("battle.stopped", "stopped by .stop", step=self.campaign.step)
        self.log.show(state="stopped", campaign=self.campaign)
        self._release_while(lambda: self.wishes.stopped)

    def _release_while(self, wanted: Callable[[], bool]) -> None:
        """Gives memory and accelerator back, if a seal has what is in them, and loads again when they are needed."""
        released = self.keeper.covers(self.campaign)
        if released:
            self.loaded = self.stream = None
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        while wanted() and not self.frame.stopping.is_set():
            self.frame.wait(POLL)
        if released and not self.frame.stopping.is_set():
            self.recover()

    def _rest(self) -> None:
        """Nothing waits: seal once the queue has been dry for a while."""
        now = time.monotonic()
        if self.idle_since is None:
            self.idle_since = now
            self.log.rest()
        idle_minutes = (now - self.idle_since) / 60
        self.log.show(state="idle", campaign=self.campaign, unsealed_minutes=self.keeper.unsealed_minutes)
        if idle_minutes >= self.config.seals.dry_minutes and self.campaign.claims:
            self.keeper.asked = True
        self.keeper.start_if_due(self.campaign)
        if 0 < self.config.release_when_idle_minutes <= idle_minutes:
            self._forget(self.keeper.seal_now(self.campaign))
            self._release_while(lambda: not self.board.queue.waiting() and not self.wishes.stopped)
            self.idle_since = None
        self.frame.wait(POLL)

    # Seals and checkpoints

    def _starved(self) -> bool:
        """True while a full disk has kept seals away for too long."""
        self.keeper.start_if_due(self.campaign)
        if not self.keeper.is_overdue:
            return False
        self.log.show(state="waiting")
        self.frame.wait(POLL)
        return True

    def _forget(self, filed: set[int]) -> None:
        if filed:
            self.campaign = campaigns.filed(self.campaign, filed)

    def _checkpoint_if_due(self) -> None:
        step = self.campaign.step
        if step % self.campaign.training.checkpoint_steps or step <= self.campaign.last_checkpoint_step:
            return
        if self.campaign.validation_step != step:
            self._validate_now()  # the record says what the loss is now, not what it was
        self.campaign = msgspec.structs.replace(self.campaign, last_checkpoint_step=step)
        self._forget(self.keeper.checkpoint(self.campaign))


def _finding(error: BadLine | BrokenMask) -> Finding:
    if isinstance(error, BadLine):
        return Finding(error.line, error.finding, error.text, error.how_to_mend)
    return Finding(None, "broken_mask", str(error), "nothing is wrong with the quest: report it as a fault of realm")


def _findings_of_drop(streamed: StreamedStep, reason: str) -> tuple[Finding, ...]:
    """The lines that a dropped step held: one of them is at fault, and no one knows which."""
    lines = sorted(example.line for one in streamed.passes for example in one if example.line)
    text = f"was in a step of {len(lines)} lines that was dropped: {reason}"
    return tuple(
        Finding(line, "dropped_step", text, "drop the quest again without the line at fault") for line in lines
    )


def bound(home: Home, config: Config, asked: Training) -> Locked:
    """What this home's campaign is locked to; the first start locks what is asked for.

    Raises ConfigError for another hero's config. Another max_length is not obeyed, and the status names it.
    """
    wanted = Locked.of(config, asked)
    locked = read_locked(home.current_model)
    if locked is None:
        write_locked(home.current_model, wanted)
        return wanted
    if problems := locked.changes(msgspec.structs.replace(wanted, max_length=locked.max_length)):
        raise ConfigError(home.config_file, problems)
    return locked


def main(home: Path) -> None:
    """Runs until told to stop.

    Exits with 75 if another trainer holds the lock, 78 for what a person must mend, 69 without the device asked for.
    """
    silence_transformers()
    realm_home = Home(home)
    try:
        realm_home.check_whole()
    except HomeError as error:
        raise SystemExit(str(error)) from None
    log = BattleLog(realm_home)
    with Frame("trainer", realm_home.locks, interval_s=INTERVAL, on_heartbeat=log.heartbeat) as frame:
        try:
            trainer = Trainer(frame, realm_home, log)
            trainer.recover()
        except (HeroError, ConfigError) as error:
            frame.log("cannot-start", reason=error)
            raise SystemExit(CANNOT_START) from None
        except NoAccelerator as error:
            frame.log("wait", reason=error)
            raise SystemExit(os.EX_UNAVAILABLE) from None  # systemd starts it again, after a while
        trainer.run()
