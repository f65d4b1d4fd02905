"""The table that a soak ends with."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

from realm.core.history import EndedQuest, read_history
from realm.core.quests import STATES, QuestQueue
from realm.core.status import TrainingStatus, read_status
from tests.soak import faults, people
from tests.soak.soak import Outcome

MIB = 2**20
TOLD_VIOLATIONS = 40


def report(outcome: Outcome, seed: int) -> Iterator[str]:
    verdict = outcome.verdict
    rows = [("seed", f"{seed}"), ("minutes", f"{outcome.seconds / 60:g}"), *_quests(outcome), *_faults(outcome)]
    rows += [(name, f"{len(getattr(verdict, name)):,}") for name in vars(verdict)]
    rows += _machine(outcome)
    width = max(len(name) for name, _ in rows)
    yield from (f"{name:{width}}  {figure}" for name, figure in rows)
    yield from (f"VIOLATION {text}" for text in verdict.all[:TOLD_VIOLATIONS])
    if len(verdict.all) > TOLD_VIOLATIONS:
        yield f"and {len(verdict.all) - TOLD_VIOLATIONS} more"


def _quests(outcome: Outcome) -> Iterator[tuple[str, str]]:
    home, ledger = outcome.home, outcome.ledger
    claims = list(read_history(home.history / "trainer.jsonl"))
    refused = list(read_history(home.history / "queue-watcher.jsonl"))
    said = read_status(home.status / TrainingStatus.FILE, TrainingStatus)
    ends = Counter[str](line.outcome for line in claims)
    trained = len(claims) / (outcome.seconds / 60)
    yield "drops", f"{len(ledger.drops):,} ({_counted(Counter(drop.way for drop in ledger.drops))})"
    yield "claims", f"{len(claims):,}, {trained:.0f} a minute ({_counted(ends)})"
    yield "refused", f"{len(refused):,}"
    yield "steps", f"{said.step if said else 0:,}"
    yield "seals", f"{_seals(outcome):,}"
    waits = sorted(_waits(outcome, [*claims, *refused]))
    if waits:
        yield "drop to quest", f"median {waits[len(waits) // 2]:.1f} s, longest {waits[-1]:.1f} s"


def _seals(outcome: Outcome) -> int:
    """Their numbers count them."""
    return max((int(path.name.rpartition("-")[2]) for path in outcome.home.seals.iterdir()), default=0)


def _waits(outcome: Outcome, ended: list[EndedQuest]) -> Iterator[float]:
    """Seconds from each drop to its quest's name, which begins with the time."""
    drops = Counter(drop.sha256 for drop in outcome.ledger.drops)
    named = {line.sha256: line.quest for line in ended}
    for drop in outcome.ledger.drops:
        if drops[drop.sha256] == 1 and (quest := named.get(drop.sha256)):
            stamp = datetime.strptime(quest.partition("Z-")[0], "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)
            yield stamp.timestamp() - drop.at


def _faults(outcome: Outcome) -> Iterator[tuple[str, str]]:
    acts = outcome.ledger.acts
    for daemon, starts in outcome.restarts.items():
        deaths = Counter({how: times for (who, how), times in outcome.deaths.items() if who == daemon})
        yield daemon, f"{starts} starts; deaths: {_counted(deaths) or 'none'}"
    yield "full disks", f"{acts['disk full']}"
    yield "damaged", f"{acts['seal damaged']} seals, {acts['journal torn']} journals"
    named = {act.name for act in (*faults.ACTS, *people.ACTS)}
    yield "acts", _counted(Counter({name: times for name, times in acts.items() if name in named}))
    yield "commands", _counted(Counter({name: times for name, times in acts.items() if name.startswith("realm ")}))


def _machine(outcome: Outcome) -> Iterator[tuple[str, str]]:
    gauges = outcome.gauges
    for daemon, peak in sorted(gauges.peak.items()):
        grown = outcome.growth.get(daemon)
        told = "not known" if grown is None else f"{grown / MIB:+.1f} MiB"
        yield f"memory {daemon}", f"peak {peak / MIB:,.0f} MiB; growth in the calm {told}"
    sizes = [size for _, size in gauges.sizes]
    quarters = [max(sizes[part * len(sizes) // 4 : (part + 1) * len(sizes) // 4], default=0) for part in range(4)]
    yield "home, by quarters", f"at most {', '.join(f'{size / MIB:,.0f}' for size in quarters)} MiB"
    kept = {state: len(QuestQueue(outcome.home).names(state)) for state in STATES}
    yield "folders kept", _counted(Counter(kept))
    yield "litter of kills", f"{outcome.litter} files"


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.most_common() if count)
