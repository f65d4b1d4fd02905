"""Lines wait for their place, and a seal never claims the effect of one that still waits."""

from dataclasses import replace

import msgspec

from realm.arena.battle import campaign as campaigns
from realm.arena.battle.campaign import Campaign, Claim
from realm.arena.battle.journal import Line, Position
from realm.arena.battle.replay import Replay
from tests.settings import TRAINING

CLAIM = Claim(number=1, quest="q", priority="normal", sha256="0" * 64, size=1, training=TRAINING)
CLAIM_LINE = Line(seq=1, kind="claim", at=Position(0, 0, -1, 0), data={"claim": msgspec.to_builtins(CLAIM)})
SKIP_LINE = Line(seq=2, kind="skip", at=Position(5, 1, 0, 5))
FRESH = Campaign(hero="squire", training=TRAINING)


def at_pack(number: int) -> Campaign:
    begun = campaigns.begin(FRESH, CLAIM)
    assert begun.cursor
    return msgspec.structs.replace(begun, cursor=replace(begun.cursor, step=number))


def test_a_line_is_due_at_its_place_and_only_once() -> None:
    replay = Replay([CLAIM_LINE, SKIP_LINE], FRESH)
    assert replay.next_due(FRESH) == CLAIM_LINE
    assert replay.next_due(at_pack(4)) is None
    assert replay.next_due(at_pack(5)) == SKIP_LINE
    assert not replay
    assert replay.next_due(at_pack(5)) is None


def test_what_a_seal_covers_is_not_replayed() -> None:
    sealed = msgspec.structs.replace(at_pack(3), journal_seq=1)
    assert Replay([CLAIM_LINE, SKIP_LINE], sealed).next_due(at_pack(5)) == SKIP_LINE


def test_lines_that_still_wait_are_never_counted_as_applied() -> None:
    """A step may be dropped, or a pass split, while older lines wait: its line has a higher number than theirs."""
    replay = Replay([CLAIM_LINE, SKIP_LINE], FRESH)
    assert replay.applied_seq == 0
    replay.next_due(FRESH)
    assert replay.applied_seq == 1
    replay.next_due(at_pack(5))
    assert replay.applied_seq is None


def test_between_claims_what_is_left_belongs_to_claims_that_are_gone() -> None:
    replay = Replay([CLAIM_LINE, SKIP_LINE], FRESH)
    assert replay.give_up() == [CLAIM_LINE, SKIP_LINE]
    assert replay.applied_seq is None
