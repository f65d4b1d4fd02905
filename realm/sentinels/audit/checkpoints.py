"""Checkpoints: each as its ledger record says, none beyond where training stands; the index lists them."""

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from realm.core.checkpoint_ledger import SIDECAR, CheckpointLedger, CheckpointRecord
from realm.core.files import files_below
from realm.sentinels.audit.books import Books
from realm.sentinels.finding import Finding, fine, note, trouble

INDEX = "checkpoint_ledger.json"
REBUILT = "it is made anew with the next checkpoint"


class Index(Struct, frozen=True):
    checkpoints: dict[str, CheckpointRecord]


def records(books: Books) -> Iterator[Finding]:
    ledger = CheckpointLedger(books.home.current_model)
    for name, why in ledger.unreadable().items():
        yield trouble(f"checkpoint {name}: {why}")
    found = ledger.list_all()
    reach = _reach(books)
    for record in found:
        for problem in ledger.verify(record) if books.deep else _sizes(books, record):
            yield trouble(
                f"checkpoint {record.canonical_name}: {problem}",
                "it is not what was saved",
                "restore it from another copy, or remove it",
            )
        if record.step > reach:
            what = f"checkpoint {record.canonical_name}: its step was never trained here"
            yield trouble(what, f"training came to step {reach:,}", "move it elsewhere")
    yield fine(f"{len(found)} checkpoints, {sum(record.size_bytes for record in found):,} bytes")


def index(books: Books) -> Iterator[Finding]:
    file = books.home.status / INDEX
    present = {record.canonical_name: record for record in CheckpointLedger(books.home.current_model).list_all()}
    try:
        listed = msgspec.json.decode(file.read_bytes(), type=Index).checkpoints
    except FileNotFoundError:
        listed = {}
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        yield trouble(f"{INDEX}: {error}", "readers of the index see no checkpoints", REBUILT)
        return
    for name in sorted(present.keys() ^ listed.keys()):
        what = "is not in the index" if name in present else "is in the index, and gone"
        yield note(f"checkpoint {name}: {what}", "the index is a convenience, the records are the truth", REBUILT)
    for name in sorted(present.keys() & listed.keys()):
        if present[name] != listed[name]:
            yield trouble(f"checkpoint {name}: the index has another record of it", "", REBUILT)


def _reach(books: Books) -> int:
    """The last step that was ever trained, also behind a seal that was lost since."""
    ends = [(claim.first_step or 0) + claim.steps for claim in books.ended]
    lost = [int(path.name.split("-")[1]) for path in books.home.seals.glob("corrupt-[0-9]*-[0-9]*")]
    return max([books.rows.last_step, *ends, *lost])


def _sizes(books: Books, record: CheckpointRecord) -> Iterator[str]:
    folder = books.home.current_model / record.canonical_name
    try:
        files = {file.relative_to(folder).as_posix(): file.stat().st_size for file in files_below(folder)}
    except (OSError, ValueError) as error:
        yield str(error)
        return
    files.pop(SIDECAR, None)
    for name in sorted(files.keys() ^ record.manifest.keys()):
        yield f"{name} is missing" if name in record.manifest else f"{name} is no part of it"
    if files.keys() == record.manifest.keys() and sum(files.values()) != record.size_bytes:
        yield f"has {sum(files.values()):,} bytes, its record says {record.size_bytes:,}"
