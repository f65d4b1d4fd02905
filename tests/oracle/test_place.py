"""Where a model answers, with a probe in place of an accelerator: no test machine has one."""

from pathlib import Path

import msgspec
import pytest
import torch

from realm.guild.exams import Paper, place_in
from realm.oracle import place
from realm.oracle.place import CONTEXT, Memory, Place, place_for
from realm.scrolls import exam
from realm.scrolls.exam import sit

GIB = 2**30


def test_without_an_accelerator_and_where_it_is_not_wanted_it_is_the_cpu() -> None:
    plenty = Memory(free=100 * GIB, total=100 * GIB)
    assert place_for("it", GIB, "cpu", lambda: plenty) == Place("cpu", "config.json asks for it")
    for wanted in ("auto", "cuda"):
        assert place_for("it", GIB, wanted, lambda: None) == Place("cpu", "there is no accelerator")
        assert place_for("it", GIB, wanted, lambda: plenty).device == "cuda"


@pytest.mark.parametrize(("short_of", "device"), [(0, "cuda"), (1, "cpu")])
def test_a_tenth_of_the_accelerator_stays_the_trainers(short_of: int, device: str) -> None:
    needed = CONTEXT + GIB
    memory = Memory(free=needed + 8 * GIB - short_of, total=80 * GIB)
    found = place_for("it", GIB, "auto", lambda: memory)
    spare = f"it needs {needed:,} bytes of the accelerator, {needed - short_of:,} are to spare beside the trainer"
    assert found == Place(device, spare)


def test_an_accelerator_that_the_trainer_fills_has_nothing_to_spare() -> None:
    assert "0 are to spare" in place_for("it", GIB, "auto", lambda: Memory(free=GIB, total=80 * GIB)).why


@pytest.fixture
def accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU by a name that is not `cpu`, with memory for a small hero."""
    monkeypatch.setattr(place, "ACCELERATOR", "cpu:0")
    plenty = Memory(GIB * 9, GIB)
    monkeypatch.setattr(exam, "place_for", lambda what, takes, wanted: place_for(what, takes, wanted, lambda: plenty))


@pytest.mark.usefixtures("accelerator")
def test_the_papers_tell_where_the_answers_were_made(squire: Path) -> None:
    report = sit(squire, "bin", [1], 5)
    assert (place_in(report) or "").startswith("cpu:0: an exam needs ")
    assert (place_in(sit(squire, "bin", [1], 5, device="cpu")) or "") == "cpu: config.json asks for it"


@pytest.mark.usefixtures("accelerator")
def test_one_that_runs_out_of_memory_after_all_is_sat_on_the_cpu_and_says_so(
    squire: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    greedy, tried = exam.greedy, []

    def short(model: torch.nn.Module, *args: object, **rest: object) -> object:
        tried.append(str(next(model.parameters()).device))
        if len(tried) == 1:
            raise torch.OutOfMemoryError
        return greedy(model, *args, **rest)  # type: ignore[arg-type]

    plain = sit(squire, "bin", [1], 5, papers=tmp_path / "plain.jsonl", device="cpu")
    monkeypatch.setattr(exam, "greedy", short)
    report = sit(squire, "bin", [1], 5, papers=tmp_path / "papers.jsonl")
    assert len(tried) == 2
    assert place_in(report) == "cpu: cpu:0 ran out of memory"
    papers, before = (
        [msgspec.json.decode(line, type=Paper) for line in (tmp_path / name).read_bytes().splitlines()]
        for name in ("papers.jsonl", "plain.jsonl")
    )
    assert (papers, report.correct) == (before, plain.correct)
