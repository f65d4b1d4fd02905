"""realm init: make a home, put a hero into it, and say what it will cost."""

import shutil
from pathlib import Path

import click
import msgspec

from realm.armory.heroes import BuiltModel, Hero, HeroError, get_hero
from realm.cli import figures, hero
from realm.cli.failures import one_sentence
from realm.cli.terminal import echo_lines, fields, printable
from realm.core.checkpoint_ledger import METRICS
from realm.core.config import Config, ConfigError, load_config, training_of
from realm.core.files import write_whole
from realm.core.paths import Home, HomeError
from realm.core.paths import home as chosen_home

SEAL_BYTES = 12  # of each parameter: float32 weight and two moments of AdamW
KEPT_SEALS = 2
CHECKPOINT_BYTES = {"fp32": 4, "bf16": 2}  # of each parameter
GIB = 2**30
DAY = 86_400  # seconds


@click.command()
@click.option("--hero", "hero_id", help="Hero to train; default: the one in config.json, else squire.")
@click.option("--from", "source", help="Local folder or hub name, for a hero that is not built on the spot.")
@click.option("--no-hero", is_flag=True, help="Build no model folder; the trainer needs one.")
@click.pass_context
def init(ctx: click.Context, hero_id: str | None, source: str | None, no_hero: bool, next_steps: bool = True) -> None:
    """Make the realm's home with a hero in it, and print what it will use. Again is harmless."""
    home = Home(chosen_home())
    source = str(Path(source).absolute()) if source and Path(source).exists() else source
    with one_sentence(HomeError, ConfigError, HeroError):
        was_whole = not home.missing()
        chosen = get_hero(hero_id or load_config(home.config_file).model_name, home.configs)
        home.create()
        _write_config(home, chosen, source)
        config = load_config(home.config_file)
    click.echo(f"🏰 {printable(str(home.root))} {'is whole' if was_whole else 'is made'}")
    if not no_hero:
        _build_hero(ctx, home, chosen, source)
    if config.model_name != chosen.id:
        click.echo(f"note: config.json names {config.model_name}: set its model_name to {chosen.id} to train that one")
    with one_sentence(ConfigError, HeroError):
        echo_lines(["", *_costs(home, config), "", *(_next_steps(home, config) if next_steps else ())])


def _write_config(home: Home, chosen: Hero, source: str | None) -> None:
    if not home.config_file.exists():
        stated = {"model_name": chosen.id} | ({"base_model": source} if source else {})
        content = msgspec.json.format(msgspec.json.encode(stated), indent=2)
        write_whole(home.config_file, content + b"\n", mode=0o664)


def _build_hero(ctx: click.Context, home: Home, chosen: Hero, source: str | None) -> None:
    folder = home.models / chosen.id
    if folder.exists():
        click.echo(f"{chosen.icon} {chosen.name} stands in {printable(str(folder))}")
        return
    ctx.invoke(hero.build, hero_id=chosen.id, out=folder, source=source)


# What it will cost


def _costs(home: Home, config: Config) -> list[str]:
    chosen = get_hero(config.model_name, home.configs)
    training = training_of(config, chosen.training, home.config_file)
    parameters = _parameters(chosen, home.models / chosen.id)
    if parameters is None:
        return fields([("hero", f"{chosen.name}; what it costs is known when it is built"), _disk(home)])
    size = figures.size
    seal = parameters * SEAL_BYTES
    interval = max(config.seals.minutes * 60, seal / (config.seals.gb_per_day * GIB) * DAY)
    checkpoint, every = parameters * CHECKPOINT_BYTES[training.checkpoint_dtype], training.checkpoint_steps
    last, nth = config.retention.last, config.retention.every
    return fields(
        [
            ("hero", f"{chosen.name}, {parameters:,} parameters"),
            (
                "seals",
                f"{KEPT_SEALS} of {size(seal)} are kept: {size(KEPT_SEALS * seal)}, and a third while it is written",
            ),
            (
                "a day",
                f"seals write {size(seal * DAY / interval)}: one every {figures.span(interval)} (seals.minutes = "
                f"{config.seals.minutes:g}, seals.gb_per_day = {config.seals.gb_per_day:g}), more at checkpoints",
            ),
            (
                "checkpoints",
                f"one of {size(checkpoint)} every {every:,} steps; the last {last} and the best by {len(METRICS)}"
                f" metrics stay: at most {size((last + len(METRICS)) * checkpoint)}",
            ),
            ("for ever", f"every {nth}th checkpoint stays too: {size(checkpoint)} more every {every * nth:,} steps"),
            _disk(home),
        ]
    )


def _disk(home: Home) -> tuple[str, str]:
    return "disk", f"{figures.size(shutil.disk_usage(home.root).free)} free"


class _ModelConfig(msgspec.Struct):
    """What we read of a model folder's config.json."""

    vocab_size: int


def _parameters(chosen: Hero, folder: Path) -> int | None:
    """None for a hero whose vocabulary is made when it is built, and it is not yet."""
    architecture = chosen.model.architecture
    if not isinstance(chosen.model, BuiltModel) and architecture.vocab_size:
        return architecture.parameters(architecture.vocab_size)
    try:
        model = msgspec.json.decode((folder / "config.json").read_bytes(), type=_ModelConfig)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise HeroError(f"{folder / 'config.json'}: {error}; move {folder} aside and build the hero again") from None
    return architecture.parameters(model.vocab_size)


def _next_steps(home: Home, config: Config) -> list[str]:
    steps = [
        ("realm up", "runs the daemons in this terminal; `realm units install` makes services of them"),
        ("realm quest drop FILE.jsonl", "drops a quest; `cp` into inbox/ does the same"),
        ("realm watch", "shows the battle as it happens; `realm status` once"),
    ]
    if not (home.models / config.model_name).exists():
        steps.insert(0, (f"realm hero build {config.model_name}", "makes the model folder that the trainer needs"))
    width = max(len(command) for command, _ in steps)
    return ["Next:", *(f"  {click.style(command.ljust(width), bold=True)}  {what}" for command, what in steps)]
