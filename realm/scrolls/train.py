"""One battle without daemons: quests -> steps -> a checkpoint, with every measured value in metrics.jsonl."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import orjson
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from realm.arena.battle import exactness
from realm.arena.battle.chat import ChatTokenizer, Example
from realm.arena.battle.checkpoint import write_checkpoint
from realm.arena.battle.engine import Engine
from realm.arena.battle.fingerprint import differences
from realm.arena.battle.holdout import VALIDATION_EXAMPLES, Rule, holdout_rule, validation_examples
from realm.arena.battle.learner import StepResult
from realm.arena.battle.mask import check_mask
from realm.arena.battle.snapshot import save_pretrained
from realm.arena.battle.specs import DatasetSpec, get_spec, recognise_first
from realm.arena.battle.stream import Counts, Cursor, Step, StreamedStep, cut_passes, steps, windows
from realm.armory.heroes import HERO_FILE, Hero, load_hero
from realm.core.checkpoint_ledger import CheckpointRecord, read_record
from realm.core.config import Config, Training

FAILED_STEPS_ALLOWED = 2  # a third non-finite step ends the battle


class BattleFailed(RuntimeError):
    """Training cannot go on; the text says at which step and why."""


@dataclass(frozen=True)
class Plan:
    """What to train, on what, and how far."""

    quests: Sequence[Path]
    model: Path  # a hero's model folder or a checkpoint
    out: Path
    epochs: int = 1
    max_steps: int | None = None
    threads: int | None = None  # default: torch's own
    changes: dict[str, Any] = field(default_factory=dict)  # fields of Training that differ from the hero's


@dataclass(frozen=True)
class Progress:
    """Told after every step."""

    step: int
    share: float  # of the plan's bytes
    result: StepResult
    validation_loss: float | None


@dataclass(frozen=True)
class Victory:
    record: CheckpointRecord
    folder: Path
    counts: Counts
    seconds: float
    tokens: int
    announcements: list[str]


def train(plan: Plan, on_step: Callable[[Progress], None] = lambda progress: None) -> Victory:
    """Fights one battle. Raises BadLine, BrokenMask, BattleFailed, HeroError; the checkpoint appears whole or not."""
    battle = _Battle(plan)
    began = time.perf_counter()
    plan.out.mkdir(parents=True, exist_ok=True)
    with (plan.out / "metrics.jsonl").open("ab") as metrics:
        for progress, row in battle.fight():
            metrics.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
            on_step(progress)
    record = battle.save()
    return Victory(
        record=record,
        folder=plan.out / record.canonical_name,
        counts=battle.counts,
        seconds=time.perf_counter() - began,
        tokens=battle.tokens,
        announcements=battle.announcements,
    )


class Lineage(msgspec.Struct, frozen=True):
    """What a quest's sidecar says of its content; readers ignore the rest of it."""

    schema_id: str | None = None
    skill: str | None = None
    level: int | None = None


def lineage_of(quest: Path) -> Lineage:
    """Unknown where there is no sidecar. Raises ValueError for one that cannot be read."""
    sidecar = quest.with_name(quest.name + ".meta.json")
    try:
        return msgspec.json.decode(sidecar.read_bytes(), type=Lineage)
    except FileNotFoundError:
        return Lineage()
    except msgspec.DecodeError as error:
        raise ValueError(f"{sidecar}: {error}; mend it or remove it") from None


def spec_of(quest: Path) -> DatasetSpec:
    """The spec that the sidecar names, else that of the first line. Raises ValueError; BadLine is one."""
    if stated := lineage_of(quest).schema_id:
        return get_spec(stated)
    with quest.open("rb") as lines:
        return recognise_first(lines)


