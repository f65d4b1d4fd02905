"""A drop becomes a quest, or is refused: one pass copies, hashes and checks it, one rename publishes it.

    inbox/x.jsonl -> .staging/.<random>/ -> queue/<priority>/<quest>/ or queue/failed/<quest>/
                       quest.jsonl    the plain bytes (original.gz, original.zst: the drop, if it does not decompress)
                       meta.json      what is known about it
                       sidecar.json   the sidecar as it was dropped
                       source.json    which file it was
                       error.json     why it was refused

Killed anywhere, it leaves the drop where it was, and perhaps a staging folder. If the quest was published already, the
next try finds its source.json and makes no second one.
"""

import hashlib
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from realm.arena.intake import sidecars
from realm.arena.intake.copying import SHORTAGES, Copy, DropChanged, Opened, Pulse, Shortage, require_space
from realm.arena.intake.decompression import BadArchive, archive_of, plain_pieces, raw_pieces
from realm.arena.intake.gatekeepers import quick, standard
from realm.arena.intake.gatekeepers.findings import Findings
from realm.arena.intake.gatekeepers.hero import Measure
from realm.arena.intake.inbox import Drop, File, printable
from realm.arena.intake.sidecars import Sidecar, SidecarError
from realm.arena.intake.twins import SOURCE_FILE, Source, Twin, Twins
from realm.core.config import Gatekeepers
from realm.core.paths import Home
from realm.core.quests import ERROR_FILE, QUEST_FILE, Finding, QuestMeta, QuestQueue, new_name, write_meta

NAME = "admission@1"  # the gatekeeper of what is not about lines: archives, sidecars, links, twins


class Refusal(Struct, frozen=True, tag_field="schema", tag="refusal@1"):
    """error.json of a drop that was turned away."""

    reason: str  # one sentence
    findings: list[Finding]  # the first hundred
    total: int  # of all findings
    counts: dict[str, int]  # finding -> how many


@dataclass(frozen=True)
class Outcome:
    quest: str
    meta: QuestMeta
    refusal: Refusal | None  # None: it waits in the queue


@dataclass(frozen=True)
class _Staged:
    """What lies in a staging folder, and what is known about it."""

    findings: Findings
    sidecar: Sidecar
    sha256: str  # of the plain bytes; of the drop's own if it does not decompress
    size: int
    lines: int = 0
    schema_id: str = "unknown"
    tokens: dict[str, Any] | None = None


