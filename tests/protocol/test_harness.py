"""A harness must see what it looks for: each fault that is put into the product on purpose is caught."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.protocol.chain_life import prepare
from tests.protocol.cut_lives import cut_at
from tests.protocol.every_call import struck
from tests.protocol.injection import Point
from tests.protocol.mutations import MUTATIONS, VARIABLE
from tests.protocol.subject import Kind
from tests.protocol.test_every_call import unordered

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")

CAUGHT: dict[str, tuple[str, str, Kind]] = {  # mutation -> the transition, the fault, and what is complained of
    "content_after_its_name": ("lock of settings", "SIGKILL", "torn"),
    "copy_in_place_of_rename": ("move", "SIGKILL", "twice"),
    "no_rename": ("claim", "EIO", "stuck"),
    "order_cleared_before_its_answer": ("answer an order", "SIGKILL", "lost"),
    "verdict_after_the_rename": ("filing", "SIGKILL", "torn"),
    "failed_sync_passed_over": ("lift a hold", "EIO", "lost"),
    "numbers_forgotten_with_their_lines": ("journal segment", "ENOSPC", "stuck"),
}


@pytest.mark.parametrize("mutation", CAUGHT)
def test_a_fault_of_the_product_is_caught(memory_path: Path, mutation: str) -> None:
    subject, fault, kind = CAUGHT[mutation]
    (row,) = struck([subject], fault, memory_path, {VARIABLE: mutation})
    assert kind in row.counts, f"nobody noticed {mutation}: {row}"


def test_a_sync_that_is_left_out_is_seen_in_the_order_of_the_calls(memory_path: Path) -> None:
    assert unordered(memory_path, {VARIABLE: "no_sync_of_folders"}) != []


def test_a_wish_that_is_lost_is_seen_in_the_weights_of_a_life(memory_path: Path) -> None:
    def at_the_skip(points: Sequence[Point]) -> list[Point]:
        return [point for point in points if point.name == "pwrite64" and r"\"kind\":\"skip\"" in point.about]

    mutation = {VARIABLE: "flag_lowered_before_its_line"}
    (row,), _ = cut_at("life", prepare, at_the_skip, "SIGKILL", memory_path / "life", mutation)
    assert row.counts["lost"] == 1


def test_every_mutation_is_tried() -> None:
    assert {*CAUGHT, "no_sync_of_folders", "flag_lowered_before_its_line"} == set(MUTATIONS)
