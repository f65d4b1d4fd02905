"""What goes wrong in a way one can foresee becomes one sentence on stderr and exit status 1."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import click

from realm.cli.terminal import printable
from realm.core.paths import Home, HomeError
from realm.core.paths import home as chosen_home


@contextmanager
def one_sentence(*expected: type[Exception]) -> Iterator[None]:
    """Turns OSError and what is `expected` into click.ClickException."""
    kinds: tuple[type[Exception], ...] = (OSError, *expected)
    try:
        yield
    except BrokenPipeError:  # whoever read our output has seen enough: click ends quietly
        raise
    except kinds as error:
        raise click.ClickException(sentence(error)) from None


def sentence(error: Exception) -> str:
    """What an exception says, on one line; of an OSError which file it was, and then why."""
    if isinstance(error, OSError) and error.strerror:
        names = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
        return printable(": ".join([" -> ".join(names), error.strerror] if names else [error.strerror]))
    return printable(str(error))


def complete_home() -> Home:
    """The realm's home. Raises click.ClickException if it is of another format, or not one, or not whole."""
    home = Home(chosen_home())
    with one_sentence(HomeError):
        home.check_whole()
    return home