class Admission:
    """Admits drops; several threads may, each with another drop."""

    def __init__(self, home: Home, settings: Callable[[], Gatekeepers], measure: Callable[[], Measure | None]):
        """`settings` and `measure` (of the hero; None: unknown) are asked for each drop. Raises OSError."""
        self._home = home
        self._queue = QuestQueue(home)
        self._settings = settings
        self._measure = measure
        self._latest = self._queue.latest()
        self._twins = Twins(self._queue)
        self._deciding = threading.Lock()  # two drops with the same bytes must not both find no twin

    def recover(self) -> None:
        """At start, before any drop: removes what a kill left half made. Raises OSError."""
        self._queue.sweep()
        for leftover in self._home.staging.iterdir():
            if leftover.is_dir() and not leftover.is_symlink():
                shutil.rmtree(leftover)
            else:
                leftover.unlink()

    def admit(self, drop: Drop, pulse: Pulse) -> Outcome:
        """Publishes a quest, queued or failed; the drop itself stays. `pulse` is called often and may raise.

        Raises DropChanged, DropUnreadable, Shortage, or OSError; then nothing was published, or the next try finds it.
        """
        staging = self._home.staging / f".{os.urandom(8).hex()}"
        try:
            staging.mkdir()
            staged = self._stage(drop, staging, pulse)
            with self._deciding:
                return self._decide(drop, staging, staged)
        except OSError as error:
            if error.errno in SHORTAGES:
                raise Shortage.of(error) from error
            raise
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    # Staging

    def _stage(self, drop: Drop, staging: Path, pulse: Pulse) -> _Staged:
        findings = Findings(self._settings())
        findings.passed(NAME)
        sidecar = _staged_sidecar(drop, staging, findings, pulse)
        if drop.is_link:
            return _staged_link(drop, sidecar, findings)
        try:
            with Opened(drop, pulse) as opened:
                return self._staged_lines(drop, opened, staging, sidecar, findings, pulse)
        except BadArchive as error:
            (staging / QUEST_FILE).unlink()
            findings = Findings(self._settings())  # those of the lines that did come out are beside the point
            findings.add(NAME, "bad_archive", str(error), error.how_to_mend)
        with Opened(drop, pulse) as opened:
            copy = Copy(staging / f"original{archive_of(drop.path)}")
            copy.make(raw_pieces(opened))
        return _Staged(findings, sidecar, copy.sha256, copy.size)

    def _staged_lines(
        self, drop: Drop, opened: Opened, staging: Path, sidecar: Sidecar, findings: Findings, pulse: Pulse
    ) -> _Staged:
        archive = archive_of(drop.path)
        require_space(staging, ahead=0 if archive else drop.identity.size)
        settings = self._settings()
        checker = quick.Quick(sidecar.schema_id, findings)
        sample = standard.Sample(settings.sample_lines)
        copy = Copy(staging / QUEST_FILE)
        for line in quick.cut_lines(copy.of(plain_pieces(opened, archive, drop.identity.size))):
            if checker.messages(line):
                sample.offer(line)
        checker.end()
        _check_count(sidecar, checker.examples, findings)
        tokens = None
        measure = self._measure()
        if measure and checker.spec and sample.lines and not findings.reject:
            lengths = standard.token_lengths(copy.path, sample, checker.spec, measure.chat, pulse)
            tokens = standard.judge(lengths, checker.spec, measure, settings, findings)
        schema_id = checker.spec.id if checker.spec else "unknown"
        return _Staged(findings, sidecar, copy.sha256, copy.size, checker.examples, schema_id, tokens)

    # Deciding

    def _decide(self, drop: Drop, staging: Path, staged: _Staged) -> Outcome:
        _require_unchanged(drop)
        for twin in self._twins.of(staged.sha256):
            if twin.source and twin.source.identity == drop.identity:
                return self._published_before(twin)
            _judge_twin(twin, staged.findings)
        name = new_name(drop.path.name, staged.sha256, self._latest)
        meta = _meta(name, drop, staged)
        write_meta(staging, meta)
        (staging / SOURCE_FILE).write_bytes(msgspec.json.encode(Source.of(drop)))
        self._twins.add(name)
        if not staged.findings.reject:
            self._queue.publish(staging, name, drop.priority)
            return Outcome(name, meta, None)
        refusal = _refusal(staged.findings)
        self._queue.refuse(staging, name, msgspec.json.format(msgspec.json.encode(refusal), indent=2))
        return Outcome(name, meta, refusal)

    def _published_before(self, twin: Twin) -> Outcome:
        """A kill came between the rename and the removal of the drop. Publishing again makes the rename durable."""
        name = twin.quest.name
        self._queue.publish(self._home.staging / f".{name}", name, twin.meta.priority)
        return Outcome(name, twin.meta, _read_refusal(twin.quest.path))


def _require_unchanged(drop: Drop) -> None:
    """Raises DropChanged."""
    try:
        unchanged = drop.is_still_finished and (drop.sidecar is None or drop.sidecar.is_unchanged)
    except OSError:
        unchanged = False
    if not unchanged:
        raise DropChanged


def _judge_twin(twin: Twin, findings: Findings) -> None:
    state, name = twin.quest.state, twin.quest.name
    if state == "recently_completed":
        findings.add(NAME, "trained_before", f"its lines were trained on before, as {name}")
    elif state != "failed":
        what_it_does = "is being trained" if state == "processing" else "waits"
        text = f"the same lines as {twin.meta.original_name}, which {what_it_does} as {name}"
        mend = 'nothing is amiss; "epochs": N in a sidecar trains the same lines N times'
        findings.add(NAME, "twin", text, mend)


