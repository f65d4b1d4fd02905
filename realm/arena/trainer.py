"""trainer: the daemon that trains.

NAME      realm run trainer
READS     queue/{high,normal,low}/, control/ (.pause .stop .skip .seal, holds/, orders/trainer/: checkpoint),
          config.json, models/<hero>/
WRITES    queue/processing/ and its ends, current_model/ (journal, seals, checkpoints), status/training_status.json,
          status/battle_status.json, status/checkpoint_ledger.json, events/, metrics/ and history/trainer.jsonl
SIGNALS   TERM, INT: a last seal, then the end; a second one: the end at once, which the next start recovers from
STATES    starting, working, idle, paused, stopped, waiting (a resource is short), stopping, ended
RECOVERY  the newest seal that verifies, then the journal; what it trained since is trained again to the same weights
"""

import os
from pathlib import Path

from realm.arena.battle.learner import NoAccelerator, NotInstalled
from realm.arena.battle.loaded_hero import LOADER
from realm.arena.battle_log import BattleLog
from realm.arena.intake.hints import Hints
from realm.arena.training import Trainer
from realm.armory.heroes import HeroError
from realm.armory.quiet import silence_transformers
from realm.core.config import ConfigError
from realm.core.daemon import Frame
from realm.core.history import DamagedHistory
from realm.core.paths import Home, HomeError
from realm.core.quests import PRIORITIES

INTERVAL = 2.0  # seconds between status documents
COMPILED = ".compiled"  # in models/: it may be deleted
CANNOT_START = 78  # sysexits.h EX_CONFIG


def main(home: Path) -> None:
    """Runs until told to stop.

    Exits with 75 if another trainer holds the lock, 78 for what a person must mend, 69 without the device asked for.
    """
    silence_transformers()
    realm_home = Home(home)
    try:
        realm_home.check_whole()
    except HomeError as error:
        raise SystemExit(str(error)) from None
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(realm_home.models / COMPILED)  # else made again at each start
    log = BattleLog(realm_home)
    with Frame("trainer", realm_home.locks, interval_s=INTERVAL, on_heartbeat=log.heartbeat) as frame:
        try:
            trainer = Trainer(frame, realm_home, log, LOADER)
            trainer.recover()
            _hint(trainer)
        except (HeroError, ConfigError, DamagedHistory, NotInstalled) as error:
            frame.log("cannot-start", reason=error)
            raise SystemExit(CANNOT_START) from None
        except NoAccelerator as error:
            frame.log("wait", reason=error)
            raise SystemExit(os.EX_UNAVAILABLE) from None  # systemd starts it again, after a while
        trainer.run()


def _hint(trainer: Trainer) -> None:
    """A quest that comes to an idle trainer is seen at once; where the kernel tells of none, at its next look."""
    hints = Hints(trainer.wake)
    for priority in PRIORITIES:
        hints.watch(trainer.home.queue / priority)
