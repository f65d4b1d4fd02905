"""What the C library does with memory that tensors and models took. glibc can be told; others have no such calls."""

import gc
from ctypes import CDLL

import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
NEVER, MOST_KEPT = 2**31 - 1, 2**25  # bytes; glibc takes no higher mmap threshold


def keep_what_is_freed() -> None:
    """For the next step, which takes as much again: else the system zeroes thousands of pages a step anew."""
    if mallopt := getattr(CDLL(None), "mallopt", None):
        mallopt(M_MMAP_THRESHOLD, MOST_KEPT)
        mallopt(M_TRIM_THRESHOLD, NEVER)


def give_back() -> None:
    """To the system and the device; call it when nothing names the model any more."""
    gc.collect()  # a model is part of reference cycles
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    # glibc keeps freed pages between used ones: 600 MB after two steps of 59 M parameters.
    if trim := getattr(CDLL(None), "malloc_trim", None):
        trim(0)
