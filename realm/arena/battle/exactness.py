"""Bit-equal replays: deterministic algorithms, a fixed thread count, and a fingerprint of all that they depend on."""

import os
import platform

import torch

import realm
from realm.arena.battle.fingerprint import Fingerprint
from realm.core.config import Config, Training


def enter(training: Training, threads: int) -> None:
    """Sets the process up before any tensor is made; `exact: false` only fixes the thread count."""
    if training.exact:  # without it torch refuses deterministic matmuls on CUDA; read when CUDA is first used
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(training.exact)


def fingerprint(training: Training, device: torch.device, attention: str, config: Config) -> Fingerprint:
    """What two runs must share for their weights to be bit-equal."""
    return {
        "realm": realm.__version__,
        "torch": str(torch.__version__),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "devices": config.devices,
        "sharded": config.sharded,
        "compile": config.compile,
        "kernels": config.kernels,
        "lora_rank": config.lora_rank,
        "optimizer": config.optimizer,
        "precision": training.precision,
        "attention": attention,
        "exact": training.exact,
    }
