"""The plain bytes of a drop, in pieces: memory grows neither with the file nor with what it decompresses to."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import zstandard

PIECE = 2**20  # bytes
LARGEST_RATIO = 20  # plain bytes for each compressed one
SMALL = 2**20  # so many plain bytes are always allowed
ARCHIVES = (".gz", ".zst")  # what may follow .jsonl
CUT = "the copy is not whole, or its making was interrupted: copy or compress it again"
BROKEN = "compress it again; if it is plain text, let its name end in .jsonl"

_ZST_BITE = 2**10  # compressed bytes at a time: at most 32 MB come out of them
_ZST_WINDOW = 2**27  # bytes of memory; what `zstd -d` takes without being told


class BadArchive(ValueError):
    """A drop that does not decompress, or to too much: the text says which, `how_to_mend` what to do."""

    def __init__(self, text: str, how_to_mend: str):
        super().__init__(text)
        self.how_to_mend = how_to_mend


class Reader(Protocol):
    """An opened drop."""

    def read(self, size: int, /) -> bytes: ...


def archive_of(path: Path) -> str:
    """`.gz`, `.zst`, or empty for a plain file."""
    return path.suffix if path.suffix in ARCHIVES else ""


def raw_pieces(drop: Reader) -> Iterator[bytes]:
    while piece := drop.read(PIECE):
        yield piece


def plain_pieces(drop: Reader, archive: str, size: int) -> Iterator[bytes]:
    """`size`: of the drop as it lies there. Raises BadArchive, and whatever the reader raises."""
    if not archive:
        yield from raw_pieces(drop)
        return
    allowed = LARGEST_RATIO * size + SMALL
    for piece in _gunzip(drop) if archive == ".gz" else _unzstd(drop):
        allowed -= len(piece)
        if allowed < 0:
            text = f"it decompresses to more than {LARGEST_RATIO} times its size, as a bomb does"
            raise BadArchive(text, "if you trust it, drop the plain .jsonl")
        yield piece


def _gunzip(drop: Reader) -> Iterator[bytes]:
    """Every member of the file, one after the other."""
    with gzip.GzipFile(fileobj=drop, mode="rb") as file:  # type: ignore[call-overload]  # it only ever reads
        try:
            while piece := file.read(PIECE):
                yield piece
        except EOFError:
            raise BadArchive("the gzip data end too early", CUT) from None
        except (gzip.BadGzipFile, zlib.error) as error:
            text = str(error).partition(" (")[0]  # what follows are bytes as Python spells them
            raise BadArchive(f"it is no valid gzip file: {text}", BROKEN) from None


def _unzstd(drop: Reader) -> Iterator[bytes]:
    """Every frame of the file, one after the other."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZST_WINDOW)
    frame = None
    while bite := drop.read(_ZST_BITE):
        while bite:
            frame = frame or decompressor.decompressobj()
            try:
                piece = frame.decompress(bite)
            except zstandard.ZstdError as error:
                raise BadArchive(f"it is no valid zstd file: {error}", BROKEN) from None
            bite = frame.unused_data
            if frame.eof:
                frame = None
            if piece:
                yield piece
    if frame is not None:
        raise BadArchive("the zstd data end too early", CUT)