class _Battle:
    """The state of one run: model, counters, and what was last measured."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self.hero: Hero = load_hero(plan.model / HERO_FILE)
        self.training: Training = msgspec.convert({**msgspec.to_builtins(self.hero.training), **plan.changes}, Training)
        exactness.enter(self.training, plan.threads or torch.get_num_threads())
        self.lineage = lineage_of(plan.quests[-1])
        self.specs: dict[Path, DatasetSpec] = {quest: spec_of(quest) for quest in plan.quests}
        self.chat = ChatTokenizer.load(plan.model)
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(plan.model, dtype=torch.float32)
        self.engine = Engine(model, self.training, self.chat.pad)
        attention = model.config._attn_implementation
        self.fingerprint = exactness.fingerprint(self.training, model.device, attention, Config())
        self.announcements: list[str] = []
        self.first_step = self._resume_point()
        self.step = self.first_step
        self.counts = Counts()
        self.tokens = 0
        self.examples = 0
        self.failed = 0
        self.last: StepResult | None = None
        self.share = 0.0  # of the plan's bytes
        self.validation: Step = ()
        self.validation_loss: float | None = None  # of the present step, or None

    def _resume_point(self) -> int:
        """The campaign's step so far; says what will not be as if training had never stopped."""
        record = read_record(self.plan.model)
        if record is None:
            return 0
        self.announcements.append(
            f"goes on at step {record.step:,} with a fresh optimizer: a checkpoint holds weights only"
        )
        changed = differences(record.fingerprint, self.fingerprint)
        if changed:
            self.announcements.append(f"not bit-equal to the run that made the checkpoint ({'; '.join(changed)})")
        return record.step

    def fight(self) -> Iterator[tuple[Progress, dict[str, Any]]]:
        held_out = holdout_rule(self.training.holdout)
        self.validation = self._validation_passes(held_out)
        for quest, streamed, share in self._streamed(held_out):
            if not streamed.passes:
                continue
            examples = [example for one in streamed.passes for example in one]
            mask_ratio = check_mask(examples, self.chat, self.specs[quest])
            result = self.engine.step(self.step + 1, streamed.passes)
            self._account(quest, streamed, result)
            self.share = share
            every = self.training.eval_steps
            measured = self._validate() if every and self.step % every == 0 else None
            self.validation_loss = measured
            row = {
                "step": self.step,
                "quest": quest.name,
                "mask_ratio": mask_ratio,
                **msgspec.to_builtins(result),
            }
            if measured is not None:
                row["validation_loss"] = measured
            yield Progress(self.step, share, result, measured), row
            if self.plan.max_steps and self.step - self.first_step >= self.plan.max_steps:
                return

    def save(self) -> CheckpointRecord:
        if self.last is None:
            raise BattleFailed("no step was trained: every line was held out or over max_length")
        if self.training.eval_steps and self.validation_loss is None:
            self.validation_loss = self._validate()
        return write_checkpoint(
            self.plan.out,
            self._save_pretrained,
            self.plan.model,
            step=self.step,
            train_loss=self.last.loss,
            val_loss=self.validation_loss,
            learning_rate=self.last.learning_rate,
            epoch=self.share * self.plan.epochs,
            accuracy=None,
            training_files=[quest.name for quest in self.plan.quests],
            skill_name=self.lineage.skill,
            skill_level=self.lineage.level,
            total_examples=self.examples,
            total_tokens=self.tokens,
            hero=self.hero.id,
            config_hash=self.training.digest,
            fingerprint=self.fingerprint,
        )

    def _save_pretrained(self, folder: Path) -> None:
        model = self.engine.model
        save_pretrained(model, dict(model.named_parameters()), folder, self.training.checkpoint_dtype)

    def _streamed(self, held_out: Rule) -> Iterator[tuple[Path, StreamedStep, float]]:
        claims = list(self.plan.quests) * self.plan.epochs
        total = sum(quest.stat().st_size for quest in claims)
        before = 0
        for number, quest in enumerate(claims, start=1):
            cursor, spec = Cursor(number), self.specs[quest]
            for streamed in steps(quest, cursor, chat=self.chat, spec=spec, training=self.training, held_out=held_out):
                self.counts += streamed.counts
                yield quest, streamed, (before + streamed.bytes_done) / total
            before += quest.stat().st_size

    def _account(self, quest: Path, streamed: StreamedStep, result: StepResult) -> None:
        if not result.applied:
            self.failed += 1
            if self.failed > FAILED_STEPS_ALLOWED:
                raise BattleFailed(f"{quest}: {self.failed} steps with a loss or gradient that is not a number")
            return
        self.step += 1
        self.tokens += result.tokens
        self.examples += sum(map(len, streamed.passes))
        self.last = result

    def _validation_passes(self, held_out: Rule) -> Step:
        examples: list[Example] = []
        for quest, spec in self.specs.items():
            limit = VALIDATION_EXAMPLES - len(examples)
            whole = windows(quest, Cursor(claim=0))
            examples += validation_examples(whole, held_out, self.chat, spec, self.training, limit)
        return cut_passes(examples, self.training.tokens_per_pass, packed=self.training.packed)

    def _validate(self) -> float | None:
        """None where no line was held out."""
        return self.engine.validation_loss(self.validation) if self.validation else None
