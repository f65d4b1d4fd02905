"""status/data_lineage.json: which generator's drops are refused most, and which gatekeeper refuses most."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from realm.core.history import ENDERS, DamagedHistory, EndedQuest, read_history
from realm.core.paths import Home
from realm.core.quests import STATES, QuestMeta, QuestMetaError, QuestQueue, read_meta
from realm.core.status import replace_whole

FILE = "data_lineage.json"
SCHEMA = "data_lineage@1"
TOP_ERRORS = 5
ENOUGH = 10  # drops below which nobody is called the worst
NOT_RUN = "not run"


@dataclass
class Tally:
    """Of one generator, or one gatekeeper."""

    total: int = 0
    failed: int = 0
    last_seen: datetime | None = None
    errors: Counter[str] = field(default_factory=Counter)  # findings by name, one for each drop that had them
    partners: "dict[str, Tally]" = field(default_factory=dict)  # gatekeepers of a generator, and the other way round

    @property
    def fail_rate(self) -> float | None:
        return self.failed / self.total if self.total else None

    def count(self, failed: bool, at: datetime, errors: Iterable[str]) -> None:
        self.total += 1
        self.failed += failed
        self.last_seen = max(self.last_seen or at, at)
        self.errors.update(errors)

    def with_partner(self, name: str, failed: bool, at: datetime) -> None:
        self.partners.setdefault(name, Tally()).count(failed, at, ())


@dataclass(frozen=True)
class Examined:
    """One drop that the gatekeepers looked at."""

    quest: str
    generator: str  # id@version
    verdicts: Mapping[str, str]  # gatekeeper -> passed, warned, rejected, not run
    errors: tuple[str, ...]  # names of the findings that refused it; none: admitted
    refused: bool
    at: datetime

    @classmethod
    def of_meta(cls, meta: QuestMeta, refused: bool, errors: Iterable[str]) -> "Examined":
        generator = f"{meta.generator_id}@{meta.generator_version}"
        return cls(meta.name, generator, meta.validators, tuple(errors), refused, meta.admitted_at)


def history_data(meta: QuestMeta, errors: Mapping[str, int]) -> dict[str, Any]:
    """What a history line needs so that lineage can be counted from it again."""
    return {
        "original_name": meta.original_name,
        "generator_id": meta.generator_id,
        "generator_version": meta.generator_version,
        "skill": meta.skill,
        "level": meta.level,
        "validators": meta.validators,
        "findings": dict(errors),
    }


class Lineage:
    """Counts each quest once."""

    def __init__(self) -> None:
        self.generators: dict[str, Tally] = {}
        self.validators: dict[str, Tally] = {}
        self._quests: set[str] = set()

    def count(self, drop: Examined) -> bool:
        """False if this quest was counted before."""
        if drop.quest in self._quests:
            return False
        self._quests.add(drop.quest)
        generator = self.generators.setdefault(drop.generator, Tally())
        generator.count(drop.refused, drop.at, drop.errors)
        for name, verdict in drop.verdicts.items():
            if verdict == NOT_RUN:
                continue
            rejected = verdict == "rejected"
            validator = self.validators.setdefault(name, Tally())
            validator.count(rejected, drop.at, drop.errors if rejected else ())
            validator.with_partner(drop.generator, rejected, drop.at)
            generator.with_partner(name, rejected, drop.at)
        return True

    def document(self) -> dict[str, Any]:
        total = sum(tally.total for tally in self.generators.values())
        failed = sum(tally.failed for tally in self.generators.values())
        return {
            "schema": SCHEMA,
            "last_updated": datetime.now(UTC),
            "total_validations": total,
            "generators": {name: _row(tally, "by_validator") for name, tally in sorted(self.generators.items())},
            "validators": {name: _row(tally, "by_generator") for name, tally in sorted(self.validators.items())},
            "summary": {
                "total_generators": len(self.generators),
                "total_validators": len(self.validators),
                "worst_generator": _worst(self.generators),
                "worst_validator": _worst(self.validators),
                "overall_fail_rate": failed / total if total else None,
            },
        }

    def write(self, folder: Path) -> None:
        """Raises OSError."""
        content = orjson.dumps(
            self.document(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z
        )
        replace_whole(folder / FILE, content)


def rebuild(home: Home) -> tuple[Lineage, list[str]]:
    """Counts every quest that the queue or the history knows; returns what of them could not be read, too."""
    lineage, problems = Lineage(), []
    for daemon in ENDERS:
        try:
            for ended in read_history(home.history / f"{daemon}.jsonl"):
                if drop := _examined(ended):
                    lineage.count(drop)
        except DamagedHistory as error:
            problems.append(f"lineage is incomplete: {error}")
    queue = QuestQueue(home)
    for state in STATES:
        for name in queue.names(state):
            try:
                meta = read_meta(home.queue / state / name)
            except (OSError, QuestMetaError, UnicodeDecodeError, RecursionError):
                continue
            refused = "rejected" in meta.validators.values()
            if not refused:  # what was refused is in the history, or will be when its drop is removed
                lineage.count(Examined.of_meta(meta, refused=False, errors=()))
    return lineage, problems


def _examined(ended: EndedQuest) -> Examined | None:
    """None for a line that says nothing of a generator."""
    data = ended.data
    if not isinstance(data.get("generator_id"), str):
        return None
    generator = f"{data['generator_id']}@{data.get('generator_version', 'unknown')}"
    refused = ended.outcome == "refused"
    findings = data.get("findings") if refused else None
    verdicts = data.get("validators")
    return Examined(
        ended.quest,
        generator,
        verdicts if isinstance(verdicts, dict) else {},
        tuple(findings) if isinstance(findings, dict) else (),
        refused,
        ended.ended_at,
    )


def _row(tally: Tally, partners: str) -> dict[str, Any]:
    return {
        "total": tally.total,
        "passed": tally.total - tally.failed,
        "failed": tally.failed,
        "fail_rate": tally.fail_rate,
        "last_seen": tally.last_seen,
        "top_errors": [{"finding": name, "count": count} for name, count in tally.errors.most_common(TOP_ERRORS)],
        partners: {
            name: {"total": one.total, "failed": one.failed, "fail_rate": one.fail_rate}
            for name, one in sorted(tally.partners.items())
        },
    }


def _worst(tallies: Mapping[str, Tally]) -> str | None:
    """The one with the highest fail rate; None if nobody failed, or had enough drops to be judged."""
    judged = {name: tally for name, tally in tallies.items() if tally.total >= ENOUGH and tally.failed}
    return max(judged, key=lambda name: judged[name].fail_rate or 0.0, default=None)
