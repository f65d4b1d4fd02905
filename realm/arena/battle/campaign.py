"""A campaign's state: what a seal holds beside weights and optimizer. Plain data, and pure changes of it."""

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from realm.arena.battle.journal import Position
from realm.arena.battle.stream import Counts, Cursor
from realm.core.config import Training
from realm.core.quests import Finding

Outcome = Literal["open", "completed", "skipped", "failed", "lost"]
KEPT_FINDINGS = 100
LOSS_SMOOTHING = 0.98  # of the moving average that the status shows


class Claim(Struct, frozen=True, kw_only=True):
    """One training of one quest: what it is, and what was measured while it was trained."""

    number: int
    quest: str
    priority: str
    sha256: str
    size: int  # bytes
    training: Training  # the settings it was begun with
    epochs: int = 1
    epoch: int = 1
    schema_id: str = "chat_sft_v1"
    skill: str | None = None
    level: int | None = None
    claimed_at: str = ""
    outcome: Outcome = "open"
    reason: str | None = None
    first_step: int = 0  # the campaign's step before this claim
    steps: int = 0
    tokens: int = 0
    labelled_tokens: int = 0
    examples: int = 0
    loss_sum: float = 0.0  # nats, over labelled tokens
    first_loss: float | None = None
    last_loss: float | None = None
    counts: Counts = Counts()
    dropped_steps: int = 0
    peak_device_bytes: int | None = None  # that torch had reserved at most on the accelerator
    findings: tuple[Finding, ...] = ()  # what was wrong with its lines; the first hundred


class Totals(Struct, frozen=True):
    """Of the campaign's whole life."""

    tokens: int = 0
    examples: int = 0
    quests: int = 0


class Campaign(Struct, frozen=True, kw_only=True):
    """Where the journey stands. `claims` are the open one and those that ended and no seal covers yet."""

    hero: str
    training: Training
    id: str = ""  # tells this journey's events from another's
    step: int = 0
    last_claim: int = 0
    cursor: Cursor | None = None  # None between claims
    claims: tuple[Claim, ...] = ()
    totals: Totals = Totals()
    tokens_per_pass: int | None = None  # smaller than the settings' after an out-of-memory error
    loss: float | None = None  # of the last step
    loss_ema: float | None = None
    learning_rate: float | None = None  # the optimizer's own, of the last step
    validation_loss: float | None = None
    validation_step: int | None = None
    journal_seq: int = 0  # the last line whose effect is in here

    @property
    def position(self) -> Position:
        if self.cursor is None:
            return Position(self.step, self.last_claim, -1, 0)
        return Position(self.step, self.cursor.claim, self.cursor.window, self.cursor.step)

    @property
    def active(self) -> Claim | None:
        return self.claims[-1] if self.cursor is not None else None

    def same_moment(self, other: "Campaign | None") -> bool:
        """Nothing was trained or decided between the two."""
        return other is not None and (self.position, self.journal_seq) == (other.position, other.journal_seq)

    @property
    def ended(self) -> tuple[Claim, ...]:
        return tuple(claim for claim in self.claims if claim.outcome != "open")


class Measured(Struct, frozen=True, kw_only=True):
    """What one applied step adds."""

    loss: float
    learning_rate: float
    tokens: int
    labelled_tokens: int
    examples: int
    device_bytes: int | None = None


def begin(campaign: Campaign, claim: Claim) -> Campaign:
    """The claim's first step comes next."""
    return replace(
        campaign,
        training=claim.training,
        last_claim=claim.number,
        cursor=Cursor(claim.number),
        claims=(*campaign.claims, replace(claim, first_step=campaign.step)),
    )


def stepped(campaign: Campaign, after: Cursor, counts: Counts, measured: Measured | None) -> Campaign:
    """One step of the stream is behind us: trained, or dropped where nothing was measured."""
    claim = replace(campaign.claims[-1], counts=campaign.claims[-1].counts + counts)
    if measured is None:
        return replace(campaign, cursor=after, claims=(*campaign.claims[:-1], claim))
    claim = replace(
        claim,
        steps=claim.steps + 1,
        tokens=claim.tokens + measured.tokens,
        labelled_tokens=claim.labelled_tokens + measured.labelled_tokens,
        examples=claim.examples + measured.examples,
        loss_sum=claim.loss_sum + measured.loss * measured.labelled_tokens,
        first_loss=measured.loss if claim.first_loss is None else claim.first_loss,
        last_loss=measured.loss,
        peak_device_bytes=measured.device_bytes,
    )
    totals = replace(
        campaign.totals,
        tokens=campaign.totals.tokens + measured.tokens,
        examples=campaign.totals.examples + measured.examples,
    )
    ema = campaign.loss_ema
    smoothed = measured.loss if ema is None else LOSS_SMOOTHING * ema + (1 - LOSS_SMOOTHING) * measured.loss
    return replace(
        campaign,
        step=campaign.step + 1,
        cursor=after,
        claims=(*campaign.claims[:-1], claim),
        totals=totals,
        loss=measured.loss,
        loss_ema=smoothed,
        learning_rate=measured.learning_rate,
    )


def dropped(campaign: Campaign, findings: tuple[Finding, ...]) -> Campaign:
    """Counts a dropped step against the active claim."""
    claim = replace(campaign.claims[-1], dropped_steps=campaign.claims[-1].dropped_steps + 1)
    return found(replace(campaign, claims=(*campaign.claims[:-1], claim)), findings)


def found(campaign: Campaign, findings: tuple[Finding, ...]) -> Campaign:
    """Something is wrong with lines of the active claim."""
    claim = campaign.claims[-1]
    kept = (*claim.findings, *findings)[:KEPT_FINDINGS]
    return replace(campaign, claims=(*campaign.claims[:-1], replace(claim, findings=kept)))


def next_epoch(campaign: Campaign, cursor: Cursor) -> Campaign:
    """Back to the quest's first byte; the window's number goes on, so the order differs."""
    claim = replace(campaign.claims[-1], epoch=campaign.claims[-1].epoch + 1)
    again = Cursor(cursor.claim, window=cursor.window)
    return replace(campaign, cursor=again, claims=(*campaign.claims[:-1], claim))


def end(campaign: Campaign, outcome: Outcome, reason: str | None = None) -> Campaign:
    """The active claim is over; the next seal covers it."""
    claim = replace(campaign.claims[-1], outcome=outcome, reason=reason)
    quests = campaign.totals.quests + (outcome == "completed")
    return replace(
        campaign,
        cursor=None,
        claims=(*campaign.claims[:-1], claim),
        totals=replace(campaign.totals, quests=quests),
    )


def filed(campaign: Campaign, numbers: set[int]) -> Campaign:
    """Claims that a seal covers and whose folders are where they belong are no longer carried."""
    return replace(campaign, claims=tuple(claim for claim in campaign.claims if claim.number not in numbers))
