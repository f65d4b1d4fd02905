"""Pieces of text join to the whole, at every cut: no half characters, nothing of a stop string."""

from collections.abc import Sequence

import pytest

from realm.oracle.wording import Wording

TEXT = "① ok �💾 étude 👩‍🚀 end"


def decode(ids: Sequence[int]) -> str:
    """A tokenizer of bytes."""
    return bytes(ids).decode(errors="replace")


def pieces(content: bytes, *stops: str) -> tuple[list[str], Wording]:
    wording = Wording(decode, stops)
    return [*(wording.add(byte) for byte in content), wording.end()], wording


@pytest.mark.parametrize(
    "content", [TEXT.encode(), b"a\xffb\xf0\x9f\x92", b"\xf0\x9f\xf0\x9f\x92\xbe", b"\xff\xff", b""]
)
def test_pieces_join_to_what_all_ids_decode_to(content: bytes) -> None:
    told, _ = pieces(content)
    assert "".join(told) == decode(content)


def test_no_piece_holds_half_a_character() -> None:
    told, _ = pieces("①💾é".encode())
    assert [piece for piece in told if piece] == ["①", "💾", "é"]


@pytest.mark.parametrize(
    ("text", "stops", "left"),
    [
        ("one STOP two", ("STOP",), "one "),
        ("one STO", ("STOP",), "one STO"),
        ("aaab", ("aab",), "a"),
        ("x①y", ("①",), "x"),
        ("later first", ("first", "later"), ""),
        ("ababac", ("abac",), "ab"),
    ],
)
def test_the_text_ends_before_a_stop_string(text: str, stops: tuple[str, ...], left: str) -> None:
    told, wording = pieces(text.encode(), *stops)
    assert "".join(told) == left
    assert wording.is_stopped == (left != text)


def test_what_may_begin_a_stop_string_is_held_back() -> None:
    wording = Wording(decode, ["END"])
    assert [wording.add(ord(sign)) for sign in "xENxEN"] == ["x", "", "", "ENx", "", ""]
    assert wording.end() == "EN"
