"""realm vram: how much memory a step of a hero takes, what fills it, and which card it fits."""

from typing import NamedTuple, get_args

import click
import msgspec

from realm.armory.calibration import finished_battles, model_of
from realm.armory.heroes import Hero, HeroError, get_hero
from realm.armory.vram import CARDS, CONTEXT, GIB, Model, Need, context_of, largest_batch, need
from realm.cli import figures
from realm.cli.failures import one_sentence
from realm.cli.terminal import bar, echo_json, echo_lines, table
from realm.core.config import Config, ConfigError, Precision, Training, load_config, training_of
from realm.core.paths import Home, home

PARTS = {
    "weights": "weights",
    "optimizer": "AdamW's moments",
    "gradients": "gradients",
    "copies": "bf16 copies of weights",
    "activations": "activations",
    "logits": "logits",
    "context": "CUDA's own",
}
BAR = 30  # cells


class Subject(NamedTuple):
    """What is asked about."""

    hero: Hero
    model: Model
    training: Training
    context: int
    battles: int  # that context was measured in; 0: a guess


@click.command()
@click.argument("hero_id", required=False, metavar="[HERO]")
@click.option("--batch", type=click.IntRange(1, 1024), help="Examples of full length in a pass.")
@click.option("--length", type=click.IntRange(16, 32768), help="Tokens of an example: max_length.")
@click.option("--precision", type=click.Choice(get_args(Precision)))
@click.option("--checkpointing/--no-checkpointing", default=None, help="Gradient checkpointing.")
@click.option("--lora-rank", type=click.IntRange(0, 1024), help="Adapters of this rank; 0: all weights are trained.")
@click.option("--optimizer", type=click.Choice(["adamw", "adamw_8bit"]))
@click.option("--shards", type=click.IntRange(1, 64), help="Devices among which the layers are cut: sharded, devices.")
@click.option("--card", metavar="NAME|GIB", help=f"One of {', '.join(CARDS)}, or its GiB. Default: all of them.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, in bytes.")
def vram(
    hero_id: str | None,
    batch: int | None,
    length: int | None,
    precision: str | None,
    checkpointing: bool | None,
    lora_rank: int | None,
    optimizer: str | None,
    shards: int | None,
    card: str | None,
    as_json: bool,
) -> None:
    """What a step of HERO takes of a GPU's memory, and the largest batch that fits each card.

    HERO is the one trained here unless another is named; what no option says is as it is trained here.
    """
    of_training = {
        "batch_size": batch,
        "max_length": length,
        "precision": precision,
        "gradient_checkpointing": checkpointing,
    }
    with one_sentence(HeroError, ConfigError):
        cards = _cards(card)
        of_devices = {} if shards is None else {"devices": shards, "sharded": shards > 1}
        asked = _stated(lora_rank=lora_rank, optimizer=optimizer, **of_devices)
        subject = _subject(hero_id, asked, _stated(**of_training))
    needed = need(subject.model, subject.training, subject.context)
    if as_json:
        echo_json(_as_json(subject, needed, cards))
        return
    echo_lines([*_head(subject), "", *_filling(needed), "", *_fitting(subject, needed, cards)])


def _stated(**options: object) -> dict[str, object]:
    return {key: value for key, value in options.items() if value is not None}


def _cards(asked: str | None) -> dict[str, float]:
    """Name -> GiB."""
    if asked is None:
        return {**CARDS}
    if asked.lower() in CARDS:
        return {asked.lower(): CARDS[asked.lower()]}
    try:
        size = float(asked)
    except ValueError:
        size = 0.0
    if not 0 < size < 10_000:
        raise click.BadParameter(f"{asked!r} is no known card and no number of GiB", param_hint="--card")
    return {f"{size:g} GiB": size}


def _subject(hero_id: str | None, asked: dict[str, object], asked_of_training: dict[str, object]) -> Subject:
    """As it is trained here, but for what is asked. Raises HeroError, ConfigError."""
    realm = Home(home())
    config = load_config(realm.config_file)
    hero = get_hero(hero_id or config.model_name, realm.configs)
    is_here = hero.id == config.model_name
    here = config if is_here else Config()
    training = msgspec.structs.replace(training_of(here, hero.training, realm.config_file), **asked_of_training)
    settings = msgspec.structs.replace(here, **asked)
    model = model_of(hero, realm, settings)
    battles = list(finished_battles(realm)) if is_here else []
    measured = context_of(model, battles)
    return Subject(hero, model, training, CONTEXT if measured is None else measured, len(battles))


def _head(subject: Subject) -> list[str]:
    training, model = subject.training, subject.model
    adapters = f" · {model.trained:,} of adapters of rank {model.lora_rank}" if model.lora_rank else ""
    checkpointing = "gradient checkpointing" if training.gradient_checkpointing else "no gradient checkpointing"
    if model.shards > 1:
        checkpointing += f" · each of {model.shards} devices"
    return [
        f"{subject.hero.icon} {subject.hero.name} · {model.parameters:,} parameters{adapters} · {training.precision}",
        f"   {training.batch_size} x {training.max_length:,} tokens in a pass · {checkpointing}",
        f"   {_where_from(subject)}",
    ]


def _where_from(subject: Subject) -> str:
    if subject.battles:
        return f"CUDA's own is the median of {subject.battles} finished battle{'s' * (subject.battles > 1)}"
    return "CUDA's own is a guess until battles on a GPU have measured it"


def _filling(needed: Need) -> list[str]:
    sizes = [(meaning, getattr(needed, part)) for part, meaning in PARTS.items()]
    rows = [[meaning, figures.size(size), bar(size / needed.total, BAR)] for meaning, size in sizes if size]
    return table(["", "MEMORY", ""], [*rows, ["together", figures.size(needed.total), ""]], "<><", flexible=())


def _fitting(subject: Subject, needed: Need, cards: dict[str, float]) -> list[str]:
    rows = []
    for name, size in cards.items():
        fits = needed.total <= size * GIB
        verdict = "fits" if fits else f"lacks {figures.size(needed.total - size * GIB)}"
        rows.append([name, f"{size:g} GiB", verdict, str(_largest(subject, size) or "none")])
    return table(["CARD", "MEMORY", "THIS", "LARGEST BATCH"], rows, "<><>", flexible=())


def _largest(subject: Subject, size: float) -> int:
    return largest_batch(subject.model, subject.training, size * GIB, subject.context)


def _as_json(subject: Subject, needed: Need, cards: dict[str, float]) -> dict[str, object]:
    return {
        "hero": subject.hero.id,
        "training": subject.training,
        "lora_rank": subject.model.lora_rank,
        "coded_moments": subject.model.coded_moments,
        "shards": subject.model.shards,
        "battles": subject.battles,
        "bytes": {**msgspec.to_builtins(needed), "total": needed.total},
        "cards": {
            name: {
                "bytes": round(size * GIB),
                "fits": needed.total <= size * GIB,
                "largest_batch": _largest(subject, size),
            }
            for name, size in cards.items()
        },
    }
