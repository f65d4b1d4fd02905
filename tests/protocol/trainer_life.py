"""A whole life of the real trainer, and how to tell whether one that was cut came to the same end."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import orjson

from realm.arena.battle.chat import ChatTokenizer
from realm.arena.battle.holdout import holdout_rule
from realm.arena.battle.seal import newest_verified
from realm.arena.battle.snapshot import OPTIMIZER, WEIGHTS
from realm.arena.battle.specs import get_spec
from realm.arena.battle.stream import Cursor, steps
from realm.armory.heroes import load_hero
from realm.core.checkpoint_ledger import CheckpointLedger
from realm.core.config import load_config, training_of
from realm.core.history import read_history
from realm.core.metrics import read_metrics
from realm.core.paths import Home
from realm.core.quests import RESULT_FILE, STATES, QuestQueue
from tests.arena.preloaded import CHECKOUT, Life
from tests.arena.realm_home import log_of, make_home, put_quest, start
from tests.protocol.trainer_acts import RATES, digest_of

QUESTS = 4
RESTARTS = 3  # after one fault a life must go on for good; a few more ends are allowed, not any number


def prepare(root: Path, squire: Path) -> Home:
    """Four quests of some seven steps each; seals come where people's acts bring them, and when the queue is dry."""
    training = {"batch_size": 1, "max_length": 128, "checkpoint_steps": 10, "learning_rate": RATES[0]}
    home = make_home(root, squire, seal_seconds=14_000, **training)
    config = orjson.loads(home.config_file.read_bytes())
    config["seals"]["gb_per_day"] = 1e6  # no seal waits for the budget of a day
    home.config_file.write_bytes(orjson.dumps(config))
    for number in range(QUESTS):
        put_quest(home, lines(32, first=1000 * number), name=f"q{number}.jsonl")
    return home


def lines(count: int, first: int) -> bytes:
    """Sums, as chats."""
    told = ((f"{n} + {3 * n}", f"{n} and {3 * n} make {4 * n}") for n in range(first, first + count))
    turns = ([{"role": "user", "content": ask}, {"role": "assistant", "content": answer}] for ask, answer in told)
    return b"".join(orjson.dumps({"messages": one}) + b"\n" for one in turns)


def poison_of(home: Home) -> str:
    """Digest of the first example of the first claim's third step."""
    config = load_config(home.config_file)
    folder = home.models / "squire"
    training = training_of(config, load_hero(folder / "hero.yaml").training, home.config_file)
    quest = QuestQueue(home).waiting()[0].path / "quest.jsonl"
    chat, held_out = ChatTokenizer.load(folder), holdout_rule(training.holdout)
    streamed = steps(quest, Cursor(1), chat=chat, spec=get_spec("chat_sft_v1"), training=training, held_out=held_out)
    return digest_of(list(streamed)[2].passes[0][0].ids)


def begin(home: Home, poison: str, gate: str = "") -> Life:
    """`gate`: the name of the thread that waits for a byte in the pipe `door(home)`."""
    (home.locks / "trainer.starts").unlink(missing_ok=True)  # no back-off: the deaths are ours
    acts = f"trainer_acts.install({poison!r}, {gate!r}, {str(door(home))!r}); "
    found = f"import sys; sys.path.insert(0, {str(CHECKOUT)!r}); from tests.protocol import trainer_acts; "
    return start("trainer", home, found + acts)


def door(home: Home) -> Path:
    return home.root.with_name(f"{home.root.name}.door")


def live_on(home: Home, poison: str, *ends: int) -> None:
    """Starts it again until all quests have ended; `ends`: exit statuses of lives before."""
    while 0 not in ends:
        assert len(ends) <= RESTARTS, f"it comes to no end, only to {ends}:\n{log_of(home)}"
        ends += (begin(home, poison).wait(120),)


@dataclass(frozen=True)
class Outcome:
    """What must be equal, wherever a life was cut."""

    weights: str  # SHA-256
    optimizer: str  # SHA-256
    folders: dict[str, list[str]]  # state -> quests
    history: list[tuple[object, ...]]  # claim, quest, outcome, steps, tokens
    results: list[dict[str, object]]  # of the quests, without when and by which seal
    rows: dict[int, tuple[object, ...]]  # step -> claim, loss, learning rate, gradient norm, tokens
    said: list[str]  # of the status documents, the last word


def outcome_of(home: Home) -> Outcome:
    """Reads a home whose life has ended; what is not whole, or was left lying about, fails here."""
    seal, problems = newest_verified(home.seals)
    assert seal
    assert problems == []
    ledger = CheckpointLedger(home.current_model)
    assert [ledger.verify(record) for record in ledger.list_all() if ledger.verify(record)] == []
    assert [path for path in home.current_model.rglob(".*") if path.is_dir()] == []
    ended = list(read_history(home.history / "trainer.jsonl"))
    return Outcome(
        weights=seal.manifest.parts[WEIGHTS].sha256,
        optimizer=seal.manifest.parts[OPTIMIZER].sha256,
        folders={state: QuestQueue(home).names(state) for state in STATES},
        history=[(one.claim, one.quest, one.outcome, one.steps, one.tokens) for one in ended],
        results=[result_of(home, one.quest) for one in ended],
        rows={
            row["step"]: (row["claim"], row["loss"], row["learning_rate"], row["gradient_norm"], row["tokens"])
            for row in read_metrics(home.metrics)
        },
        said=[
            orjson.loads((home.status / name).read_bytes())["state"]
            for name in ("training_status.json", "battle_status.json")
        ],
    )


def result_of(home: Home, quest: str) -> dict[str, object]:
    result = orjson.loads((home.completed / quest / RESULT_FILE).read_bytes())
    return {name: value for name, value in result.items() if name not in ("claimed_at", "seal")}


def copied(home: Home, root: Path) -> Home:
    shutil.copytree(home.root, root, symlinks=True)
    return Home(root)
