"""What comes next is read and tokenised in a thread of its own, while the device trains what is there."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


class Lookahead:
    """One thread. Tokenisers let others run while they work."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="lookahead")

    def one_ahead(self, items: Iterator[Item]) -> Iterator[Item]:
        """The same items: the first is begun now, each further one when the one before it is given out.

        What an item raises is raised where it would have been given out.
        """
        return self._given(items, self._executor.submit(next, items, None))

    def _given(self, items: Iterator[Item], coming: "Future[Item | None]") -> Iterator[Item]:
        while (item := coming.result()) is not None:
            coming = self._executor.submit(next, items, None)
            yield item
