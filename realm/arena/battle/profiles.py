"""Profiles transform the messages of an example before it is tokenised. An unknown profile is refused."""

from collections.abc import Callable

Message = dict[str, str]
Profile = Callable[[list[Message]], list[Message]]


def _none(messages: list[Message]) -> list[Message]:
    return messages


PROFILES: dict[str, Profile] = {"none": _none}


def get_profile(name: str) -> Profile:
    """Raises ValueError for a name that is not in PROFILES."""
    if name not in PROFILES:
        raise ValueError(f"unknown profile {name!r}: set `profile` to one of {', '.join(sorted(PROFILES))}")
    return PROFILES[name]
