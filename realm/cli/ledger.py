"""realm ledger: what every checkpoint was worth when it was saved."""

from collections.abc import Sequence
from datetime import UTC, datetime

import click
from msgspec import to_builtins

from realm.cli import figures
from realm.cli.failures import complete_home, one_sentence
from realm.cli.terminal import echo_json, echo_lines, fields, printable, table
from realm.core.checkpoint_ledger import (
    METRICS,
    CheckpointLedger,
    CheckpointRecord,
    NoSuchCheckpointError,
    get_ledger,
    parse_name,
)
from realm.core.crown import Crown, DamagedCrown, read_crown

BEST, CROWN = "★", "👑"


@click.group()
def ledger() -> None:
    """Checkpoints: what each was worth when it was saved."""


@ledger.command()
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many.")
@click.option("--skill", help="Only those saved while this skill was trained.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object: checkpoints, and what is unreadable.")
def ls(limit: int, skill: str | None, as_json: bool) -> None:
    """List checkpoints, newest first. A star marks the best of all by that metric, a crown the champion."""
    with one_sentence(DamagedCrown):
        book = _ledger()
        crown = read_crown(complete_home())
        records = book.list_by_skill(skill) if skill else book.list_all()
        unreadable = book.unreadable()
        best = {metric: book.get_best(metric) for metric in METRICS}
    shown = records[:limit]
    if as_json:
        echo_json({"checkpoints": to_builtins(shown), "unreadable": unreadable})
        return
    if shown:
        header = ["CHECKPOINT", "LOSS", "VAL LOSS", "ACC", "SKILL", "SIZE", "SAVED"]
        now = datetime.now(UTC)
        echo_lines(table(header, [_row(record, best, crown, now) for record in shown], "<>>><>>", flexible=(4, 0)))
    else:
        click.echo(f"no checkpoint{f' of skill {printable(skill)}' if skill else ''} has been saved yet")
    if len(records) > limit:
        click.echo(f"and {len(records) - limit:,} older ones: --limit {len(records)} shows them")
    for reason in unreadable.values():
        click.echo(click.style(f"unreadable: {printable(reason)}", fg="red"))


@ledger.command()
@click.argument("checkpoint", metavar="STEP|NAME")
@click.option("--json", "as_json", is_flag=True, help="The record as JSON.")
def show(checkpoint: str, as_json: bool) -> None:
    """Show one checkpoint's record, by its step or its name."""
    with one_sentence(NoSuchCheckpointError):
        book = _ledger()
        record = _find(book, checkpoint)
    _print(book, record, as_json)


@ledger.command()
@click.option("--metric", type=click.Choice(list(METRICS)), default="train_loss", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The record as JSON; null if there is none.")
def best(metric: str, as_json: bool) -> None:
    """Show the best checkpoint by one metric; the newest of equals."""
    with one_sentence():
        book = _ledger()
        record = book.get_best(metric)
    if record is None and not as_json:
        click.echo(f"no checkpoint has {metric} yet")
        return
    _print(book, record, as_json)


def _ledger() -> CheckpointLedger:
    return get_ledger(complete_home().current_model)


def _find(book: CheckpointLedger, wanted: str) -> CheckpointRecord:
    """Raises NoSuchCheckpointError."""
    if wanted.isascii() and wanted.isdecimal():
        return book.get(int(wanted))
    try:
        step = parse_name(wanted).step
    except ValueError:
        example = "checkpoint-190000-20251127-1430"
        raise NoSuchCheckpointError(
            f"{wanted!r} is neither a step nor a checkpoint's name, such as {example}"
        ) from None
    named = next((record for record in book.list_all() if record.canonical_name == wanted), None)
    if named is None:
        raise NoSuchCheckpointError(f"{wanted} is not in the ledger; of step {step}: `realm ledger show {step}`")
    return named


def _row(
    record: CheckpointRecord, best: dict[str, CheckpointRecord | None], crown: Crown | None, now: datetime
) -> list[str]:
    def measured(metric: str, text: str) -> str:
        is_best = best[metric] == record
        return click.style(f"{BEST} {text}", fg="yellow") if is_best else text

    skill = " ".join(str(word) for word in (record.skill_name, record.skill_level) if word is not None)
    is_champion = crown is not None and crown.checkpoint == record.canonical_name
    return [
        f"{record.canonical_name} {CROWN}" if is_champion else record.canonical_name,
        measured("train_loss", figures.decimal(record.train_loss)),
        measured("val_loss", figures.decimal(record.val_loss)),
        measured("accuracy", figures.percent(record.accuracy)),
        printable(skill),
        figures.size(record.size_bytes),
        figures.since(datetime.fromisoformat(record.timestamp), now),
    ]


def _print(book: CheckpointLedger, record: CheckpointRecord | None, as_json: bool) -> None:
    if as_json or record is None:
        echo_json(to_builtins(record))
        return
    skill = " ".join(str(word) for word in (record.skill_name, record.skill_level) if word is not None)
    click.echo(click.style(record.canonical_name, bold=True))
    echo_lines(
        fields(
            [
                ("saved", f"{record.timestamp} on {printable(record.host)}"),
                ("hero", printable(record.hero)),
                ("step", f"{record.step:,}"),
                ("train loss", figures.decimal(record.train_loss)),
                ("val loss", figures.decimal(record.val_loss)),
                ("accuracy", figures.percent(record.accuracy)),
                ("learning rate", figures.scientific(record.learning_rate)),
                ("epoch", figures.decimal(record.epoch, 2)),
                ("skill", printable(skill) or figures.UNKNOWN),
                ("examples", f"{record.total_examples:,}"),
                ("tokens", f"{record.total_tokens:,}"),
                ("quests", _joined(record.training_files)),
                ("size", f"{figures.size(record.size_bytes)} in {len(record.manifest)} files"),
                ("config", printable(record.config_hash)),
                ("made with", _joined([f"{key} {value}" for key, value in record.fingerprint.items()])),
                ("path", printable(str(book.path_of(record)))),
            ]
        )
    )
    click.echo(click.style("SHA-256", dim=True))
    for name, digest in record.manifest.items():
        click.echo(f"  {digest}  {printable(name)}")


def _joined(words: Sequence[str]) -> str:
    return printable(", ".join(words)) or figures.UNKNOWN
