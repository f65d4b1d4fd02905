"""A checkpoint: a plain Hugging Face folder with weights, tokenizer, hero and ledger record, whole or absent."""

import shutil
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from realm.armory.heroes import HERO_FILE
from realm.core.checkpoint_ledger import CheckpointLedger, CheckpointRecord, canonical_name, record_checkpoint
from realm.core.config import Retention
from realm.core.files import fsync_directory, publish_folder

TRAVELLERS = (
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "generation_config.json",
    HERO_FILE,
)


def write_checkpoint(
    root: Path,
    save_pretrained: Callable[[Path], None],
    origin: Path,
    *,
    step: int,
    **measured: Any,
) -> CheckpointRecord:
    """Writes root/checkpoint-{step}-{date}-{time}.

    `save_pretrained` writes the weights into a folder that it makes; `origin` is the model folder whose tokenizer
    travels along. `measured` are the remaining fields of CheckpointRecord. Files are read-only.
    Raises FileExistsError if this step was already saved in this minute, and OSError; then nothing is left behind.
    """
    saved_at = datetime.now(UTC)
    folder = root / canonical_name(step, saved_at)
    staging = root / f".{folder.name}"
    try:
        save_pretrained(staging)
        for name in TRAVELLERS:
            if (origin / name).exists():
                shutil.copyfile(origin / name, staging / name)
        record = record_checkpoint(staging, step=step, saved_at=saved_at, **measured)
        for file in staging.iterdir():
            file.chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
        publish_folder(staging, folder)
    except OSError:
        shutil.rmtree(staging, ignore_errors=True)  # half a checkpoint must not keep the disk full
        raise
    return record


def sweep(root: Path) -> None:
    """Removes what a kill left half-written or half-removed, and makes durable what it left to the kernel alone."""
    fsync_directory(root)
    for leftover in root.glob(".*checkpoint-*"):
        shutil.rmtree(leftover)


def retire(
    ledger: CheckpointLedger, retention: Retention, checkpoint_steps: int, champion: str | None = None
) -> list[str]:
    """Removes the checkpoints that no rule keeps; returns their names, oldest first."""
    for leftover in ledger.root.glob(".removed-checkpoint-*"):  # of a time when the disk refused
        shutil.rmtree(leftover)
    records = ledger.list_all()
    best = [ledger.get_best(metric) for metric in ("train_loss", "val_loss", "accuracy")]
    kept = {record.canonical_name for record in [*records[: retention.last], *best] if record} | {champion}
    kept |= {one.canonical_name for one in records if one.step % (checkpoint_steps * retention.every) == 0}
    doomed = [record for record in reversed(records) if record.canonical_name not in kept]
    for record in doomed:
        folder = ledger.path_of(record)
        leaving = folder.with_name(f".removed-{folder.name}")
        folder.rename(leaving)
        try:
            fsync_directory(folder.parent)  # a power cut must not bring it back under its name without its weights
        except OSError:
            leaving.rename(folder)
            raise
        shutil.rmtree(leaving)
    return [record.canonical_name for record in doomed]
