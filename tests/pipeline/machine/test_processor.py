"""The name of what computes here."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from pipeline.machine import processor as module
from pipeline.machine.processor import CPU, NVIDIA, cpu_flags, processor


@pytest.mark.skipif(not CPU.exists(), reason="no /proc/cpuinfo here")
def test_it_begins_with_the_cpu_that_the_system_names() -> None:
    cpu = processor().split("; ")[0]
    assert cpu
    assert cpu in CPU.read_text() or cpu == platform.machine()


@pytest.mark.skipif(not list(Path(NVIDIA).glob("*/information")), reason="no NVIDIA GPU here")
def test_it_names_the_gpu_behind_the_cpu() -> None:
    assert processor().count("; ") == 1


@pytest.mark.parametrize("key", ["flags", "Features"])  # of Intel and AMD, of Arm
def test_it_knows_what_the_cpu_can(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{key}\t: fp asimd\n")
    monkeypatch.setattr(module, "CPU", tmp_path / "cpuinfo")
    assert cpu_flags.__wrapped__() == {"fp", "asimd"}
