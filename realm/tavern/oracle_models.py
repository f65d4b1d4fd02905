"""Which models an oracle can be asked, joined with what this home's ledger and exams tell of each."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from msgspec import Struct

from realm.core.config import ConfigError
from realm.core.paths import Home
from realm.guild.annals import Graded, read_annals
from realm.oracle.client import Model
from realm.oracle.footprint import footprint
from realm.oracle.shelf import DamagedModel, Shelf, UnknownModel, Volume
from realm.tavern.oracle_hosts import Look


class Known(Struct, frozen=True, kw_only=True):
    """A model of the picker. None: not measured, or not known here."""

    name: str
    tags: list[str] = []  # latest, champion, base
    step: int | None = None
    at: str | None = None  # when it was saved, RFC 3339
    train_loss: float | None = None
    val_loss: float | None = None
    skill: str | None = None  # that it was trained on last
    level: int | None = None
    bytes: int | None = None  # of its weights
    memory: int | None = None  # bytes that it takes there, keys and values too
    digest: str | None = None  # SHA-256 of its weights
    exams: list[dict[str, Any]] = []  # the latest of each skill
    is_there: bool | None = None  # on that host's shelf; None: it does not answer
    in_memory: bool = False
    load_seconds: float | None = None  # about, at the rate of the last load there


class LoadRates:
    """Bytes of weights a second, by host, as looks at it have seen a load begin and end."""

    def __init__(self) -> None:
        self._began: dict[tuple[str, str], datetime] = {}
        self._rates: dict[str, float] = {}

    def seen(self, host: str, look: Look) -> None:
        for model in look.models:
            if began := self._began.pop((host, model.name), None):
                self._rates[host] = model.bytes / max(0.001, (model.loaded_at - began).total_seconds())
        if look.loading:
            self._began[host, look.loading.name] = look.loading.began_at

    def seconds(self, host: str, size: int) -> float | None:
        rate = self._rates.get(host)
        return size / rate if rate else None


def own_name(home: Home, name: str) -> str:
    """`latest`, `step:500` and the like by this home's ledger; what it does not know is the oracle's to know."""
    with suppress(UnknownModel, DamagedModel, ConfigError):
        return Shelf(home).find(name).name
    return name


def digest_of(home: Home, name: str) -> str | None:
    """Of the weights, as the ledger has it; None for what is not in this home's ledger."""
    return next((one.digest for one in Shelf(home).volumes() if one.name == name), None)


def known_models(home: Home, look: Look, told: Sequence[Model] | None) -> list[Known]:
    """Those of this home, newest first, then what only that host has. `told`: its shelf; None if it does not answer.

    Raises ConfigError, DamagedHistory.
    """
    there = None if told is None else {model.name for model in told}
    held = {model.name for model in look.models}
    exams = latest_exams(home)
    champion = _champion(home)
    ours = list(Shelf(home).volumes())
    known = [
        _known(
            volume,
            exams[volume.name],
            tags=_tags(volume, ours[0], champion),
            memory=_memory(volume, look),
            is_there=None if there is None else volume.name in there,
            in_memory=volume.name in held,
        )
        for volume in ours
    ]
    names = {volume.name for volume in ours}
    others = [Known(name=name, is_there=True, in_memory=name in held) for name in sorted((there or set()) - names)]
    return known + others


def _known(volume: Volume, exams: dict[str, Graded], **told: Any) -> Known:
    """`told`: its fields that are not the ledger's."""
    record = volume.record
    return Known(
        name=volume.name,
        step=record.step if record else None,
        at=record.timestamp if record else None,
        train_loss=record.train_loss if record else None,
        val_loss=record.val_loss if record else None,
        skill=record.skill_name if record else None,
        level=record.skill_level if record else None,
        bytes=_size(volume),
        digest=volume.digest,
        exams=[_exam(exam) for _, exam in sorted(exams.items())],
        **told,
    )


def _tags(volume: Volume, newest: Volume, champion: str | None) -> list[str]:
    if volume.record is None:
        return ["base"]
    return [*(["latest"] if volume is newest else []), *(["champion"] if volume.name == champion else [])]


def _champion(home: Home) -> str | None:
    with suppress(UnknownModel, DamagedModel):
        return Shelf(home).find("champion").name
    return None


def _size(volume: Volume) -> int | None:
    try:
        return volume.size_bytes
    except OSError:  # it is being deleted
        return None


def _memory(volume: Volume, look: Look) -> int | None:
    with suppress(DamagedModel, OSError):
        return footprint(volume, look.cache_tokens).total if look.cache_tokens else None
    return None


def _exam(exam: Graded) -> dict[str, Any]:
    return {"skill": exam.skill, "level": exam.level, "correct": exam.correct, "count": exam.count}


def latest_exams(home: Home) -> defaultdict[str, dict[str, Graded]]:
    """By checkpoint, then skill: the last one. Raises DamagedHistory."""
    found: defaultdict[str, dict[str, Graded]] = defaultdict(dict)
    for exam in _graded(home):
        found[exam.checkpoint][exam.skill] = exam
    return found


def _graded(home: Home) -> Iterator[Graded]:
    return (line for line in read_annals(home) if isinstance(line, Graded))
