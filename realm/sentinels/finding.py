"""What an examination finds: how bad it is, what and why, and how to mend it."""

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


def of_sentence(severity: Severity, sentence: str) -> Finding:
    """Of an error that tells what is wrong, a colon, and how to mend it."""
    what, _, how_to_mend = sentence.rpartition(": ")
    return Finding(severity, what or sentence, "", how_to_mend if what else "")
