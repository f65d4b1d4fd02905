"""Journal lines whose effect the newest seal does not hold, each waiting for the campaign to reach its place."""

from collections.abc import Sequence

from realm.arena.battle.campaign import Campaign
from realm.arena.battle.journal import Line, Position


class Replay:
    """Empty once training is where it was before the crash; only then are people's wishes looked at."""

    def __init__(self, lines: Sequence[Line], campaign: Campaign):
        self._lines = [line for line in lines if line.seq > campaign.journal_seq]
        self.lost_claims = {line.data["claim"] for line in self._lines if line.kind == "lost"}
        self.claimed_quests = {line.data["claim"]["quest"] for line in self._lines if line.kind == "claim"}

    def __bool__(self) -> bool:
        return bool(self._lines)

    @property
    def applied_seq(self) -> int | None:
        """Every line up to here has had its effect; None if all have."""
        return min(line.seq for line in self._lines) - 1 if self._lines else None

    @property
    def last_step(self) -> int:
        return self._lines[-1].at.step

    def next_due(self, campaign: Campaign) -> Line | None:
        """Takes the first line whose place has come."""
        due = next((line for line in self._lines if _is_due(line, campaign)), None)
        if due:
            self._lines.remove(due)
        return due

    def give_up(self) -> list[Line]:
        """Empties it: between claims only a claim can be due, so what is left belongs to claims that are gone."""
        left, self._lines = self._lines, []
        return left


def same_place(one: Position, other: Position) -> bool:
    """Steps may differ where a lost quest was trained before; the place in the stream may not."""
    return (one.claim, one.window, one.pack) == (other.claim, other.window, other.pack)


def _is_due(line: Line, campaign: Campaign) -> bool:
    here = campaign.position
    if line.kind == "claim":
        return campaign.cursor is None and line.data["claim"]["number"] == campaign.last_claim + 1
    if line.kind == "lost":
        return line.at.claim <= here.claim
    return line.at.claim < here.claim or same_place(line.at, here)
