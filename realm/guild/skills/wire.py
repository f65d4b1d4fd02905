"""What skill servers and their clients send each other, as JSON. Keys that are not named here may be added freely.

| request                                           | 200 and JSON |
|---------------------------------------------------|--------------|
| GET  /health                                      | Health       |
| GET  /info                                        | Info         |
| GET  /levels                                      | Levels       |
| POST /generate {"level", "count" 1-100, "seed"}   | Batch        |
| GET  /eval?level=[&count= 1-1000][&seed=]         | Batch        |
| POST /score {"level", "items": [item and "given"]} | Scores       |

- Any other status comes with a Refusal; an unknown level has 404. Every answer states its Content-Length.
- /generate: train items; the same for the same level, count and seed (from 0 up, 0 if not stated).
- /eval: the five static items of a level, then others of the exam split, drawn by the seed (any text).
- /score: only where /info has the feature "score". An item comes back as it was given, with all of its keys.
- An item's space_split is "hash" if no exam problem of its level is ever a train item, which a space of 5,000 problems
  allows; else "none". space_size is the number of its level's problems.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Raw, Struct

BLOCK = 100  # items of one /generate
LARGEST_EXAM = 1_000  # items of one /eval

Size = Annotated[int, Meta(ge=1)]
Split = Literal["hash", "none"]
Text = Annotated[str, Meta(min_length=1)]


class Health(Struct, frozen=True):
    status: str


class Info(Struct, frozen=True):
    skill: str
    version: str
    min_level: int
    max_level: int
    features: list[str] = []


class LevelInfo(Struct, frozen=True):
    level: int
    space_size: Size
    space_split: Split


class Levels(Struct, frozen=True):
    levels: list[LevelInfo]


class WireItem(Struct, frozen=True):
    id: Text
    level: int
    difficulty: str
    operation: str
    prompt: Text
    answer: Text
    space_size: Size
    space_split: Split


class Batch(Struct, frozen=True):
    version: str
    level: int
    items: list[Raw]  # WireItems


class GenerateRequest(Struct, frozen=True, forbid_unknown_fields=True):
    level: int
    count: Annotated[int, Meta(ge=1, le=BLOCK)]
    seed: Annotated[int, Meta(ge=0, lt=2**53)] = 0


class ScoreRequest(Struct, frozen=True, forbid_unknown_fields=True):
    level: int
    items: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=LARGEST_EXAM)]


class Scores(Struct, frozen=True):
    scores: list[Annotated[float, Meta(ge=0, le=1)]]


class Refusal(Struct, frozen=True):
    error: str
