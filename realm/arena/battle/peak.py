"""What this device can do at best, to say which share of it training uses."""

import time

import torch

SIDE = 1024  # of the square matrices
ROUNDS = 5


def matmul_peak(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of the best of a few square matmuls, measured now."""
    left = torch.ones((SIDE, SIDE), device=device, dtype=dtype)
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        float((left @ left)[0, 0])  # reading a value waits for the device
        best = min(best, time.perf_counter() - began)
    return float(2 * SIDE**3 / best)
