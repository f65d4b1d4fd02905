"""The battle's durable state: journal, seals, checkpoints, and quests filed with them."""

from pathlib import Path

import msgspec

from realm.arena.battle.campaign import Campaign, Claim
from realm.arena.battle.checkpoint import retire, write_checkpoint
from realm.arena.battle.checkpoint import sweep as sweep_checkpoints
from realm.arena.battle.journal import SEGMENT_BYTES, Journal, JournalHole, Position, set_aside
from realm.arena.battle.seal import newest_verified, retain, sweep, write_seal
from realm.arena.quest_board import QuestBoard
from realm.armory import heroes
from realm.core.checkpoint_ledger import CheckpointLedger
from realm.core.config import Retention
from realm.core.history import History, read_history
from realm.core.paths import Home
from realm.core.quests import ERROR_FILE, RESULT_FILE, QuestQueue, read_meta
from tests.protocol.subject import DIGEST, LINES, Complaint, Complaints, Subject, folder_of, lay, lies_only_in, name_of

HERE = Position(step=3, claim=1, window=0, pack=3)
TRAINING = heroes.get_hero("squire").training
CAMPAIGN = Campaign(hero="squire", training=TRAINING, id="c0ffee")

# The journal


def append_to(home: Home, last: int, text: str = "") -> Journal:
    """Opens it as a start does, and decides what is not decided yet, up to line `last`."""
    journal = Journal(home.journal)
    while journal.last_seq < last:
        journal.append("skip", HERE, flag=f"{journal.last_seq + 1}", text=text)
    return journal


def begin_segment(home: Home) -> None:
    """As when a seal covers the first three lines."""
    journal = append_to(home, 3)
    journal.begin_segment()
    journal.forget(3)
    if journal.last_seq < 4:
        journal.append("skip", HERE, flag="4")


def tear(home: Home) -> None:
    append_to(home, 3)
    (segment,) = home.journal.iterdir()
    content = segment.read_bytes()
    end = len(content.rstrip(b"\0"))
    segment.write_bytes(content[:end] + b"0badcafe {half a li" + content[end + 19 :])


def pierce(home: Home) -> None:
    append_to(home, 3)
    (segment,) = home.journal.iterdir()
    segment.write_bytes(segment.read_bytes().replace(b'"seq":2', b'"seq":7', 1))


def open_pierced(home: Home) -> None:
    try:
        Journal(home.journal)
    except JournalHole:
        set_aside(home.journal)
        Journal(home.journal)


def has_lines(home: Home, *wanted: int) -> Complaints:
    found = [line.seq for line in Journal(home.journal).lines]
    for seq in wanted:
        if seq not in found:
            yield Complaint("lost", f"line {seq} of the journal")
    if len(found) != len(set(found)):
        yield Complaint("twice", f"lines of the journal: {found}")
    if bad := [path.name for path in home.journal.iterdir() if path.stat().st_size % SEGMENT_BYTES]:
        yield Complaint("torn", f"no space is taken ahead in {bad}")


def is_set_aside(home: Home) -> Complaints:
    if not list(home.current_model.glob("journal-hole-*/*.log")):
        yield Complaint("lost", "the journal with the hole")
    yield from has_lines(home)


# Claims


def board_of(home: Home) -> QuestBoard:
    return QuestBoard(QuestQueue(home), History(home.history, "trainer"), lambda quest, reason: None)


def claim(home: Home) -> None:
    """As the trainer does at a start and at a quest's first step: what the journal has is taken, all else sent back."""
    board, journal = board_of(home), Journal(home.journal)
    journalled = {line.data["claim"]["quest"] for line in journal.lines if line.kind == "claim"}
    board.release_unclaimed(CAMPAIGN, journalled)
    if not journalled:
        taken = board.next_claim(1, TRAINING, set())
        assert taken
        journal.append("claim", HERE, claim=msgspec.to_builtins(taken))
    for line in journal.lines:
        board.take(msgspec.convert(line.data["claim"], Claim))


def is_claimed_once(home: Home) -> Complaints:
    yield from lies_only_in(home, "processing")
    lines = [line.data["claim"]["quest"] for line in Journal(home.journal).lines if line.kind == "claim"]
    if lines != [name_of("quest")]:
        yield Complaint("twice" if lines else "lost", f"claims in the journal: {lines}")


