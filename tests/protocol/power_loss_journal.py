"""Journal, seals and checkpoints under a power cut: what was decided and sealed is there, and nothing half made is."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from realm.arena.battle.checkpoint import retire, write_checkpoint
from realm.arena.battle.checkpoint import sweep as sweep_checkpoints
from realm.arena.battle.journal import SEGMENT_BYTES, Journal, Position
from realm.arena.battle.seal import Seal, newest_verified, retain, sweep, write_seal
from realm.arena.battle.sealer import Sealer
from realm.core.checkpoint_ledger import CheckpointLedger
from realm.core.config import Retention, Seals
from realm.core.paths import Home
from tests.protocol.power_loss_subject import Subject, make_places

HERE = Position(7, 1, 0, 3)


# The journal alone


def text_of(number: int, size: int) -> str:
    return f"{number} " * (size // len(f"{number} "))


def decide(number: int, size: int, journal: Journal) -> None:
    """Line `number`, unless it is there."""
    if journal.last_seq < number:
        journal.append("config", HERE, text=text_of(number, size))


def check_lines(sizes: dict[int, int], journal: Journal, *, begin: int, end: int) -> None:
    """The lines from `begin` to `end` are there, and whatever else is there is whole."""
    assert journal.begins <= begin, f"the journal begins with line {journal.begins} instead of {begin}"
    assert journal.last_seq >= end, f"line {end} is lost, the journal ends with {journal.last_seq}"
    for line in journal.lines:
        assert line.data["text"] == text_of(line.seq, sizes[line.seq]), f"line {line.seq} is torn"


DECISIONS = {1: 100, 2: 3000, 3: 2000, 4: 100, 5: 100}  # line -> bytes; the second crosses a page


def start_journal(home: Home) -> Journal:
    return Journal(home.journal)


def check_journal(journal: Journal, acknowledged: int) -> None:
    appended = sum(1 for index in (0, 1, 2, 4, 6) if index < acknowledged)
    check_lines(DECISIONS, journal, begin=5 if acknowledged >= 7 else 1, end=appended)


JOURNAL = Subject(
    "journal",
    lambda home: make_places(home, "current_model"),
    start_journal,
    (
        *(partial(decide, number, DECISIONS[number]) for number in (1, 2, 3)),
        Journal.begin_segment,
        partial(decide, 4, DECISIONS[4]),
        Journal.begin_segment,
        partial(decide, 5, DECISIONS[5]),
        lambda journal: journal.forget(4),  # two segments at once
    ),
    check_journal,
)

LONG = {1: 100, 2: SEGMENT_BYTES, 3: 100}  # the second does not fit into what was allocated

GROWING_JOURNAL = Subject(
    "journal that grows",
    lambda home: make_places(home, "current_model"),
    start_journal,
    tuple(partial(decide, number, size) for number, size in LONG.items()),
    lambda journal, acknowledged: check_lines(LONG, journal, begin=1, end=acknowledged),
)


# Seals, and what they let the journal forget


@dataclass
class Sealed:
    """What a trainer has in hand after its start."""

    home: Home
    newest: Seal | None
    journal: Journal
    sealer: Sealer

    def decide(self, number: int) -> None:
        decide(number, 100, self.journal)

    def seal(self, number: int) -> None:
        """Holds the effect of the first `number` lines."""
        if self.newest is None or self.newest.number < number:
            self.newest = write_seal(self.home.seals, 10 * number, number, number, parts_of(number))

    def land(self, number: int) -> None:
        self.sealer.forget_covered(self.journal)


def parts_of(number: int) -> dict[str, list[bytes]]:
    return {"weights": [b"%d of the weights " % number * 300], "state.json": [b'{"number": %d}' % number]}


def start_sealed(home: Home) -> Sealed:
    """As the trainer recovers."""
    sweep(home.seals)
    newest, _ = newest_verified(home.seals)
    journal = Journal(home.journal, newest.manifest.journal_seq + 1 if newest else 1)
    if newest:
        retain(home.seals)
    return Sealed(home, newest, journal, Sealer(home.seals, Seals(), newest.number if newest else 0))


def check_sealed(sealed: Sealed, acknowledged: int) -> None:
    """Each number is decided, sealed, and landed."""
    decided, written = (acknowledged + 2) // 3, (acknowledged + 1) // 3
    newest = sealed.newest
    assert (newest.number if newest else 0) >= written, f"seal {written} is lost, the newest is {newest}"
    check_lines(
        dict.fromkeys(range(1, 9), 100), sealed.journal, begin=(newest.number if newest else 0) + 1, end=decided
    )
    if newest:
        check_parts(newest)
        check_fallback(sealed, newest, written)


def check_fallback(sealed: Sealed, newest: Seal, written: int) -> None:
    """Were the newest damaged, the one before it and the journal would do."""
    hidden = newest.folder.with_name(".hidden")
    newest.folder.rename(hidden)
    older, _ = newest_verified(sealed.home.seals)
    hidden.rename(newest.folder)
    assert (older.number if older else 0) >= written - 1, f"seal {written - 1} is lost, {older} is there"
    assert sealed.journal.begins <= (older.number if older else 0) + 1, "the journal does not reach to the older seal"
    if older:
        check_parts(older)


def check_parts(seal: Seal) -> None:
    parts = {name: seal.path(name).read_bytes() for name in seal.manifest.parts}
    assert parts == {name: chunks[0] for name, chunks in parts_of(seal.number).items()}


SEALS = Subject(
    "seals",
    lambda home: make_places(home, "current_model"),
    start_sealed,
    tuple(
        partial(lambda sealed, act, number: act(sealed, number), act=act, number=number)
        for number in (1, 2, 3)
        for act in (Sealed.decide, Sealed.seal, Sealed.land)
    ),
    check_sealed,
)


# Checkpoints

CHECKPOINT_STEPS = (10, 20)
WEIGHTS = b"weights of a checkpoint " * 100


def lay_checkpoints(home: Home) -> None:
    make_places(home, "current_model", "models", "status")
    (home.models / "tokenizer.json").write_bytes(b'{"a": "tokenizer"}' * 40)


def start_checkpoints(home: Home) -> Home:
    sweep_checkpoints(home.current_model)
    return home


def save(folder: Path) -> None:
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(WEIGHTS)


def checkpoint(step: int, home: Home) -> None:
    latest = CheckpointLedger(home.current_model).get_latest()
    if latest is None or latest.step < step:
        nothing = dict.fromkeys(("train_loss", "val_loss", "learning_rate", "epoch", "accuracy"))
        write_checkpoint(
            home.current_model,
            save,
            home.models,
            step=step,
            **nothing,
            training_files=[],
            skill_name=None,
            skill_level=None,
            total_examples=0,
            total_tokens=0,
            hero="squire",
            config_hash="",
            fingerprint={},
        )


def retire_all_but_one(home: Home) -> None:
    retire(CheckpointLedger(home.current_model), Retention(last=1), CHECKPOINT_STEPS[0])


def check_checkpoints(home: Home, acknowledged: int) -> None:
    ledger = CheckpointLedger(home.current_model)
    there = {record.step: record for record in ledger.list_all()}
    retired_too = acknowledged >= len(CHECKPOINT_STEPS)
    wanted = CHECKPOINT_STEPS[-1:] if retired_too else CHECKPOINT_STEPS[:acknowledged]
    assert set(there) >= set(wanted), f"of {wanted} only {sorted(there)} are left"
    for record in there.values():
        assert ledger.verify(record) == []
    assert ledger.unreadable() == {}


CHECKPOINTS = Subject(
    "checkpoints",
    lay_checkpoints,
    start_checkpoints,
    (*(partial(checkpoint, step) for step in CHECKPOINT_STEPS), retire_all_but_one),
    check_checkpoints,
)

SUBJECTS = (JOURNAL, GROWING_JOURNAL, SEALS, CHECKPOINTS)
