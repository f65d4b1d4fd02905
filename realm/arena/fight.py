"""A fight: one campaign in memory, trained step by step. Every decision is a line of the journal first."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from realm.arena.battle import campaign as campaigns
from realm.arena.battle.attempt import Attempt
from realm.arena.battle.campaign import Campaign, Claim, Measured
from realm.arena.battle.chat import Example
from realm.arena.battle.holdout import holdout_rule
from realm.arena.battle.journal import Journal, Line
from realm.arena.battle.learner import LoadedHero, OutOfMemory, StepResult
from realm.arena.battle.lookahead import Lookahead
from realm.arena.battle.mask import BrokenMask, check_mask
from realm.arena.battle.replay import Replay, same_place
from realm.arena.battle.specs import BadLine, get_spec
from realm.arena.battle.stream import Cursor, StreamedStep, cut_passes, steps
from realm.arena.battle_log import BattleLog
from realm.arena.intake.copying import SHORTAGES, Shortage
from realm.arena.quest_board import QuestBoard
from realm.arena.validation import Battle, Validation
from realm.core.config import Training
from realm.core.daemon import Frame
from realm.core.quests import QUEST_FILE, Finding, Quest, read_meta

DROPS_ALLOWED = 2  # of one claim; the third ends it
NEAR_END = 2**20  # bytes of a quest that are left when the next one is prepared

Looks = tuple[int, int, int]  # of a file: inode, bytes, nanoseconds of its last change


@dataclass(frozen=True)
class Source:
    """What a stream is a function of."""

    cursor: Cursor
    looks: Looks
    schema_id: str
    training: Training


class Fight:
    """`campaign` is how it stands; `replay` holds what the journal knows and is not trained again yet."""

    def __init__(
        self,
        frame: Frame,
        log: BattleLog,
        board: QuestBoard,
        attempt: Attempt,
        validation: Validation,
        hero: LoadedHero,
        campaign: Campaign,
        journal: Journal,
    ):
        self.campaign = campaign
        self.journal = journal
        self.replay = Replay(journal.lines, campaign)
        self._frame, self._log, self._board = frame, log, board
        self._attempt, self._validation, self._hero = attempt, validation, hero
        self._lost = self.replay.lost_claims
        self._stream: Iterator[StreamedStep] | None = None
        self._looks: Looks | None = None  # of the stream's file when it was opened
        self._lookahead = Lookahead()
        self._prepared: tuple[Source, Iterator[StreamedStep]] | None = None  # of the quest that may be claimed next
        self._left = 0  # bytes of the active claim's quest after the last step
        self.shortage: str | None = None  # why the active claim's folder cannot be taken now
        log.of_campaign(self._campaign_id())
        hero.learner.adopt(campaign.training)

    def _campaign_id(self) -> str:
        """Named by the seal, else by the journal's first line, which a new campaign writes."""
        if not self.campaign.id:
            born = next((line for line in self.journal.lines if line.kind == "campaign"), None)
            born = born or self.journal.append("campaign", self.campaign.position, id=os.urandom(4).hex())
            self.campaign = msgspec.structs.replace(self.campaign, id=str(born.data["id"]))
            self._reached()
        return self.campaign.id

    # The journal

    def apply_journalled(self) -> bool:
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
            self._frame.log("replay", finished_at_step=self.campaign.step)
        return True

    def decide(self, kind: str, **data: object) -> None:
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
        self._hero.learner.adopt(training)
        self.campaign = msgspec.structs.replace(self.campaign, training=training)
        self._frame.config_hash = training.digest

    # Claims

    def claim(self, claim: Claim) -> None:
        """Takes a waiting quest: its first step comes next."""
        self.journal.append("claim", self.campaign.position, claim=msgspec.to_builtins(claim))
        self._begin(claim, is_checked=True)
        self._reached()

    def _begin(self, claim: Claim, *, is_checked: bool = False) -> None:
        self.campaign = campaigns.begin(self.campaign, claim)
        self._adopt(claim.training)
        self._frame.log("claim", quest=claim.quest, number=claim.number, step=self.campaign.step)
        self._log.events.emit("quest.claimed", f"{claim.quest} is fought", claim=claim.number)
        self._log.rest()
        self.open_stream(is_checked=is_checked)

    def open_stream(self, *, is_checked: bool = False) -> None:
        """The active claim's steps from the cursor on; again after a start, once folders lie where they belong.

        `is_checked`: the quest was compared with its digest just now.
        """
        self._stream = self.shortage = None
        claim, cursor = self.campaign.active, self.campaign.cursor
        if claim is None or cursor is None:
            return
        try:
            again = self._board.asked_again(claim, self.campaign.id)
            file = None if claim.number in self._lost else again or self._board.take(claim)
            if file is None:
                self._lose(claim)
                return
            if not is_checked and (change := self._board.changed(claim, file)):
                self.decide("fail", reason=change)
                return
            self._looks = _looks(file)
        except FileNotFoundError:  # a hand moved it just now
            self.open_stream()
            return
        except OSError as error:
            if error.errno not in SHORTAGES:
                raise
            self.shortage = f"{claim.quest} cannot be brought to queue/processing: {Shortage.of(error)}"
            return
        training = self.campaign.training
        source = Source(cursor, self._looks, claim.schema_id, training)
        prepared, self._prepared = self._prepared, None
        self._stream = prepared[1] if prepared and prepared[0] == source else self._streamed(file, source)
        self._validation.begin(Battle(file, get_spec(claim.schema_id), self._hero.chat, training))

    def _streamed(self, file: Path, source: Source) -> Iterator[StreamedStep]:
        """Its first window is begun at once, in another thread."""
        return steps(
            file,
            source.cursor,
            chat=self._hero.chat,
            spec=get_spec(source.schema_id),
            training=source.training,
            held_out=holdout_rule(source.training.holdout),
            ready=self._lookahead.one_ahead,
        )

    @property
    def wants_next(self) -> bool:
        """The active claim is near its end, and nothing is prepared for the time after it."""
        claim = self.campaign.active
        return bool(claim and claim.epoch == claim.epochs and self._left < NEAR_END and not self._prepared)

    def prepare(self, quest: Quest, training: Training) -> None:
        """Begins to read and tokenise a waiting quest; if another is claimed, or it has changed, in vain."""
        file = quest.path / QUEST_FILE
        with suppress(OSError, ValueError):  # its claim tells what is wrong with it
            schema_id = read_meta(quest.path).schema_id
            source = Source(Cursor(self.campaign.last_claim + 1), _looks(file), schema_id, training)
            self._prepared = source, self._streamed(file, source)

    def _lose(self, claim: Claim) -> None:
        if claim.number not in self._lost:
            self._lost.add(claim.number)
            self.journal.append("lost", self.campaign.position, claim=claim.number)
        self._frame.log("lost", quest=claim.quest)
        self._log.events.emit("quest.lost", f"{claim.quest} is nowhere in the queue", claim=claim.number)
        self._end("lost", "its folder was removed")

    def _end(self, outcome: campaigns.Outcome, reason: str | None = None) -> None:
        self.campaign = campaigns.end(self.campaign, outcome, reason)
        self._stream = None
        self._log.show(campaign=self.campaign)

    # Steps

    def step(self) -> None:
        """The next one of the active claim: trained, dropped, or its end."""
        claim, cursor = self.campaign.claims[-1], self.campaign.cursor
        assert cursor is not None
        assert self._stream is not None
        if claim.dropped_steps > DROPS_ALLOWED:  # here, as a kill may come right after the last drop's line
            self.decide("fail", reason=f"{claim.dropped_steps} steps were dropped: the findings name their lines")
            return
        began = time.perf_counter()
        try:
            streamed = next(self._stream, None)
            if streamed is None:
                self._end_of_file(claim, cursor)
                return
            if not streamed.passes:
                self.campaign = campaigns.stepped(self.campaign, streamed.after, streamed.counts, None)
                return
            examples = [example for one in streamed.passes for example in one]
            mask_ratio = check_mask(examples, self._hero.chat, get_spec(claim.schema_id))
        except FileNotFoundError:  # a hand moved it before it was opened: it is brought back, or lost
            self.open_stream()
            return
        except (BadLine, BrokenMask) as error:
            self.decide("fail", reason=str(error), findings=msgspec.to_builtins([_finding(error)]))
            return
        data_seconds = time.perf_counter() - began
        if self._attempt.is_poison(cursor):
            self._drop(streamed, "it killed the process three times")
            return
        self._attempt.begin(cursor)
        result = self._trained(examples)
        self._attempt.survived(cursor)
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
            device_bytes=result.device_bytes,
        )
        self.campaign = campaigns.stepped(self.campaign, streamed.after, streamed.counts, measured)
        self._left = claim.size - streamed.bytes_done
        self._validate()
        self._log.stepped(self.campaign, result, mask_ratio, streamed.bytes_done)

    def _trained(self, examples: list[Example]) -> StepResult:
        """One optimizer step, in smaller passes after each out-of-memory error. Raises it if none is smaller."""
        while True:
            training = self.campaign.training
            budget = min(self.campaign.tokens_per_pass or training.tokens_per_pass, training.tokens_per_pass)
            passes = cut_passes(examples, budget, packed=training.packed)
            try:
                return self._hero.learner.step(self.campaign.step + 1, passes)
            except OutOfMemory as error:
                if budget // 2 < max(len(example.ids) for example in examples):
                    raise
                self.decide("split", tokens_per_pass=budget // 2, reason=str(error)[:200])
                self._log.events.emit("resource.short", f"out of memory: {budget // 2:,} tokens a pass from now on")

    def _end_of_file(self, claim: Claim, cursor: Cursor) -> None:
        if claim.epoch < claim.epochs:
            self.campaign = campaigns.next_epoch(self.campaign, cursor)
            self.open_stream()
            return
        quest = self._board.queue.find(claim.quest)
        if quest is None:  # a hand removed it while its open file was read to the end
            self._lose(claim)
            return
        file = quest.path / QUEST_FILE
        touched = not file.exists() or _looks(file) != self._looks
        if touched and (change := self._board.changed(claim, file)):
            self.decide("fail", reason=change)
        else:
            self._end("completed")

    def _drop(self, streamed: StreamedStep, reason: str) -> None:
        """The step is in the stream already: its line comes first, then we walk on without it."""
        line = self.journal.append("drop", self.campaign.position, reason=reason)
        self._walk_past(streamed, reason)
        self._reached()
        self._frame.log("drop", step=self.campaign.step, reason=reason)
        claim = self.campaign.claims[-1]
        at = {"step": self.campaign.step}  # the last one before it, as no step was counted
        self._log.events.emit("step.dropped", reason, claim=claim.number, key=str(line.seq), data=at)

    def _pass_over(self, reason: str) -> None:
        """A step that the journal says was dropped."""
        assert self._stream is not None
        if streamed := next(self._stream, None):
            self._walk_past(streamed, reason)

    def _walk_past(self, streamed: StreamedStep, reason: str) -> None:
        self.campaign = campaigns.dropped(self.campaign, _findings_of_drop(streamed, reason))
        self.campaign = campaigns.stepped(self.campaign, streamed.after, streamed.counts, None)

    def forget(self, filed: set[int]) -> None:
        """Claims that a seal covers and whose folders are where they belong."""
        if filed:
            self.campaign = campaigns.filed(self.campaign, filed)

    def _validate(self) -> None:
        every = self.campaign.training.eval_steps
        if every and self.campaign.step % every == 0:
            self.validate_now()

    def validate_now(self) -> None:
        """Measures the validation loss of these weights, if there is anything to validate on."""
        if self._validation.passes:
            loss = self._hero.learner.validation_loss(self._validation.passes)
            self.campaign = msgspec.structs.replace(
                self.campaign, validation_loss=loss, validation_step=self.campaign.step
            )


def _looks(file: Path) -> Looks:
    """Differs once somebody wrote to it. Raises FileNotFoundError."""
    found = file.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _finding(error: BadLine | BrokenMask) -> Finding:
    if isinstance(error, BadLine):
        return Finding(error.line, error.finding, error.text, error.how_to_mend)
    return Finding(None, "broken_mask", str(error), "nothing is wrong with the quest: report it as a fault of realm")


def _findings_of_drop(streamed: StreamedStep, reason: str) -> tuple[Finding, ...]:
    """The lines that a dropped step held: one of them is at fault, and no one knows which."""
    lines = sorted({example.line for one in streamed.passes for example in one if example.line})
    text = f"was in a step of {len(lines)} lines that was dropped: {reason}"
    return tuple(
        Finding(line, "dropped_step", text, "drop the quest again without the line at fault") for line in lines
    )