ENDS = {"completed": "recently_completed", "skipped": "recently_completed", "failed": "failed", "lost": None}


def claims() -> list[Claim]:
    return [
        Claim(
            number=number,
            quest=name_of(outcome),
            priority="low",
            sha256=DIGEST,
            size=len(LINES),
            training=TRAINING,
            outcome=outcome,  # type: ignore[arg-type]
            reason="as told",
            steps=10,
        )
        for number, outcome in enumerate(ENDS, start=1)
    ]


def file_claims(home: Home) -> None:
    board = board_of(home)
    for one in claims():
        board.file(one, CAMPAIGN.id, "20-2")


def are_filed_once(home: Home) -> Complaints:
    for outcome, end in ENDS.items():
        yield from lies_only_in(home, end, outcome)  # type: ignore[arg-type]
    for end, verdict in (("recently_completed", RESULT_FILE), ("failed", ERROR_FILE)):
        for folder in (home.queue / end).iterdir():
            if msgspec.json.decode((folder / verdict).read_bytes())["seal"] != "20-2":
                yield Complaint("torn", f"{folder.name} does not name its seal")
    told = sorted((line.claim or 0, line.outcome) for line in read_history(home.history / "trainer.jsonl"))
    wanted = list(enumerate(ENDS, start=1))
    if told != wanted:
        yield Complaint("twice" if len(told) > len(wanted) else "lost", f"history: {told}")


def fail_unread(home: Home) -> None:
    """A hand has changed the quest's file; what a start does comes first."""
    board = board_of(home)
    board.release_unclaimed(CAMPAIGN, set())
    board.next_claim(1, TRAINING, set())


def has_failed_unread(home: Home) -> Complaints:
    yield from lies_only_in(home, "failed")
    outcomes = [line.outcome for line in read_history(home.history / "trainer.jsonl")]
    if outcomes != ["failed"]:
        yield Complaint("twice" if outcomes else "lost", f"history: {outcomes}")


def lay_changed(home: Home) -> None:
    lay(folder_of(home, "low"))
    meta = read_meta(folder_of(home, "low"))
    content = msgspec.json.encode(msgspec.structs.replace(meta, sha256="0" * 64))
    (folder_of(home, "low") / "meta.json").write_bytes(content)


# Seals


def seal(home: Home, number: int) -> None:
    parts = {"weights.safetensors": [b"w" * 100_000] * 2, "state.json": [b'{"number": %d}' % number]}
    write_seal(home.seals, 10 * number, number, number, parts)


def seal_second(home: Home) -> None:
    """As a start does, and then a seal."""
    sweep(home.seals)
    newest, problems = newest_verified(home.seals)
    assert not problems
    if newest is None or newest.number < 2:
        seal(home, 2)


def resume_from_older(home: Home) -> None:
    """The newest seal is damaged: the quest that only it covered is trained again."""
    sweep(home.seals)
    newest, _ = newest_verified(home.seals)
    assert newest
    board_of(home).take(msgspec.structs.replace(claims()[0], quest=name_of("quest")))


def lay_damaged(home: Home) -> None:
    seal(home, 1)
    seal(home, 2)
    weights = home.seals / "20-2" / "weights.safetensors"
    weights.write_bytes(b"x" + weights.read_bytes()[1:])
    lay(folder_of(home, "recently_completed"), RESULT_FILE)


def keeps_seals(home: Home, *numbers: int) -> Complaints:
    found = sorted(int(path.name.partition("-")[2]) for path in home.seals.glob("[0-9]*"))
    newest, problems = newest_verified(home.seals)
    if problems:
        yield Complaint("torn", problems[0])
    if newest is None or found != list(numbers):
        yield Complaint("lost" if set(numbers) - set(found) else "stuck", f"seals are {found}")


def has_fallen_back(home: Home) -> Complaints:
    yield from keeps_seals(home, 1)
    if not (home.seals / "corrupt-20-2" / "manifest.json").exists():
        yield Complaint("lost", "the damaged seal, which a person may want to look at")
    yield from lies_only_in(home, "processing")
    if (folder_of(home, "processing") / RESULT_FILE).exists():
        yield Complaint("stuck", "a quest that is trained again has its result already")


