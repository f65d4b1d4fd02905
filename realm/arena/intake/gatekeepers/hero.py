"""Whose tokenizer counts: the hero's that config.json names. Imports neither torch nor transformers."""

from dataclasses import dataclass
from pathlib import Path

from realm.arena.battle.chat import ChatTokenizer
from realm.armory.heroes import HERO_FILE, HeroError, load_hero
from realm.core.config import Config, ConfigError, training_of
from realm.core.paths import Home

TOKENIZER_FILE = "tokenizer.json"


@dataclass(frozen=True)
class Measure:
    """What an example's length is measured with."""

    chat: ChatTokenizer
    max_length: int  # tokens


class CurrentMeasure:
    """Follows the hero while the daemon runs."""

    def __init__(self, home: Home):
        self._home = home
        self._made_from: object = None
        self.value: Measure | None = None
        self.problem: str | None = None  # why there is none, or an old one

    def look(self, config: Config) -> None:
        """Reads the hero again if it, or what the config says of it, has changed."""
        folder = self._home.models / config.model_name
        made_from = (folder, config.training, *(_stamp(folder / name) for name in (HERO_FILE, TOKENIZER_FILE)))
        if made_from == self._made_from:
            return
        self._made_from = made_from
        earlier, self.value, self.problem = self.value, None, None
        try:
            hero = load_hero(folder / HERO_FILE)
            training = training_of(config, hero.training, self._home.config_file)
            self.value = Measure(ChatTokenizer.load(folder), training.max_length)
        except ConfigError as error:  # the trainer goes on with the last good settings, too
            self.value = earlier
            self.problem = f"the length of examples is {'checked as before' if earlier else 'not checked'}: {error}"
        except (HeroError, ValueError, OSError) as error:
            self.problem = f"the length of examples is not checked: {error}"


def _stamp(file: Path) -> tuple[int, int] | None:
    """Another one after every change; None if there is no such file."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
