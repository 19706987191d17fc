"""The name of what computes here."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from pipeline.machine.processor import CPU, NVIDIA, processor


@pytest.mark.skipif(not CPU.exists(), reason="no /proc/cpuinfo here")
def test_it_begins_with_the_cpu_that_the_system_names() -> None:
    cpu = processor().split("; ")[0]
    assert cpu
    assert cpu in CPU.read_text() or cpu == platform.machine()


@pytest.mark.skipif(not list(Path(NVIDIA).glob("*/information")), reason="no NVIDIA GPU here")
def test_it_names_the_gpu_behind_the_cpu() -> None:
    assert processor().count("; ") == 1
