"""realm hero: list heroes, build one."""

from pathlib import Path
from typing import Any

import click

from realm.armory import heroes
from realm.cli.failures import one_sentence
from realm.cli.terminal import echo_json
from realm.core.config import ConfigError, load_config
from realm.core.paths import Home, home


@click.group()
def hero() -> None:
    """Heroes: the models a realm can train."""


@hero.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def ls(as_json: bool) -> None:
    """List the heroes, where they come from, and which of them this realm trains."""
    with one_sentence(heroes.HeroError, ConfigError):
        configs = Home(home()).configs
        known = [_described(heroes.get_hero(hero_id, configs)) for hero_id in heroes.hero_files(configs)]
    if as_json:
        echo_json(known)
        return
    for one in known:
        trained = click.style(" · trained here", fg="green") if one["trained_here"] else ""
        state = f"built: {one['folder']}" if one["built"] else "not built"
        click.echo(f"{one['icon']} {one['id']:8} {one['name']} {one['title']} · {one['source']} · {state}{trained}")
        click.echo(f"   {one['description']}")


def _described(one: heroes.Hero) -> dict[str, Any]:
    folder = home() / "models" / one.id
    return {
        "id": one.id,
        "name": one.name,
        "title": one.title,
        "icon": one.icon,
        "description": one.description,
        "source": "built on the spot" if isinstance(one.model, heroes.BuiltModel) else one.model.name,
        "folder": str(folder),
        "built": folder.exists(),
        "trained_here": load_config(Home(home()).config_file).model_name == one.id,
    }


@hero.command()
@click.argument("hero_id")
@click.option("--out", type=click.Path(path_type=Path), help="Model folder to make; default: models/HERO in the home.")
@click.option("--from", "source", help="Local folder or hub name, for a hero that is not built on the spot.")
def build(hero_id: str, out: Path | None, source: str | None) -> None:
    """Make HERO's model folder: weights, tokenizer and chat template."""
    from realm.armory import smithy
    from realm.armory.quiet import silence_transformers
    from realm.guild.skills import get_trainer

    silence_transformers()
    try:
        chosen = heroes.get_hero(hero_id, Home(home()).configs)
        skills = chosen.tokenizer.signs_of if chosen.tokenizer else []
        signs = [sign for skill in skills for sign in get_trainer(skill).SIGNS]
        base_model = source or _configured_base_model(hero_id)
        folder = smithy.build_hero(chosen, out or home() / "models" / hero_id, signs=signs, source=base_model)
    except (heroes.HeroError, FileExistsError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{chosen.icon} {chosen.name} stands ready in {folder}")


def _configured_base_model(hero_id: str) -> str | None:
    """What config.json of the home says of this hero."""
    config = load_config(Home(home()).config_file)
    return config.base_model if config.model_name == hero_id else None
