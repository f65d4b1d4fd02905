"""Sidecars: `X.jsonl.meta.json` beside a drop says where its lines come from and how to train on them."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

SUFFIX = ".meta.json"
KEPT_FILE = "sidecar.json"  # beside the quest, as it was dropped
LONGEST = 2**20  # bytes
DEEPEST = 50  # objects and lists inside each other

Text = Annotated[str, Meta(min_length=1, max_length=200)]


class SidecarError(ValueError):
    """A sidecar that cannot be used; the text names the field and what belongs there."""


class Sidecar(Struct, frozen=True, kw_only=True):
    """Every field may be left out."""

    schema_id: str | None = None
    generator_id: Text = "unknown"
    generator_version: Text = "unknown"
    generated_at: Text | None = None
    params: dict[str, Any] = {}
    skill: Text | None = None
    level: Annotated[int, Meta(ge=1, le=2**31)] | None = None
    example_count: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    validators: dict[Text, Text] = {}  # name@version: verdict, of the generator's own checks
    epochs: Annotated[int, Meta(ge=1, le=1000)] = 1


def parse_sidecar(content: bytes) -> Sidecar:
    """Raises SidecarError."""
    if len(content) > LONGEST:
        raise SidecarError(f"longer than {LONGEST:,} bytes")
    try:
        sidecar = msgspec.json.decode(content, type=Sidecar)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SidecarError(str(error)) from None
    if _is_deeper(sidecar.params, DEEPEST):
        raise SidecarError(f"params has more than {DEEPEST} objects and lists inside each other")
    return sidecar


def unknown_keys(content: bytes) -> list[str]:
    """Keys of a valid sidecar that nobody reads."""
    return sorted(set(msgspec.json.decode(content, type=dict[str, msgspec.Raw])) - set(Sidecar.__struct_fields__))


def names_for(quest: str) -> list[str]:
    """The names a drop's sidecar may have, the first of them wins: that of X.jsonl.gz may be X.jsonl's."""
    plain = quest.removesuffix(".gz").removesuffix(".zst")
    return [name + SUFFIX for name in dict.fromkeys([quest, plain])]


def _is_deeper(value: Any, limit: int) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    return isinstance(value, list) and (limit == 0 or any(_is_deeper(inner, limit - 1) for inner in value))
