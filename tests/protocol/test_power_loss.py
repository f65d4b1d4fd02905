"""After a power cut at any moment everything that was acknowledged is there, whole; and the checks can tell."""

import os
from collections.abc import Iterator, Sequence

import pytest

from tests.protocol.power_loss import Laboratory, Recording, Row, explore, first_violation, laboratory, table
from tests.protocol.power_loss_mutations import MUTATIONS
from tests.protocol.power_loss_subjects import SUBJECTS
from tests.protocol.power_loss_trace import STRACE

STATES_AFTER_A_KILL = None if os.environ.get("REALM_TEST_POINTS") == "all" else 8
SOUND = ""  # the mutation that is none

pytestmark = pytest.mark.skipif(STRACE is None, reason="strace is not installed")

Runs = dict[tuple[str, str], Recording]


@pytest.fixture(scope="module")
def lab() -> Iterator[Laboratory]:
    with laboratory() as made:
        yield made


@pytest.fixture(scope="module")
def recorded(lab: Laboratory) -> Runs:
    """Every subject as it is, and under each mutation; by subject and mutation."""
    runs = [*((name, SOUND) for name in SUBJECTS), *((one.subject, name) for name, one in MUTATIONS.items())]
    return dict(zip(runs, lab.record(runs), strict=True))


@pytest.fixture(scope="module")
def rows(tables: dict[str, Sequence[str]]) -> Iterator[list[Row]]:
    """What was tried; printed at the end."""
    found: list[Row] = []
    yield found
    tables["power loss"] = list(table(found))


@pytest.mark.parametrize("name", SUBJECTS)
def test_whatever_the_power_leaves_what_was_acknowledged_is_there_and_whole(
    lab: Laboratory, recorded: Runs, rows: list[Row], name: str
) -> None:
    row = explore(lab, SUBJECTS[name], recorded[name, SOUND], STATES_AFTER_A_KILL)
    rows.append(row)
    assert dict.fromkeys(row.violations) == {}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_fault_made_on_purpose_is_found(lab: Laboratory, recorded: Runs, mutation: str) -> None:
    subject = MUTATIONS[mutation].subject
    tried, problem = first_violation(lab, SUBJECTS[subject], recorded[subject, mutation])
    assert problem, f"none of {tried} states shows that {mutation}"
