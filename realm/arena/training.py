"""The trainer's work: recover from files alone, then look at the world and train at most one step, turn by turn."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from realm.arena.battle.attempt import Attempt
from realm.arena.battle.campaign import Campaign
from realm.arena.battle.checkpoint import sweep as sweep_checkpoints
from realm.arena.battle.fingerprint import differences
from realm.arena.battle.journal import Journal, JournalHole, set_aside
from realm.arena.battle.learner import LoadedHero, Loader
from realm.arena.battle.seal import Seal, newest_verified, retain, sweep
from realm.arena.battle.sealed_state import read_state
from realm.arena.battle_control import BattleControl
from realm.arena.battle_log import BattleLog
from realm.arena.fight import Fight
from realm.arena.quest_board import QuestBoard
from realm.arena.seal_keeper import SealKeeper
from realm.arena.validation import Validation
from realm.armory.heroes import HERO_FILE, Hero, HeroError, check_base_model, load_hero
from realm.core.config import AT_A_STEP, Config, ConfigError, Training, load_config, training_of
from realm.core.control import Control, Flag, Order
from realm.core.daemon import Frame
from realm.core.history import History
from realm.core.locked import Locked, read_locked, write_locked
from realm.core.paths import Home
from realm.core.quests import QuestQueue

POLL = 0.25  # seconds between looks at the queue or the flags while nothing is trained


@dataclass(frozen=True)
class InMemory:
    """Everything that holds the model, so that forgetting it gives memory and accelerator back."""

    hero: LoadedHero
    fight: Fight
    keeper: SealKeeper


class Trainer:
    """One campaign, fought by one process. `turn` is one look at the world and at most one step."""

    def __init__(self, frame: Frame, home: Home, log: BattleLog, loader: Loader):
        self.frame = frame
        self.home = home
        self.log = log
        self.loader = loader
        self.config: Config = load_config(home.config_file)
        self.model_folder = home.models / self.config.model_name
        check_base_model(self.model_folder, self.config.base_model)
        self.hero: Hero = load_hero(self.model_folder / HERO_FILE)
        asked: Training = training_of(self.config, self.hero.training, home.config_file)
        self.locked = bound(home, self.config, self.hero.id, asked)
        self.wanted = msgspec.structs.replace(asked, max_length=self.locked.max_length)
        self.control = Control(home)
        self.wishes = BattleControl(self.control, home.config_file, self.hero.training)
        self.board = QuestBoard(QuestQueue(home), History(home.history, "trainer"), self._tell_unread)
        self.attempt = Attempt(home.current_model / ".attempt")
        own = home.validation / "own.jsonl"
        self.validation = Validation(own, lambda problem: frame.log("validation", problem=problem))
        self.wake = threading.Event()  # what sets it ends an idle trainer's rest
        self.in_memory: InMemory | None = None
        self.idle_since: float | None = None
        self.told_problems: list[str] = []
        self.order: Order | None = None  # that is being carried out

    # Life

    def run(self) -> None:
        """After `recover`: until told to stop, and then to a last seal."""
        text = f"{self.hero.name} stands at step {self.fight.campaign.step:,}, on {self._loaded.hero.device}"
        self.frame.ready(text)
        self.log.events.emit("daemon.started", text)
        while not self.frame.stopping.is_set():
            self.frame.tick("step")
            self.turn()
        self.log.show(state="stopping")
        if self.in_memory:  # else a seal has it
            self._seal()
        self.log.show(state="ended")
        self.log.events.emit("daemon.ended", "the trainer ended as it was told")
        self.log.heartbeat(self.frame)

    def recover(self) -> None:
        """From files alone to where training stood. Raises HeroError, JournalHole, OSError."""
        self.frame.tick("load")
        self.home.sweep()
        sweep(self.home.seals)
        sweep_checkpoints(self.home.current_model)
        seal, problems = newest_verified(self.home.seals)
        for problem in problems:
            self.log.events.emit("incident.opened", f"a seal does not verify: {problem}", key=problem)
        hero = self.loader.load(self.model_folder, seal, self.wanted, self.config)
        campaign = self._campaign(seal, hero)
        journal = self._journal_opened(campaign)
        self.one_shots_obeyed = {line.data["flag"] for line in journal.lines if "flag" in line.data}
        fight = Fight(self.frame, self.log, self.board, self.attempt, self.validation, hero, campaign, journal)
        keeper = SealKeeper(self.frame, self.home, self.log, self.board, self.config, self.model_folder, hero, journal)
        self.in_memory = InMemory(hero, fight, keeper)
        self._put_in_order(seal)
        fight.open_stream()
        self.log.parameters, self.log.peak = hero.parameters, hero.peak
        self.log.show(state="idle", campaign=fight.campaign, newest_checkpoint=keeper.checkpoints.newest)

    @property
    def _loaded(self) -> InMemory:
        assert self.in_memory is not None, "released; recover() loads it again"
        return self.in_memory

    @property
    def fight(self) -> Fight:
        return self._loaded.fight

    @property
    def keeper(self) -> SealKeeper:
        return self._loaded.keeper

    def _put_in_order(self, seal: Seal | None) -> None:
        """Folders and rows as the seal and the journal say they should be."""
        fight = self.fight
        for name in self.board.release_unclaimed(fight.campaign, fight.replay.claimed_quests):
            self.log.events.emit("quest.returned", f"{name} was not in the journal and waits again", key=name)
        if seal:
            retain(self.home.seals)  # a third one, from before a crash, frees what filing may need
            fight.forget(self.keeper.resumed_from(fight.campaign, seal.folder.name))
        self.log.metrics.rewind(fight.campaign.step)
        if fight.replay:
            self.frame.log("replay", from_step=fight.campaign.step, to_step=fight.replay.last_step)

    def turn(self) -> None:
        """No name here may hold the fight: what `_held` and `_claim_or_rest` release must be free."""
        self.fight.forget(self.keeper.land())
        self.log.show(seals_of_a_day=self.keeper.written_in_a_day())
        if self.fight.apply_journalled():
            return
        if self._paused() if self.fight.replay else self._held():
            return
        if self.fight.campaign.cursor is None:
            self._claim_or_rest()
        elif self.fight.shortage:
            self._wait_for_folder(self.fight.shortage)
        else:
            self.log.show(unsealed_minutes=self.keeper.unsealed_minutes)
            self._checkpoint_if_due()  # before the next step, so that one that a kill cut off is of the same step
            self.fight.step()
            if self.fight.wants_next and (quest := self.board.first_waiting(self._unfiled())):
                self.fight.prepare(quest, self.wanted)

    # Loading

    def _campaign(self, seal: Seal | None, hero: LoadedHero) -> Campaign:
        if seal is None:
            return Campaign(hero=self.hero.id, training=self.wanted)
        state = read_state(seal)
        refuse_another_hero(self.home, state.campaign.hero, self.hero.id)
        for difference in differences(state.fingerprint, hero.fingerprint):
            self.frame.log("replay", not_bit_equal=difference)
        return state.campaign

    def _journal_opened(self, campaign: Campaign) -> Journal:
        """A journal with a hole is set aside: the seal stands alone, and claims after it wait again."""
        first = campaign.journal_seq + 1
        try:
            journal = Journal(self.home.journal, first)
            if journal.begins <= first <= journal.last_seq + 1:
                if campaign.id and journal.is_new:
                    self._tell_hole(f"{self.home.journal} was empty: what was decided after the newest seal is lost")
                return journal
            missing = (first, journal.begins - 1) if first < journal.begins else (journal.last_seq + 1, first - 1)
            gap = f"{self.home.journal}: the lines {missing[0]} to {missing[1]} are missing"
            if not campaign.id:
                raise HeroError(
                    f"{self.home.seals}: no seal verifies, and {gap}: put a good one back (the bad are corrupt-...), or"
                    " move current_model aside and run `realm init`: a new campaign begins"
                )
            raise JournalHole(gap)
        except JournalHole as hole:
            aside = set_aside(self.home.journal)
            self._tell_hole(f"{hole}; the journal lies in {aside}")
            return Journal(self.home.journal, first)

    def _tell_hole(self, reason: str) -> None:
        self.frame.log("incident", reason=reason)
        self.log.events.emit("incident.opened", reason, key=reason)

    # Claims

    def _claim_or_rest(self) -> None:
        if left := self.fight.replay.give_up():
            self.frame.log("replay", left_out=len(left))
        claim = self.board.next_claim(self.fight.campaign.last_claim + 1, self.wanted, self._unfiled())
        if claim is None:
            self._rest()
        else:
            self.idle_since = None
            self.fight.claim(claim)

    def _unfiled(self) -> set[str]:
        """Quests that no seal covers: they are claimed."""
        return {one.quest for one in self.fight.campaign.claims}

    def _wait_for_folder(self, reason: str) -> None:
        """The active claim's folder cannot be moved: its mount is read-only, or the like."""
        if self.log.view.state != "waiting":
            self.frame.log("wait", reason=reason)
            self.log.events.emit("resource.short", reason)
        self.log.show(state="waiting", problems=(reason,))
        self.frame.wait(POLL)
        self.fight.open_stream()
        if not self.fight.shortage:
            self.log.events.emit("resource.back", "the quest's folder is where it belongs")

    def _tell_unread(self, quest: str, reason: str) -> None:
        self.frame.log("fail", quest=quest, steps=0, reason=reason)
        self.log.events.emit("quest.failed", f"{quest}: {reason}", key=quest)

    # What people ask for

    def _held(self) -> bool:
        """Obeys flags, holds and config; True if nothing is to be trained now."""
        self._obey_config()
        self._obey_one_shots()
        self._obey_order()
        if self.wishes.stopped:
            self._stop()
            return True
        return self._paused() or self._starved()

    def _obey_config(self) -> None:
        changed = self.wishes.changed_config(self.locked)
        problems = tuple(self.wishes.config_problems)
        if problems and self.wishes.config_problems != self.told_problems:
            self.frame.log("config", problems="; ".join(problems))
            self.log.events.emit("config.refused", "; ".join(problems))
        self.told_problems = self.wishes.config_problems
        self.validation.look()
        self.log.show(
            problems=(*problems, *self.keeper.problems, *filter(None, (self.validation.problem, self.board.problem)))
        )
        if changed is None:
            return
        self.config, self.wanted = changed
        self.keeper.adopt(self.config)
        old, new = msgspec.to_builtins(self.fight.campaign.training), msgspec.to_builtins(self.wanted)
        changes = {key: new[key] for key in AT_A_STEP if new[key] != old[key]}
        if changes:
            self.fight.decide("config", changes=changes)
            self.log.events.emit("config.changed", str(changes), step=self.fight.campaign.step)

    def _obey_one_shots(self) -> None:
        for name in ("skip", "seal"):
            flag = self.control.flag(name)
            if flag is None:
                continue
            if flag.identity not in self.one_shots_obeyed:
                self.one_shots_obeyed.add(flag.identity)
                if name == "skip":
                    self._skip(flag)
                else:
                    self.fight.decide(name, flag=flag.identity)
                    self.keeper.asked = True
            self.control.lower(flag)

    def _skip(self, flag: Flag) -> None:
        """A claim that history has ended already, trained again as a seal was damaged, comes to the same end."""
        campaign = self.fight.campaign
        claim = campaign.active
        if claim and self.board.is_filed(claim, campaign.id):
            reason = f"{claim.quest} ended before and is trained again after a damaged seal: it is not skipped"
            self.fight.decide("skip_refused", flag=flag.identity)
            self.frame.log("skip", refused=reason)
            self.log.events.emit("skip.refused", reason, claim=claim.number)
            return
        self.fight.decide("skip", flag=flag.identity)
        if claim:
            self.frame.log("skip", quest=claim.quest, step=campaign.step)
            self.log.events.emit("quest.skipped", f"{claim.quest} is skipped", claim=claim.number)

    def _obey_order(self) -> None:
        """checkpoint: of this moment, answered when it is on disk. After a kill the order is still there."""
        self.order = self.order or self.control.next_order("trainer")
        if self.order is None:
            return
        if self.order.action != "checkpoint":
            self.control.refuse(self.order, f"{self.order.action!r} is unknown: the trainer knows checkpoint")
        elif not self.fight.campaign.step:
            self.control.refuse(self.order, "nothing was trained yet: the hero's own folder holds these weights")
        elif made := self.keeper.checkpoints.ordered(self.fight.campaign.step):
            self.control.answer(self.order, {"checkpoint": made})
        else:
            return
        self.order = None

    def _paused(self) -> bool:
        if reasons := self.wishes.pause_reasons():
            self._pause(reasons)
            return True
        if self.log.view.state == "paused":
            self._tell_resumed()
        return False

    def _pause(self, reasons: list[str]) -> None:
        if self.log.view.state != "paused":
            self.frame.log("pause", reasons="; ".join(reasons), step=self.fight.campaign.step)
            self.log.events.emit("battle.paused", "; ".join(reasons))
            self.keeper.asked = True
            self.log.rest()
        self.log.show(state="paused", pause_reasons=tuple(reasons), campaign=self.fight.campaign)
        if not self.fight.replay:
            self.keeper.start_if_due(self.fight.campaign)
        self.frame.wait(POLL)

    def _stop(self) -> None:
        """Seals, gives the accelerator back, and waits for a person."""
        self._seal()
        self.log.events.emit("battle.stopped", f"stopped by .stop at step {self.fight.campaign.step:,}")
        self.log.show(state="stopped", campaign=self.fight.campaign)
        self._release_while(lambda: self.wishes.stopped)
        if not self.frame.stopping.is_set():
            self._tell_resumed()

    def _tell_resumed(self) -> None:
        self.frame.log("resume", step=self.fight.campaign.step)
        self.log.events.emit("battle.resumed", f"training goes on at step {self.fight.campaign.step:,}")
        self.log.show(state="idle", pause_reasons=())

    def _release_while(self, wanted: Callable[[], bool]) -> None:
        """Gives memory and accelerator back, if a seal has what is in them, and loads again when they are needed."""
        released = self.keeper.covers(self.fight.campaign)
        if released:
            self.in_memory = None
            self.loader.give_back()
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
        unsealed = 0.0 if self.keeper.covers(self.fight.campaign) else self.keeper.unsealed_minutes
        self.log.show(state="idle", campaign=self.fight.campaign, unsealed_minutes=unsealed)
        is_dry = idle_minutes >= self.config.seals.dry_minutes and bool(self.fight.campaign.claims)
        self.keeper.start_if_due(self.fight.campaign, is_dry=is_dry)
        self._checkpoint_if_due()  # one for which the disk was full
        if 0 < self.config.release_when_idle_minutes <= idle_minutes:
            self._seal()
            self._release_while(lambda: not self.board.queue.count_waiting() and not self.wishes.stopped)
            self.idle_since = None
        self.frame.wait(POLL, self.wake)

    # Seals and checkpoints

    def _starved(self) -> bool:
        """True while a full disk has kept seals away for too long."""
        self.keeper.start_if_due(self.fight.campaign)
        if not self.keeper.is_overdue(self.fight.campaign):
            return False
        self.log.show(state="waiting")
        self.frame.wait(POLL)
        return True

    def _seal(self) -> None:
        self.fight.forget(self.keeper.seal_now(self.fight.campaign))
        self.log.show(campaign=self.fight.campaign)

    def _checkpoint_if_due(self) -> None:
        if not self.keeper.checkpoints.is_due(self.fight.campaign):
            return
        if self.fight.campaign.validation_step != self.fight.campaign.step:
            self.fight.validate_now()  # the record says what the loss is now, not what it was
        self.fight.forget(self.keeper.checkpoint(self.fight.campaign))


def bound(home: Home, config: Config, hero: str, asked: Training) -> Locked:
    """What this home's campaign is locked to; the first start locks what is asked for, or what the newest seal has.

    Raises HeroError, ConfigError for another hero's config. Another max_length is not obeyed, and the status names it.
    """
    wanted = Locked.of(config, asked)
    locked = read_locked(home.current_model)
    if locked is None:
        seal, _ = newest_verified(home.seals)
        if seal:
            sealed = read_state(seal).campaign
            refuse_another_hero(home, sealed.hero, hero)
            wanted = msgspec.structs.replace(wanted, max_length=sealed.training.max_length)
        write_locked(home.current_model, wanted)
        return wanted
    if problems := locked.changes(msgspec.structs.replace(wanted, max_length=locked.max_length)):
        raise ConfigError(home.config_file, problems)
    return locked


def refuse_another_hero(home: Home, sealed: str, asked: str) -> None:
    """Raises HeroError."""
    if sealed != asked:
        raise HeroError(
            f"{home.current_model} is the journey of {sealed}, and config.json names {asked}:"
            f" `realm config unlock model_name {asked}` moves it aside and begins a new one"
        )
