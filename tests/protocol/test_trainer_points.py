"""The real trainer, killed, starved or failed at sampled system calls of a whole life: it comes to the same end.

REALM_TEST_POINTS sets how many points (or: all), REALM_TEST_SEED which. How often a thread that goes by the clock calls
depends on how busy the machine is: a life that never comes to its call is followed by another one with another call.
"""

import os
import random
import shutil
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, cycle, islice, zip_longest
from pathlib import Path

import pytest

from tests.arena.realm_home import log_of
from tests.protocol.trainer_life import copied, live_on, outcome_of, poison_of, prepare
from tests.protocol.trainer_tracing import Call, calls_of_a_life, fault_at

ASKED = os.environ.get("REALM_TEST_POINTS", "30")
POINTS = 10_000 if ASKED == "all" else int(ASKED)
SEED = int(os.environ.get("REALM_TEST_SEED", "1"))
FAULTS = ("signal=KILL", "error=ENOSPC", "error=EIO")


def sampled(calls: Sequence[Call], dice: random.Random) -> list[Call]:
    """All of them, in an order in which no kind comes again before all others came: of main, heartbeat, or a sealer."""
    kinds = defaultdict(list)
    for call in dice.sample(calls, len(calls)):
        kinds[call.thread.partition("-")[0], call.name].append(call)
    rounds = zip_longest(*dice.sample(list(kinds.values()), len(kinds)))
    return [call for call in chain.from_iterable(rounds) if call]


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.timeout(120 + 40 * POINTS)
def test_a_fault_at_any_call_that_changes_a_file_leads_to_the_same_end(squire: Path, tmp_path: Path) -> None:
    made = prepare(tmp_path / "made", squire)
    poison, calm = poison_of(made), copied(made, tmp_path / "calm")
    calls = list(calls_of_a_life(calm, poison))
    expected = outcome_of(calm)
    print(f"{POINTS} of {len(calls)} calls, REALM_TEST_SEED={SEED}")
    points = zip(sampled(calls, random.Random(SEED)), cycle(FAULTS), strict=False)
    hits = 0
    for number, (call, fault) in enumerate(islice(points, 2 * POINTS)):
        if hits == POINTS:
            break
        home = copied(made, tmp_path / f"{number}")
        hit, status = fault_at(home, poison, call, fault)
        print(f"{call.thread}, {fault}: {hit or f'never came to {call}'}")
        live_on(home, poison, status)
        found = outcome_of(home)
        if f"<{home.metrics}" in hit:  # curves are not worth a battle: rows may be lost to a bad disk, but not bent
            assert found.rows.items() <= expected.rows.items()
            found = replace(found, rows=expected.rows)
        found = replace(found, said=expected.said)  # nor is a look: who lives is told by the locks
        assert found == expected, log_of(home)
        hits += bool(hit)
        shutil.rmtree(home.root)
    assert hits >= min(POINTS, len(calls) // 2)
