"""What an examination finds: how bad it is, what and why, and how to mend it."""

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

Severity = Literal["fine", "note", "trouble"]  # as it should be; worth knowing; needs a person


class Finding(Struct, frozen=True):
    severity: Severity
    what: str
    why: str = ""
    how_to_mend: str = ""


def fine(what: str) -> Finding:
    return Finding("fine", what)


def note(what: str, why: str = "", how_to_mend: str = "") -> Finding:
    return Finding("note", what, why, how_to_mend)


def trouble(what: str, why: str = "", how_to_mend: str = "") -> Finding:
    return Finding("trouble", what, why, how_to_mend)


def unseen(error: OSError) -> Finding:
    """Something that could not be looked at."""
    return trouble(f"{error.filename} cannot be looked at: {error.strerror}", "what it would tell is not known")


def failed(check: Callable[..., object], error: Exception) -> Finding:
    """A check that was not made for what it met."""
    what = f"{check.__module__}.{check.__name__} failed: {type(error).__name__}: {error}"
    return trouble(what, "a fault of realm, or something here that nobody thought of", "report it")


def of_sentence(severity: Severity, sentence: str) -> Finding:
    """Of an error that tells what is wrong, a colon, and how to mend it."""
    what, _, how_to_mend = sentence.rpartition(": ")
    return Finding(severity, what or sentence, "", how_to_mend if what else "")
