"""Bit-equal replays: deterministic algorithms, a fixed thread count, and a fingerprint of all that they depend on."""

import os
import platform

import torch

import realm
from realm.core.config import Training

Fingerprint = dict[str, str | int | bool]


def enter(training: Training, threads: int) -> None:
    """Sets the process up before any tensor is made; `exact: false` only fixes the thread count."""
    if training.exact:  # without it torch refuses deterministic matmuls on CUDA; read when CUDA is first used
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(training.exact)


def fingerprint(training: Training, device: torch.device, attention: str) -> Fingerprint:
    """What two runs must share for their weights to be bit-equal."""
    return {
        "realm": realm.__version__,
        "torch": str(torch.__version__),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "precision": training.precision,
        "attention": attention,
        "exact": training.exact,
    }


def differences(then: Fingerprint, now: Fingerprint) -> list[str]:
    """The reasons, in words, why a run under `now` cannot be expected to repeat one under `then` bit for bit."""
    return [f"{key}: {then.get(key)} -> {now.get(key)}" for key in now if then.get(key) != now.get(key)]
