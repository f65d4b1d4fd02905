"""What lies beside an ended quest: result.json or error.json."""

from pathlib import Path

import msgspec
from msgspec import Struct

VERDICT_ERRORS = (OSError, msgspec.MsgspecError, UnicodeDecodeError)


class Verdict(Struct, frozen=True):
    """What of result.json or error.json is audited."""

    reason: str | None = None
    number: int | None = None  # of the claim; None: it was refused, or could not be read any more
    outcome: str | None = None
    steps: int = 0
    tokens: int = 0
    examples: int = 0
    gold: int = 0
    schema: str = ""

    @property
    def is_refusal(self) -> bool:
        return self.schema.startswith("refusal")


def read_verdict(file: Path) -> Verdict:
    """Raises one of VERDICT_ERRORS."""
    return msgspec.json.decode(file.read_bytes(), type=Verdict)
