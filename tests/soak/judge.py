"""Holds a home that has come to rest against the driver's ledger. Every sentence is a violation."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from realm.core.control import FLAGS
from realm.core.history import EndedQuest, read_history
from realm.core.paths import Home
from realm.core.quests import PRIORITIES, QuestQueue
from realm.core.status import QueueWatcherStatus, SchedulerStatus, Status, TrainingStatus, read_status
from tests.soak.ledger import Drop, Ledger

TRAINED = ("completed", "skipped")


@dataclass
class Verdict:
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    audit: list[str] = field(default_factory=list)  # what the realm's own audit finds

    @property
    def all(self) -> list[str]:
        return [*self.stuck, *self.lost, *self.twice, *self.wrong, *self.audit]  # what stopped it explains the rest


def judge(home: Home, ledger: Ledger) -> Verdict:
    verdict = Verdict()
    refused = list(read_history(home.history / "queue-watcher.jsonl"))
    claims = list(read_history(home.history / "trainer.jsonl"))
    _judge_drops(ledger, refused, claims, verdict)
    _judge_quests(ledger, claims, verdict)
    _judge_claims(home, claims, verdict)
    verdict.wrong += _damage(home, ledger)
    verdict.stuck += _left_behind(home)
    verdict.wrong += _statuses(home)
    return verdict


def _judge_drops(ledger: Ledger, refused: list[EndedQuest], claims: list[EndedQuest], verdict: Verdict) -> None:
    """Drops with the same bytes are one group: each is one quest, refused or not."""
    drops: dict[str, list[Drop]] = defaultdict(list)
    for drop in ledger.drops:
        drops[drop.sha256].append(drop)
    turned_away: dict[str, set[str]] = defaultdict(set)
    for line in refused:
        turned_away[str(line.sha256)].add(line.quest)
    let_in: dict[str, set[str]] = defaultdict(set)
    for quest, sha256 in [*((line.quest, str(line.sha256)) for line in claims), *ledger.removed.items()]:
        if quest not in turned_away[sha256]:
            let_in[sha256].add(quest)
    for sha256 in drops.keys() | let_in.keys() | turned_away.keys():
        group, inside, outside = drops[sha256], let_in[sha256], turned_away[sha256]
        told = f"{sha256[:8]} ({', '.join(f'{drop.name!r} {drop.way}' for drop in group) or 'never dropped'})"
        found = len(inside | outside)
        if found < len(group):
            verdict.lost.append(f"{told}: {len(group)} drops became {found} quests")
        if found > len(group):
            verdict.twice.append(f"{told}: {len(group)} drops became {found} quests: {sorted(inside | outside)}")
        bad = sum(drop.fate == "refused" for drop in group)
        if len(outside) < bad:
            verdict.wrong.append(f"{told}: {bad} had to be refused, {len(outside)} were")
        if bad < len(group) and not inside:
            verdict.wrong.append(f"{told}: none was let in")
        if len(group) == 1 and group[0].fate == "trained" and outside:
            verdict.wrong.append(f"{told}: it was refused")


def _judge_quests(ledger: Ledger, claims: list[EndedQuest], verdict: Verdict) -> None:
    """One claim for each time that a quest was let in or asked for again."""
    counts = Counter(line.quest for line in claims)
    for quest, count in counts.items():
        wanted = 1 + ledger.retried[quest]
        if count > wanted:
            verdict.twice.append(f"{quest}: {count} claims, {wanted} were asked for")
        if count < wanted and quest not in ledger.removed:
            verdict.lost.append(f"{quest}: {count} claims, {wanted} were asked for")
    for line in claims:
        if line.outcome not in TRAINED and not (line.outcome == "lost" and line.quest in ledger.removed):
            verdict.wrong.append(f"{line.quest}: claim {line.claim} {line.outcome}: {line.reason}")
    skipped = sum(line.outcome == "skipped" for line in claims)
    if skipped > ledger.acts[".skip"]:
        verdict.wrong.append(f"{skipped} claims were skipped, .skip was raised {ledger.acts['.skip']} times")


def _judge_claims(home: Home, claims: list[EndedQuest], verdict: Verdict) -> None:
    """Each number once, and the steps of all are the campaign's."""
    numbers = Counter(line.claim or 0 for line in claims)
    verdict.twice += [f"claim {number} is in history {count} times" for number, count in numbers.items() if count > 1]
    missing = set(range(1, max(numbers, default=0) + 1)) - set(numbers)
    verdict.lost += [f"claim {number} is not in history" for number in sorted(missing)]
    campaigns = {line.campaign for line in claims}
    if len(campaigns) > 1:
        verdict.wrong.append(f"history knows {len(campaigns)} campaigns, there was one")
    said = read_status(home.status / TrainingStatus.FILE, TrainingStatus)
    steps, trained = sum(line.steps for line in claims), said.step if said else None
    if steps != trained:
        verdict.wrong.append(f"the claims' steps sum up to {steps}, the trainer stands at {trained}")
    at = 0
    for line in sorted(claims, key=lambda line: line.claim or 0):
        if line.data.get("first_step") != at:
            verdict.wrong.append(f"claim {line.claim} begins at step {line.data.get('first_step')}, not at {at}")
        at = int(line.data.get("first_step", at)) + line.steps


def _damage(home: Home, ledger: Ledger) -> Iterator[str]:
    """What was damaged was noticed, and nothing else is."""
    found = ledger.set_aside | {path.name for path in home.seals.glob("corrupt-*")}
    damaged = {f"corrupt-{name}" for name in ledger.damaged}
    yield from (f"nobody noticed the damage of {name}" for name in sorted(damaged - found))
    yield from (f"nobody damaged {name}" for name in sorted(found - damaged))
    yield from (f"{path.name}: nobody made a hole in the journal" for path in home.current_model.glob("journal-hole-*"))


def _left_behind(home: Home) -> Iterator[str]:
    queue = QuestQueue(home)
    for state in (*PRIORITIES, "processing"):
        yield from (f"{name} is still in queue/{state}" for name in queue.names(state))  # type: ignore[arg-type]
    yield from (f"{path.relative_to(home.root)} is no quest" for path in queue.strangers())
    yield from (f"{path.name} is left in .staging" for path in home.staging.iterdir())
    for path in home.inbox.rglob("*"):
        if not path.is_dir():
            yield f"{str(path.relative_to(home.root))!r} is left"
    yield from (f"control/.{flag} is still there" for flag in FLAGS if (home.control / f".{flag}").exists())


def _statuses(home: Home) -> Iterator[str]:
    for file in (TrainingStatus.FILE, QueueWatcherStatus.FILE, SchedulerStatus.FILE):
        said = read_status(home.status / file, Status)
        if said is None or said.state != "ended":
            yield f"status/{file} says {said.state if said else 'nothing'}, not ended"


def litter(home: Home) -> list[Path]:
    """Half-written files that killed daemons left."""
    return [path for path in home.root.rglob(".*.tmp") if path.is_file()]
