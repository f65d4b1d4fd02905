"""A checkpoint: a plain Hugging Face folder with weights, tokenizer, hero and ledger record, whole or absent."""

import shutil
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from realm.armory.heroes import HERO_FILE
from realm.core.checkpoint_ledger import CheckpointRecord, canonical_name, record_checkpoint
from realm.core.config import Precision
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
    root: Path, model: PreTrainedModel, origin: Path, dtype: Precision, *, step: int, **measured: Any
) -> CheckpointRecord:
    """Writes root/checkpoint-{step}-{date}-{time}; `origin` is the model folder whose tokenizer travels along.

    `measured` are the remaining fields of CheckpointRecord. Files are read-only.
    Raises FileExistsError if this step was already saved in this minute.
    """
    saved_at = datetime.now(UTC)
    folder = root / canonical_name(step, saved_at)
    staging = root / f".{folder.name}.tmp"
    shutil.rmtree(staging, ignore_errors=True)
    weights = {name: tensor.to(DTYPES[dtype]) for name, tensor in model.state_dict().items()}
    model.save_pretrained(staging, state_dict=weights)
    for name in TRAVELLERS:
        if (origin / name).exists():
            shutil.copyfile(origin / name, staging / name)
    record = record_checkpoint(staging, step=step, saved_at=saved_at, **measured)
    for file in staging.iterdir():
        file.chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
    publish_folder(staging, folder)
    return record
