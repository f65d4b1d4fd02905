"""Lives of the real trainer in this process, with the hero that needs no torch, ended where a test says."""

from collections.abc import Callable
from pathlib import Path

import orjson

from realm.arena.battle_log import BattleLog
from realm.arena.training import Trainer
from realm.core.daemon import Frame
from realm.core.history import read_history
from realm.core.paths import Home
from tests.protocol.chain_hero import LOADER, make_model_folder

TURNS = 10_000  # far more than a few small quests take


def make_chain_home(root: Path) -> Home:
    """Seals as soon as the queue is dry."""
    home = Home(root)
    home.create()
    make_model_folder(home.models / "squire")
    config = {"training": {"batch_size": 1, "max_length": 128}, "seals": {"dry_minutes": 0.0, "gb_per_day": 1e6}}
    home.config_file.write_bytes(orjson.dumps(config))
    return home


def live(home: Home, until: Callable[[Trainer], bool]) -> None:
    """A life of the trainer to the moment `until`, and a clean end."""
    with Frame("trainer", home.locks, interval_s=3600) as frame:
        trainer = Trainer(frame, home, BattleLog(home), LOADER)
        trainer.recover()
        for _ in range(TURNS):
            trainer.turn()
            if until(trainer):
                break
        else:
            raise AssertionError(trainer.log.view)
        frame.stopping.set()
        trainer.run()


def all_is_filed(trainer: Trainer) -> bool:
    return not trainer.fight.campaign.claims and not trainer.board.queue.waiting()


def ends(home: Home) -> list[tuple[object, ...]]:
    return [(one.claim, one.outcome, one.steps) for one in read_history(home.history / "trainer.jsonl")]
