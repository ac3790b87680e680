"""What the processor is and how fast it can be: what a measured time is held against."""

from __future__ import annotations

import time
from pathlib import Path

OF_INTEREST = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
"""Instruction sets that decide which kernels run."""


def matrix_instructions() -> list[str]:
    """Return which of `OF_INTEREST` the processor has; none where the system does not tell."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return []
    flags = next((line.partition(":")[2].split() for line in text.splitlines() if line.startswith("flags")), [])
    return [name for name in OF_INTEREST if name in flags]


def matrix_peak(precision: str, side: int = 4096, rounds: int = 5) -> float:
    """Return the rate of one large matrix product on all cores.

    Args:
        precision: "float32" or "bfloat16".
        side: Rows and columns of the two matrices.
        rounds: The best of this many counts: other work on the machine can only slow it down.

    Returns:
        10^9 floating-point operations a second.
    """
    import tensorflow as tf

    matrix = tf.cast(tf.random.stateless_normal((side, side), seed=(0, 0)), precision)
    # only a corner goes back to the host
    multiply = tf.function(lambda: tf.linalg.matmul(matrix, matrix)[0, 0])
    return 2 * side**3 / _best(multiply, rounds) / 1e9


def memory_rate(mebibytes: int = 256, rounds: int = 5) -> float:
    """Return how fast all cores read one array and write another of the same size.

    Args:
        mebibytes: Size of each; larger than the caches.
        rounds: The best of this many counts.

    Returns:
        10^9 bytes read and written a second.
    """
    import tensorflow as tf

    values = tf.zeros(mebibytes * 2**18)
    double = tf.function(lambda: (values * 2.0)[0])
    return 2 * mebibytes * 2**20 / _best(double, rounds) / 1e9


def _best(function, rounds: int) -> float:
    function().numpy()
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        function().numpy()
        times.append(time.perf_counter() - began)
    return min(times)
