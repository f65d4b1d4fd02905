"""Heroes: the models a realm can train, each one YAML file in configs/heroes/, the shipped one or the home's."""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from msgspec import Meta, Struct, ValidationError, convert, to_builtins

from realm.core.config import Training
from realm.core.paths import shipped_configs

HERO_FILE = "hero.yaml"  # the copy that travels in a hero's model folder and in every checkpoint
BASE_MODEL_FILE = "base_model.txt"  # in the model folder of a pretrained hero: the folder or hub name it came from

Positive = Annotated[int, Meta(ge=1)]


class HeroError(ValueError):
    """A hero file that cannot be used; the text says which key and why."""


class Architecture(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The shape of a Qwen3. A built hero's vocabulary follows from its tokenizer, so it states none."""

    hidden_size: Positive
    intermediate_size: Positive
    num_hidden_layers: Positive
    num_attention_heads: Positive
    num_key_value_heads: Positive
    head_dim: Positive
    max_position_embeddings: Positive
    rope_theta: float
    rms_norm_eps: float
    tie_word_embeddings: bool
    initializer_range: float
    vocab_size: Positive | None = None

    def parameters(self, vocab_size: int) -> int:
        """Number of parameters, as transformers' Qwen3ForCausalLM has them."""
        width, head = self.hidden_size, self.head_dim
        attention = width * head * (2 * self.num_attention_heads + 2 * self.num_key_value_heads) + 2 * head
        layer = attention + 3 * width * self.intermediate_size + 2 * width
        embeddings = vocab_size * width * (1 if self.tie_word_embeddings else 2)
        return embeddings + self.num_hidden_layers * layer + width


class BuiltModel(Struct, frozen=True, tag_field="source", tag="built", forbid_unknown_fields=True):
    """Made on the spot with random weights."""

    architecture: Architecture
    seed: int


class PretrainedModel(Struct, frozen=True, tag_field="source", tag="pretrained", forbid_unknown_fields=True):
    """Taken from a hub by name, or from a local folder."""

    name: str
    architecture: Architecture


class TokenizerPlan(Struct, frozen=True, forbid_unknown_fields=True):
    """A byte-level tokenizer: 256 bytes, control tokens, and whole words that are one token each."""

    control: list[str]
    signs_of: list[str]  # skills whose signs become tokens
    words: list[str]


class Hero(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,31}$")]
    name: str
    title: str
    icon: str
    description: str
    model: BuiltModel | PretrainedModel
    chat_template: Literal["chatml"]
    training: Training
    tokenizer: TokenizerPlan | None = None


def load_hero(file: Path) -> Hero:
    """Raises HeroError naming file, key and reason."""
    try:
        return convert(yaml.safe_load(file.read_bytes()), Hero)
    except FileNotFoundError:
        raise HeroError(f"{file}: there is no such hero file") from None
    except (yaml.YAMLError, ValidationError) as error:
        raise HeroError(f"{file}: {error}") from None


def hero_files(overlay: Path | None = None) -> dict[str, Path]:
    """By id: the files that ship, and those in heroes/ of the overlay, a home's configs, in their place."""
    folders = [configs / "heroes" for configs in (shipped_configs(), overlay) if configs]
    files = {file.stem: file for folder in folders for file in folder.glob("*.yaml")}
    return dict(sorted(files.items()))


def get_hero(hero_id: str, overlay: Path | None = None) -> Hero:
    """Raises HeroError for an id that no file has, and for a file that cannot be used."""
    files = hero_files(overlay)
    if hero_id not in files:
        raise HeroError(f"unknown hero {hero_id!r}: choose one of {', '.join(files)}")
    hero = load_hero(files[hero_id])
    if hero.id != hero_id:
        raise HeroError(f"{files[hero_id]}: its id is {hero.id}: name the file {hero.id}.yaml")
    return hero


def save_hero(hero: Hero, file: Path) -> None:
    """As `load_hero` reads it."""
    content = yaml.safe_dump(to_builtins(hero), allow_unicode=True, sort_keys=False, width=120)
    file.write_text(content, encoding="utf-8")


def check_base_model(folder: Path, wanted: str | None) -> None:
    """Raises HeroError if the model folder was not made from the base model that config.json names."""
    file = folder / BASE_MODEL_FILE
    made_from = file.read_text().strip() if file.exists() else None
    if wanted is not None and wanted != made_from:
        raise HeroError(
            f"{folder} was made from {made_from or 'random weights'}, but base_model in config.json is {wanted}:"
            f" move the folder aside and run `realm hero build {folder.name}`, or take base_model out"
        )
