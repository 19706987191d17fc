"""What computes on this machine, by name."""

from __future__ import annotations

import platform
from functools import lru_cache
from pathlib import Path

CPU = Path("/proc/cpuinfo")
NVIDIA = Path("/proc/driver/nvidia/gpus")


@lru_cache(maxsize=1)
def processor() -> str:
    """The model of the CPU and, where NVIDIA's driver tells it, that of the GPUs: `AMD EPYC; NVIDIA H100`."""
    cpu = _value(CPU, "model name") or platform.processor() or platform.machine()
    return "; ".join([cpu, *gpus()])


def gpus() -> list[str]:
    """The models of the GPUs, each once, where NVIDIA's driver tells them."""
    return sorted({_value(path, "Model") for path in NVIDIA.glob("*/information")} - {""})


@lru_cache(maxsize=1)
def cpu_flags() -> frozenset[str]:
    """The features of this CPU as Linux names them, such as `avx512f`; none on other systems."""
    return frozenset((_value(CPU, "flags") or _value(CPU, "Features")).split())  # of Intel and AMD, of Arm


def _value(path: Path, key: str) -> str:
    """What stands behind the first `key:` of a file, or nothing."""
    try:
        for line in path.read_text().splitlines():
            if line.startswith(key):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return ""
