"""Token ids to text, piece by piece: never half a character, never what may become a stop string."""

from collections.abc import Callable, Sequence

HALF = "\N{REPLACEMENT CHARACTER}"  # what a decoder makes of bytes that end within a character


class Wording:
    """`decode` turns ids into text, byte by byte. Pieces joined are the text up to the first stop string."""

    def __init__(self, decode: Callable[[Sequence[int]], str], stops: Sequence[str] = ()):
        self._decode, self._stops = decode, [stop for stop in stops if stop]
        self._ids: list[int] = []  # whose text is not whole yet
        self._told = 0  # characters of theirs that were
        self._held = ""  # may be the beginning of a stop string
        self.is_stopped = False

    def add(self, token: int) -> str:
        """What can be told now."""
        self._ids.append(token)
        text = self._decode(self._ids)
        whole = text.removesuffix(HALF)
        new, self._told = whole[self._told :], len(whole)
        if whole == text:
            self._ids, self._told = [], 0
        return self._until_stop(new)

    def end(self) -> str:
        """What is left when no token comes any more."""
        rest = self._decode(self._ids)[self._told :] if self._ids else ""
        left = self._until_stop(rest) + self._held
        self._ids, self._told, self._held = [], 0, ""
        return left

    def _until_stop(self, new: str) -> str:
        if self.is_stopped:
            return ""
        text = self._held + new
        places = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        if places:
            self.is_stopped, self._held = True, ""
            return text[: min(places)]
        keep = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


def _overlap(text: str, stop: str) -> int:
    """Characters at the end of `text` with which `stop` begins."""
    return next((count for count in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:count])), 0)
