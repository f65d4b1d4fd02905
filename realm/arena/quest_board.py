"""The trainer's side of the queue: which quest is next, and where a claim's folder goes when a seal covers it."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from realm.arena.battle.campaign import Campaign, Claim
from realm.arena.battle.specs import get_spec
from realm.arena.intake.lineage import history_data
from realm.core.config import Training
from realm.core.files import sha256_of
from realm.core.game import GOLD_PER_QUEST
from realm.core.history import EndedQuest, History
from realm.core.quests import QUEST_FILE, Quest, QuestGone, QuestMetaError, QuestQueue, read_meta

Tell = Callable[[str, str], None]  # a failed quest's name, and why


class QuestBoard:
    """Claims and files quests. Every call may be repeated after a crash."""

    def __init__(self, queue: QuestQueue, history: History, tell: Tell):
        self.queue = queue
        self._history = history
        self._tell = tell
        self.problem: str | None = None  # of a waiting quest

    def next_claim(self, number: int, training: Training, unfiled: set[str]) -> Claim | None:
        """The first waiting quest as a claim; nothing is moved yet. What is not what it should be goes to failed/.

        `unfiled` quests were trained and moved back by a hand: they are filed with the next seal, not claimed again.
        What may not be read waits, and `problem` says why.
        """
        self.problem = None
        for quest in self.queue.in_turn():
            if quest.name in unfiled:
                continue
            try:
                meta = read_meta(quest.path)
                get_spec(meta.schema_id)
                digest = sha256_of(quest.path / QUEST_FILE)
            except FileNotFoundError as error:
                if self.queue.find(quest.name):  # not merely moved by hand since we looked
                    self._fail_unread(quest, f"{error.filename} is missing")
                continue
            except OSError as error:
                self.problem = f"{error.filename} cannot be read: {error.strerror}; mend it or `realm quest rm` it"
                continue
            except ValueError as error:  # of the meta, or of a schema_id that this version does not know
                self._fail_unread(quest, str(error))
                continue
            if digest != meta.sha256:
                self._fail_unread(quest, f"{QUEST_FILE} was changed since it was admitted: its SHA-256 is {digest}")
                continue
            return Claim(
                number=number,
                quest=quest.name,
                priority=quest.priority or meta.priority,
                sha256=meta.sha256,
                size=meta.bytes,
                training=training,
                epochs=meta.epochs,
                schema_id=meta.schema_id,
                skill=meta.skill,
                level=meta.level,
                claimed_at=_now(),
            )
        return None

    def first_waiting(self, unfiled: set[str]) -> Quest | None:
        """What `next_claim` would look at first."""
        return next((quest for quest in self.queue.in_turn() if quest.name not in unfiled), None)

    def take(self, claim: Claim) -> Path | None:
        """The claim's quest file, its folder brought to processing/ from wherever it lies; None if it is nowhere."""
        try:
            return self.queue.reclaim(claim.quest) / QUEST_FILE
        except QuestGone:
            return None

    def is_filed(self, claim: Claim, campaign_id: str) -> bool:
        """Whether history has its end, also if an older seal does not."""
        return self._history.holds(campaign_id, claim.number, claim.quest)

    def asked_again(self, claim: Claim, campaign_id: str) -> Path | None:
        """The file of a claim that was filed and is replayed, if its quest waits again: a person's wish. It stays."""
        if not self.is_filed(claim, campaign_id):
            return None
        found = self.queue.find(claim.quest)
        return found.path / QUEST_FILE if found and found.priority and not found.is_reclaimed else None

    def changed(self, claim: Claim, file: Path) -> str | None:
        """What a hand did to the claim's quest file since it was claimed; None if nothing.

        Raises FileNotFoundError if its folder was moved just now.
        """
        try:
            digest = sha256_of(file)
        except FileNotFoundError:
            if file.parent.exists():
                return f"{QUEST_FILE} was removed while it was trained"
            raise
        if digest == claim.sha256:
            return None
        return f"{QUEST_FILE} was changed while it was trained: its SHA-256 is {digest}"

    def release_unclaimed(self, campaign: Campaign, journalled: set[str]) -> list[str]:
        """Sends back what lies in processing/ without a line in the journal; returns the names."""
        known = journalled | {claim.quest for claim in campaign.claims}
        released = []
        for name in self.queue.names("processing"):
            if name not in known:
                self.queue.release(name, _admitted_priority(self.queue, name))
                released.append(name)
        return released

    def file(self, claim: Claim, campaign_id: str, seal: str) -> None:
        """An ended claim that a seal covers: verdict, folder, history line."""
        verdict = msgspec.json.format(msgspec.json.encode(_result(claim, seal)), indent=2)
        if claim.outcome != "lost" and not self.asked_again(claim, campaign_id):
            self._bring_back(claim.quest)
        folder = self._ended_folder(claim, verdict)
        assert claim.outcome != "open"
        self._history.append(
            EndedQuest(
                claim=claim.number,
                campaign=campaign_id,
                quest=claim.quest,
                outcome=claim.outcome,
                ended_at=datetime.now(UTC),
                priority=claim.priority,
                sha256=claim.sha256,
                bytes=claim.size,
                steps=claim.steps,
                examples=claim.examples,
                tokens=claim.tokens,
                seal=seal,
                reason=claim.reason,
                data={**_lineage(folder), "first_step": claim.first_step},
            )
        )

    def _ended_folder(self, claim: Claim, verdict: bytes) -> Path | None:
        """Where the claim's folder lies now that it ended; None if it is gone."""
        try:
            if claim.outcome == "failed":
                return self.queue.fail(claim.quest, verdict)
            if claim.outcome in ("completed", "skipped"):
                return self.queue.complete(claim.quest, verdict)
        except QuestGone:
            pass
        return None

    def _bring_back(self, name: str) -> None:
        """A hand moved a claimed quest back among the waiting ones."""
        found = self.queue.find(name)
        if found and found.priority:
            self.queue.claim(name)

    def _fail_unread(self, quest: Quest, reason: str) -> None:
        """What is no longer what the queue-watcher let in is not trained."""
        self.queue.claim(quest.name)
        self._history.append(  # first, as a start sends back what lies in processing/: then this comes again
            EndedQuest(
                claim=None,
                quest=quest.name,
                outcome="failed",
                ended_at=datetime.now(UTC),
                priority=quest.priority,
                reason=reason,
            )
        )
        verdict = {"reason": reason, "how_to_mend": "drop the file again", "findings": [], "total": 0}
        self.queue.fail(quest.name, msgspec.json.format(msgspec.json.encode(verdict), indent=2))
        self._tell(quest.name, reason)


def _result(claim: Claim, seal: str) -> dict[str, Any]:
    mean = claim.loss_sum / claim.labelled_tokens if claim.labelled_tokens else None
    gold = GOLD_PER_QUEST * (claim.outcome == "completed")
    return {**msgspec.to_builtins(claim), "total": len(claim.findings), "mean_loss": mean, "seal": seal, "gold": gold}


def _lineage(folder: Path | None) -> dict[str, Any]:
    """What lineage is counted from again when the folder has been pruned."""
    try:
        return history_data(read_meta(folder), {}) if folder else {}
    except (FileNotFoundError, QuestMetaError):
        return {}


def _admitted_priority(queue: QuestQueue, name: str) -> Any:
    try:
        return read_meta(queue.home.processing / name).priority
    except (FileNotFoundError, QuestMetaError):
        return "normal"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
