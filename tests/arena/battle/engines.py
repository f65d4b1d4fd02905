"""Engines as the trainer loads them, and seals of them."""

from pathlib import Path

import msgspec

from realm.arena.battle.campaign import Campaign
from realm.arena.battle.engine import Engine
from realm.arena.battle.learner import Learner
from realm.arena.battle.loaded_engine import Origin, load_engine
from realm.arena.battle.seal import Seal, newest_verified
from realm.arena.battle.sealed_state import SealedState
from realm.arena.battle.sealer import Sealer
from realm.core.config import Config, Seals, Training
from tests.arena.realm_home import eventually
from tests.settings import TRAINING

SETTINGS = msgspec.structs.replace(TRAINING, learning_rate=1e-2, warmup_steps=0)
STATE = SealedState(campaign=Campaign(hero="squire", training=SETTINGS), fingerprint={})


def loaded(squire: Path, config: Config, seal: Seal | None = None, training: Training = SETTINGS) -> Engine:
    return load_engine(Origin(squire, msgspec.structs.replace(config, threads=1, device="cpu")), seal, training)


def sealed(engine: Learner, folder: Path) -> Seal:
    folder.mkdir()
    sealer = Sealer(folder, Seals(), last_number=0)
    sealer.start(engine.snapshot(STATE))
    eventually(sealer.finished)
    seal, _ = newest_verified(folder)
    assert seal
    return seal
