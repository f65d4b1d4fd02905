"""config.json of a home, read and changed by programs: under a lock, and only if nobody else has changed it since."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import msgspec
from filelock import FileLock
from msgspec import UNSET, Struct

from realm.armory.heroes import HERO_FILE, Hero, get_hero, load_hero
from realm.core.config import Config, Training, config_of, load_config, read_raw, training_of
from realm.core.files import write_whole
from realm.core.locked import Locked, read_locked
from realm.core.paths import Home

Origin = Literal["default", "hero", "config.json"]
MODE = 0o664  # people of the home's group edit it too


class UnknownKey(ValueError):
    """A key that config.json does not have; the text names those it has."""


class ChangedMeanwhile(RuntimeError):
    """Somebody else wrote config.json since it was read."""


class Setting(NamedTuple):
    """One effective value."""

    key: str  # dotted, as training.learning_rate
    value: Any
    otherwise: Any  # what it would be without config.json
    origin: Origin


@dataclass(frozen=True)
class Settings:
    """A valid config.json as it was read. `version` tells its content from every other."""

    home: Home
    raw: dict[str, Any]
    version: str

    @classmethod
    def read(cls, home: Home) -> "Settings":
        """Raises ConfigError for a file that is invalid, OSError."""
        load_config(home.config_file)
        return cls(home, read_raw(home.config_file), version_of(home))

    def effective(self) -> list[Setting]:
        """Every setting. Raises ConfigError, HeroError."""
        config = config_of(self.raw, self.home.config_file)
        hero = training_of_hero(self.home, config)
        training = training_of(config, hero, self.home.config_file)
        top = [one for one in _section("", config, Config(), self.raw, "default") if one.key != "training"]
        return [*top, *_section("training.", training, hero, config.training, "hero")]

    def get(self, key: str) -> Setting:
        """Raises UnknownKey, ConfigError, HeroError."""
        known = {setting.key: setting for setting in self.effective()}
        if key not in known:
            section = key[: key.find(".") + 1]
            near = [one for one in known if one.startswith(section)] or known
            raise UnknownKey(f"{key} is unknown: the keys are {', '.join(near)}")
        return known[key]

    def changed(self, key: str, value: Any) -> dict[str, Any]:
        """The file's content with another value; UNSET takes the key out. Raises as `get`, and ConfigError."""
        self.get(key)
        content: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self.raw))
        *path, name = key.split(".")
        section = content
        for step in path:
            section = section.setdefault(step, {})
        if value is UNSET:
            section.pop(name, None)
        else:
            section[name] = value
        self.binding(content)
        return content

    def binding(self, raw: dict[str, Any]) -> Locked:
        """What a campaign under this content is bound to. Raises ConfigError for invalid content, HeroError."""
        config = config_of(raw, self.home.config_file)
        training = training_of(config, training_of_hero(self.home, config), self.home.config_file)
        return Locked.of(config, training)

    def locked_changes(self, raw: dict[str, Any]) -> list[str]:
        """What of `raw` the campaign does not allow. Raises as `binding`."""
        locked = read_locked(self.home.current_model)
        return locked.changes(self.binding(raw)) if locked else []

    def write(self, raw: dict[str, Any]) -> None:
        """Puts `raw` in the place of what was read. Raises ConfigError, HeroError, ChangedMeanwhile, OSError."""
        self.binding(raw)
        lock = self.home.locks / "config.lock"
        with FileLock(lock, mode=MODE, preserve_lock_file=True, fallback_to_soft=False):
            if version_of(self.home) != self.version:
                raise ChangedMeanwhile(f"{self.home.config_file} was changed meanwhile: look at it, and ask again")
            content = msgspec.json.format(msgspec.json.encode(raw), indent=2)
            write_whole(self.home.config_file, content + b"\n", mode=MODE)


def version_of(home: Home) -> str:
    """Another one for every other content of config.json. Raises OSError."""
    try:
        return hashlib.sha256(home.config_file.read_bytes()).hexdigest()[:12]
    except FileNotFoundError:
        return "no file"


def training_of_hero(home: Home, config: Config) -> Training:
    """The settings that the hero brings. Raises HeroError."""
    return hero_of(home, config).training


def hero_of(home: Home, config: Config) -> Hero:
    """As its model folder has it, else its file in configs/. Raises HeroError."""
    file = home.models / config.model_name / HERO_FILE
    return load_hero(file) if file.exists() else get_hero(config.model_name, home.configs)


def _section(prefix: str, values: Struct, without: Struct, raw: dict[str, Any], origin: Origin) -> Iterator[Setting]:
    for field in msgspec.structs.fields(values):
        value, otherwise = getattr(values, field.name), getattr(without, field.name)
        if isinstance(value, Struct):
            yield from _section(f"{prefix}{field.name}.", value, otherwise, raw.get(field.name, {}), origin)
        else:
            stated: Origin = "config.json" if field.name in raw else origin
            yield Setting(f"{prefix}{field.name}", value, otherwise, stated)