def _meta(name: str, drop: Drop, staged: _Staged) -> QuestMeta:
    sidecar, findings = staged.sidecar, staged.findings
    not_run = {} if standard.NAME in findings.verdicts else {standard.NAME: "not run"}
    return QuestMeta(
        name=name,
        original_name=printable(drop.path.name),
        sha256=staged.sha256,
        bytes=staged.size,
        lines=staged.lines,
        schema_id=staged.schema_id,
        priority=drop.priority,
        admitted_at=datetime.now(UTC),
        epochs=sidecar.epochs,
        generator_id=sidecar.generator_id,
        generator_version=sidecar.generator_version,
        generated_at=sidecar.generated_at,
        params={**sidecar.params, **({"sampled_tokens": staged.tokens} if staged.tokens else {})},
        skill=sidecar.skill,
        level=sidecar.level,
        example_count=sidecar.example_count,
        validators={**sidecar.validators, **findings.verdicts, **not_run},
        warnings=findings.warnings,
    )


def _refusal(findings: Findings) -> Refusal:
    return Refusal(findings.reason, findings.rejecting, findings.counts.total(), dict(findings.counts))


def _read_refusal(folder: Path) -> Refusal | None:
    """None if it was admitted, whatever became of it since."""
    try:
        return msgspec.json.decode((folder / ERROR_FILE).read_bytes(), type=Refusal)
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def _staged_link(drop: Drop, sidecar: Sidecar, findings: Findings) -> _Staged:
    """What a link points to is not read: it may lie anywhere."""
    try:
        target = drop.path.readlink()
    except OSError:
        raise DropChanged from None
    text = f"a symbolic link to {printable(str(target))}"
    findings.add(NAME, "link", text, "drop a copy of the file, or a hard link")
    return _Staged(findings, sidecar, hashlib.sha256(os.fsencode(target)).hexdigest(), 0)


# Sidecars


def _staged_sidecar(drop: Drop, staging: Path, findings: Findings, pulse: Pulse) -> Sidecar:
    """What the sidecar says; an empty one, and a finding, if it cannot be read."""
    if drop.sidecar_is_late:
        text = "its sidecar was not finished, or not readable, for a minute; generator and epochs are not known"
        findings.add(NAME, "late_sidecar", text, "drop the sidecar first")
    if drop.sidecar is None:
        return Sidecar()
    name = printable(drop.sidecar.path.name)
    try:
        content = _kept_sidecar(drop.sidecar, staging / sidecars.KEPT_FILE, pulse)
        sidecar = sidecars.parse_sidecar(content)
    except SidecarError as error:
        findings.add(NAME, "bad_sidecar", f"{name}: {error}", "mend or remove the sidecar, and drop both again")
        return Sidecar()
    for key in sidecars.unknown_keys(content):
        findings.add(NAME, "unknown_key", f"{name}: nobody reads the key {key!r}", "is it spelled as in the docs?")
    return sidecar


def _kept_sidecar(sidecar: File, kept: Path, pulse: Pulse) -> bytes:
    """Copies it to `kept`; returns no more than can be a valid one. Raises SidecarError for a link."""
    if sidecar.path.is_symlink():
        raise SidecarError(f"a symbolic link to {printable(str(sidecar.path.readlink()))}")
    with Opened(sidecar, pulse) as opened:
        Copy(kept).make(raw_pieces(opened))
    with kept.open("rb") as file:
        return file.read(sidecars.LONGEST + 1)


def _check_count(sidecar: Sidecar, examples: int, findings: Findings) -> None:
    if sidecar.example_count is not None and sidecar.example_count != examples:
        text = f"the sidecar counts {sidecar.example_count} examples, the drop has {examples}"
        findings.add(NAME, "example_count", text, "is the drop complete?")
