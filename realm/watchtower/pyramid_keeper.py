"""Keeps metrics/pyramid/ up with the raw rows, and builds it anew whenever its files and the rows do not fit."""

from collections.abc import Callable

from realm.core.paths import Home
from realm.watchtower.marks import MarkBook
from realm.watchtower.pyramid import Changes, rows_of
from realm.watchtower.pyramid_files import FOLDER, MOST_AHEAD, Damaged, Index, PyramidFiles, begin_anew
from realm.watchtower.row_reader import RowReader, RowsLost


class PyramidKeeper:
    """One look takes in one block of rows, so that its owner can say how far it is."""

    def __init__(self, home: Home, tell: Callable[[str], None]):
        """`tell` is told why a pyramid is built from its first row on."""
        self._home, self._tell = home, tell
        self._folder = home.metrics / FOLDER
        self._open: tuple[PyramidFiles, RowReader, MarkBook] | None = None
        self.index = Index()
        self.share = 0.0  # of the raw rows' bytes that are taken in
        self.left_out: int | None = None  # the last step that was not believed

    def look(self) -> bool:
        """True if there are more rows. Raises OSError; called again, it begins where the index stands."""
        try:
            return self._look(*(self._open or self._begin()))
        except (Damaged, RowsLost) as error:
            self.close()
            self._tell(str(error))
            begin_anew(self._folder)
            return True
        except OSError:
            self.close()
            raise

    def look_at_marks(self) -> None:
        """At what others than the rows tell. Raises OSError."""
        if self._open:
            book = self._open[2]
            book.look()
            book.write()

    def close(self) -> None:
        if self._open:
            files, reader, _ = self._open
            files.close()
            reader.close()
        self._open = None

    def _begin(self) -> tuple[PyramidFiles, RowReader, MarkBook]:
        files = PyramidFiles(self._folder)
        self.index = files.index
        try:
            reader = RowReader(self._home.metrics / "trainer.jsonl", files.index.read)
            book = MarkBook(self._home, self._folder, files.index.last_step, files.index.rewinds)
        except BaseException:
            files.close()
            raise
        self._open = files, reader, book
        return self._open

    def _look(self, files: PyramidFiles, reader: RowReader, book: MarkBook) -> bool:
        files.check_ours()
        lines = reader.read()
        left, total = reader.bytes_left()
        if lines:
            rows = list(rows_of(lines))
            changes = Changes(rows, files.index.last_step, MOST_AHEAD)
            book.take(rows, changes, files.index.rewinds)
            book.write()  # first: what the index knows, the marks know
            files.extend(changes, reader.place, left)
            self.index = files.index
            self.left_out = changes.left_out[-1] if changes.left_out else self.left_out
        self.share = 1 - left / total if total else 1.0
        return bool(lines) and left > 0