# Checkpoints


def save_weights(folder: Path) -> None:
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"w" * 100_000)
    (folder / "config.json").write_text("{}")


def checkpoint(home: Home, step: int) -> None:
    origin = home.models / "squire"
    write_checkpoint(
        home.current_model,
        save_weights,
        origin,
        step=step,
        train_loss=None,
        val_loss=None,
        learning_rate=0.5,
        epoch=None,
        accuracy=None,
        training_files=[name_of("quest")],
        skill_name=None,
        skill_level=None,
        total_examples=1,
        total_tokens=1,
        hero="squire",
        config_hash="c",
        fingerprint={},
    )


def lay_checkpoints(home: Home) -> None:
    (home.models / "squire").mkdir()
    (home.models / "squire" / "tokenizer.json").write_text("{}")
    for step in (1, 2):
        checkpoint(home, step)


def save_third(home: Home) -> None:
    sweep_checkpoints(home.current_model)
    ledger = CheckpointLedger(home.current_model)
    latest = ledger.get_latest()
    if latest is None or latest.step < 3:
        checkpoint(home, 3)
    retire(ledger, Retention(last=2, every=1000), 1)
    ledger.write_index(home.status / "checkpoint_ledger.json")


def keeps_checkpoints(home: Home) -> Complaints:
    ledger = CheckpointLedger(home.current_model)
    records = ledger.list_all()
    if (steps := [record.step for record in records]) != [3, 2]:
        yield Complaint("lost" if 3 not in steps or 2 not in steps else "stuck", f"checkpoints are {steps}")
    for problem in [problem for record in records for problem in ledger.verify(record)]:
        yield Complaint("torn", problem)
    index = msgspec.json.decode((home.status / "checkpoint_ledger.json").read_bytes())
    if b"checkpoint-3-" not in msgspec.json.encode(index):
        yield Complaint("lost", "the index does not have it")


SUBJECTS = {
    "birth of a journal": Subject(
        prepare=lambda home: None,
        act=lambda home: append_to(home, 1),
        check=lambda home: has_lines(home, 1),
    ),
    "journal line": Subject(
        prepare=lambda home: append_to(home, 3),
        act=lambda home: append_to(home, 5),
        check=lambda home: has_lines(home, 1, 2, 3, 4, 5),
    ),
    "growth of a journal": Subject(
        prepare=lambda home: append_to(home, 3),
        act=lambda home: append_to(home, 4, "x" * SEGMENT_BYTES),
        check=lambda home: has_lines(home, 1, 2, 3, 4),
    ),
    "journal segment": Subject(
        prepare=lambda home: append_to(home, 3), act=begin_segment, check=lambda home: has_lines(home, 4)
    ),
    "torn journal": Subject(
        prepare=tear, act=lambda home: append_to(home, 4), check=lambda home: has_lines(home, 1, 2, 3, 4)
    ),
    "pierced journal": Subject(prepare=pierce, act=open_pierced, check=is_set_aside),
    "claim with its line": Subject(prepare=lambda home: lay(folder_of(home, "low")), act=claim, check=is_claimed_once),
    "filing": Subject(
        prepare=lambda home: [lay(folder_of(home, "processing", one)) for one in ENDS if one != "lost"],
        act=file_claims,
        check=are_filed_once,
    ),
    "failure of a changed quest": Subject(prepare=lay_changed, act=fail_unread, check=has_failed_unread),
    "seal": Subject(prepare=lambda home: seal(home, 1), act=seal_second, check=lambda home: keeps_seals(home, 1, 2)),
    "retention of seals": Subject(
        prepare=lambda home: [seal(home, number) for number in (1, 2, 3)],
        act=lambda home: (sweep(home.seals), retain(home.seals)),
        check=lambda home: keeps_seals(home, 2, 3),
    ),
    "fallback to the older seal": Subject(prepare=lay_damaged, act=resume_from_older, check=has_fallen_back),
    "checkpoint and retention": Subject(prepare=lay_checkpoints, act=save_third, check=keeps_checkpoints),
}
