import gzip
import io
import os
import tracemalloc
from collections.abc import Callable

import pytest
import zstandard

from realm.arena.intake.decompression import BadArchive, plain_pieces

TEXT = os.urandom(1000).hex().encode() * 500  # compresses well, but not as well as zeros
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda content: content,
    ".gz": gzip.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}


def unpacked(archive: str, content: bytes) -> bytes:
    return b"".join(plain_pieces(io.BytesIO(content), archive, len(content)))


@pytest.mark.parametrize("archive", PACKERS)
@pytest.mark.parametrize("plain", [b"", b"x\n", os.urandom(3 * 2**20)])
def test_plain_bytes_come_out_as_they_went_in(archive: str, plain: bytes) -> None:
    assert unpacked(archive, PACKERS[archive](plain)) == plain


@pytest.mark.parametrize("archive", [".gz", ".zst"])
def test_archives_that_were_put_one_behind_the_other_are_one_text(archive: str) -> None:
    pack = PACKERS[archive]
    assert unpacked(archive, pack(b"one\n") + pack(b"") + pack(b"two\n") + pack(TEXT)) == b"one\ntwo\n" + TEXT


def test_a_stream_of_unknown_size_is_unpacked() -> None:
    writer = zstandard.ZstdCompressor().compressobj()
    assert unpacked(".zst", writer.compress(TEXT) + writer.flush()) == TEXT


@pytest.mark.parametrize("archive", [".gz", ".zst"])
def test_an_archive_that_is_cut_anywhere_is_bad(archive: str) -> None:
    whole = PACKERS[archive](TEXT)
    for end in (1, 3, len(whole) // 2, len(whole) - 1):
        with pytest.raises(BadArchive) as cut:
            unpacked(archive, whole[:end])
    assert str(cut.value) == f"the {'gzip' if archive == '.gz' else 'zstd'} data end too early"
    assert "copy or compress it again" in cut.value.how_to_mend


@pytest.mark.parametrize("archive", [".gz", ".zst"])
def test_what_is_no_archive_is_bad(archive: str) -> None:
    with pytest.raises(BadArchive, match="^it is no valid (gzip file: Not a gzipped file|zstd file: .*)$") as plain:
        unpacked(archive, b'{"messages": []}\n')
    assert plain.value.how_to_mend.endswith("if it is plain text, let its name end in .jsonl")
    with pytest.raises(BadArchive):
        unpacked(archive, PACKERS[archive](TEXT) + b"garbage")


@pytest.mark.parametrize("archive", [".gz", ".zst"])
def test_a_flipped_byte_is_noticed(archive: str) -> None:
    whole = zstandard.ZstdCompressor(write_checksum=True).compress(TEXT) if archive == ".zst" else gzip.compress(TEXT)
    middle = len(whole) // 2
    with pytest.raises(BadArchive):
        unpacked(archive, whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])


@pytest.mark.parametrize("archive", [".gz", ".zst"])
def test_a_bomb_is_defused_in_little_memory(archive: str) -> None:
    bomb = PACKERS[archive](bytes(300 * 2**20))
    taken: list[int] = []
    tracemalloc.start()
    with pytest.raises(BadArchive, match="more than 20 times its size") as defused:
        taken.extend(map(len, plain_pieces(io.BytesIO(bomb), archive, len(bomb))))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert defused.value.how_to_mend == "if you trust it, drop the plain .jsonl"  # to compress it again is no help
    assert sum(taken) <= 20 * len(bomb) + 2**20
    assert peak < 48 * 2**20
