"""The `realm` command. Each noun is a file of its own, imported only when it is used, so that the CLI starts fast."""

import os
from importlib import import_module

import click

# Read by libgomp when torch is loaded: threads that wait spin for about 10 us, then sleep. Squire trains at 16,100
# tokens/s with it, 7,700 when they sleep at once, and on busy cores at 2,300 when they spin for ever.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

NOUNS = {
    "hero": "Heroes: list them, build one.",
    "scroll": "Utilities: forge a quest, train on it, examine a checkpoint.",
}


class Nouns(click.Group):
    """Imports realm.cli.<noun> when that noun is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(NOUNS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in NOUNS:
            return None
        command: click.Command = getattr(import_module(f"realm.cli.{name}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(NOUNS.items()))


@click.command(cls=Nouns)
@click.version_option(package_name="realm-of-training")
def main() -> None:
    """Realm of Training: a home-lab server that trains a language model for ever, file by file."""
