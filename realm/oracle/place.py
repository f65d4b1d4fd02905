"""Where a model answers: on the accelerator if it has memory to spare beside the trainer, else on the CPU."""

from collections.abc import Callable
from typing import NamedTuple

import torch

ACCELERATOR = "cuda"
CONTEXT = 2**30  # bytes that CUDA and its workspaces take before anything is loaded
LEFT_FREE = 0.1  # share of the accelerator's memory that stays the trainer's, which may grow meanwhile


class Memory(NamedTuple):
    """Of the accelerator, in bytes."""

    free: int
    total: int


class Place(NamedTuple):
    device: str
    why: str


def accelerator_memory() -> Memory | None:
    """None where torch sees no accelerator."""
    return Memory(*torch.cuda.mem_get_info()) if torch.cuda.is_available() else None


def place_for(what: str, takes: int, wanted: str, probe: Callable[[], Memory | None] = accelerator_memory) -> Place:
    """`what` takes so many bytes. `wanted` is `device` of config.json; its cuda makes none wait but the trainer."""
    if wanted == "cpu":
        return Place("cpu", "config.json asks for it")
    memory = probe()
    if memory is None:
        return Place("cpu", "there is no accelerator")
    needed = CONTEXT + takes
    spare = max(0, memory.free - int(LEFT_FREE * memory.total))
    figures = f"{what} needs {needed:,} bytes of the accelerator, {spare:,} are to spare beside the trainer"
    return Place("cpu" if spare < needed else ACCELERATOR, figures)
