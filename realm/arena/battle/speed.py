"""Model FLOPs utilisation: what the steps compute, as a share of what this device's matmul reaches."""

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


def mfu(tokens_per_second: float, parameters: int, peak: float) -> float:
    """6 FLOPs per parameter and token, forward and backward (Kaplan et al. 2020, section 2.1)."""
    return 6 * parameters * tokens_per_second / peak
