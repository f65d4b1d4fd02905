"""How a line of `realm watch` looks."""

import click

from realm.cli.terminal import cells, shortened

WIDE = 100  # cells from which more is said beside bars and events


def rule(title: str, right: str, width: int) -> str:
    """A line with words on it, which parts what is above it from what is below."""
    right = f" {right} ──" if right else ""
    title = shortened(title, width - cells(right) - 6)
    line = "─" * (width - cells(title) - cells(right) - 4)
    return f"{dim('──')} {click.style(title, bold=True)} {dim(line + right)}"


def between(left: str, right: str, width: int) -> str:
    """Both ends of a line; the left one stays if there is not room for both."""
    free = width - cells(left) - cells(right)
    if free > 0:
        return f"{left}{' ' * free}{right}"
    return fitted(left, width)


def fitted(line: str, width: int) -> str:
    """One that is too long loses its middle, and its colours."""
    return line if cells(line) <= width else shortened(click.unstyle(line), width)


def dim(text: str) -> str:
    return click.style(text, dim=True) if text else text


def grey(line: str) -> str:
    return dim(click.unstyle(line))
