"""How busy the machine is with other work, and what its floors are; only for benchmarks."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch

_BUSY = 0.15  # of all cores


def busy_share(seconds: float = 2.0) -> float:
    """Share of all cores' time that others use while this process sleeps; 0 where the system does not tell."""
    before = _ticks()
    time.sleep(seconds)
    after = _ticks()
    if before is None or after is None:
        return 0.0
    total, idle = after[0] - before[0], after[1] - before[1]
    return 1 - idle / total if total > 0 else 0.0


def is_quiet() -> bool:
    """Whether figures of two programs may be compared now."""
    return busy_share() <= _BUSY


def _ticks() -> tuple[int, int] | None:
    path = Path("/proc/stat")
    if not path.is_file():
        return None
    fields = [int(value) for value in path.read_text().splitlines()[0].split()[1:9]]
    return sum(fields), fields[3] + fields[4]


def matrix_gflops(size: int = 2048, repeats: int = 5) -> float:
    """The rate of a float32 matrix product, 10^9 operations a second, the best of several."""
    a = torch.randn(size, size)
    a @ a
    best = min(_seconds(lambda: a @ a) for _ in range(repeats))
    return 2 * size**3 / best / 1e9


def copy_gb_per_s(megabytes: int = 512, repeats: int = 5) -> float:
    """The rate at which memory is copied, 10^9 bytes read a second, the best of several."""
    a = torch.zeros(megabytes * 2**18)
    b = torch.empty_like(a)
    best = min(_seconds(lambda: b.copy_(a)) for _ in range(repeats))
    return 4 * a.numel() / best / 1e9


def reset_peak() -> None:
    """Let ``peak_mib`` count from the memory in use now (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_mib() -> float:
    """Largest resident size since ``reset_peak``, MiB (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return float(line.split()[1]) / 1024
    raise OSError("/proc/self/status has no VmHWM")


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
