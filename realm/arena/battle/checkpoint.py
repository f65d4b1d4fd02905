"""A checkpoint: a plain Hugging Face folder with weights, tokenizer, hero and ledger record, whole or absent."""

import shutil
import stat
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from realm.armory.heroes import HERO_FILE
from realm.core.checkpoint_ledger import CheckpointLedger, CheckpointRecord, canonical_name, record_checkpoint
from realm.core.config import Precision, Retention
from realm.core.files import publish_folder

TRAVELLERS = (
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "generation_config.json",
    HERO_FILE,
)
DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}


def write_checkpoint(
    root: Path,
    model: PreTrainedModel,
    weights: Mapping[str, Tensor],
    origin: Path,
    dtype: Precision,
    *,
    step: int,
    **measured: Any,
) -> CheckpointRecord:
    """Writes root/checkpoint-{step}-{date}-{time}.

    `weights` by parameter name, of `model`'s shape; `origin` is the model folder whose tokenizer travels along.
    `measured` are the remaining fields of CheckpointRecord. Files are read-only.
    Raises FileExistsError if this step was already saved in this minute.
    """
    saved_at = datetime.now(UTC)
    folder = root / canonical_name(step, saved_at)
    staging = root / f".{folder.name}.tmp"
    shutil.rmtree(staging, ignore_errors=True)
    model.save_pretrained(staging, state_dict={name: one.to(DTYPES[dtype]) for name, one in weights.items()})
    for name in TRAVELLERS:
        if (origin / name).exists():
            shutil.copyfile(origin / name, staging / name)
    record = record_checkpoint(staging, step=step, saved_at=saved_at, **measured)
    for file in staging.iterdir():
        file.chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
    publish_folder(staging, folder)
    return record


def retire(ledger: CheckpointLedger, retention: Retention, checkpoint_steps: int) -> list[str]:
    """Removes the checkpoints that no rule keeps; returns their names, oldest first."""
    records = ledger.list_all()
    best = [ledger.get_best(metric) for metric in ("train_loss", "val_loss", "accuracy")]
    kept = {record.canonical_name for record in [*records[: retention.last], *best] if record}
    kept |= {one.canonical_name for one in records if one.step % (checkpoint_steps * retention.every) == 0}
    doomed = [record for record in reversed(records) if record.canonical_name not in kept]
    for record in doomed:
        folder = ledger.path_of(record)
        leaving = folder.with_name(f".removed-{folder.name}")
        folder.rename(leaving)
        shutil.rmtree(leaving)
    return [record.canonical_name for record in doomed]
