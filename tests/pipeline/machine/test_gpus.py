"""GPUs are found by what drivers show, in containers too, and each process takes its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.machine import gpus
from pipeline.machine.gpus import Gpus, find, take_own, usable


def render_node(root: Path, number: int, vendor: str, place: str = "0000:3a:00.0") -> None:
    device = root / "sys/devices" / place
    device.mkdir(parents=True, exist_ok=True)
    (device / "vendor").write_text(f"{vendor}\n")
    node = root / "sys/class/drm" / f"renderD{number}"
    node.mkdir(parents=True)
    (node / "device").symlink_to(device)
    (root / "dev/dri").mkdir(parents=True, exist_ok=True)
    (root / "dev/dri" / f"renderD{number}").touch()


@pytest.fixture(autouse=True)
def no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*gpus.VISIBLE.values(), *gpus.OTHERS_OF_AMD, gpus.SHARED_OUT):
        monkeypatch.delenv(name, raising=False)


def test_where_there_is_none_none_is_found(tmp_path: Path) -> None:
    assert find(tmp_path) is None


@pytest.mark.parametrize("devices", [["nvidia0"], ["nvidia5"], ["nvidia2", "nvidia11"]])
def test_nvidias_are_found_whatever_numbers_a_container_was_given(tmp_path: Path, devices: list[str]) -> None:
    (tmp_path / "dev").mkdir()
    for name in ("nvidiactl", "nvidia-uvm", *devices):
        (tmp_path / "dev" / name).touch()
    for number in range(8):  # the driver tells of all of the node's
        (tmp_path / f"proc/driver/nvidia/gpus/0000:{number}1:00.0").mkdir(parents=True)
    assert find(tmp_path) == Gpus("nvidia", len(devices))


def test_nvidias_are_found_by_the_driver_alone(tmp_path: Path) -> None:
    (tmp_path / "proc/driver/nvidia/gpus/0000:01:00.0").mkdir(parents=True)
    assert find(tmp_path) == Gpus("nvidia", 1)


def test_amds_are_found_where_they_can_compute(tmp_path: Path) -> None:
    for number in (128, 129):
        render_node(tmp_path, number, "0x1002", f"0000:{number}:00.0")
    assert find(tmp_path) is None  # they can draw; what computes is not given to this container
    (tmp_path / "dev/kfd").touch()
    assert find(tmp_path) == Gpus("amd", 2)


def test_intels_are_found_but_not_those_in_processors(tmp_path: Path) -> None:
    render_node(tmp_path, 128, "0x8086", gpus.IN_THE_PROCESSOR)
    assert find(tmp_path) is None
    render_node(tmp_path, 129, "0x8086")
    assert find(tmp_path) == Gpus("intel", 1)


def test_of_those_that_are_there_the_environment_may_name_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "find", lambda: Gpus("nvidia", 4))
    assert usable() == Gpus("nvidia", 4)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert usable() == Gpus("nvidia", 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert usable() is None


@pytest.mark.parametrize(
    ("shared", "process", "named", "seen"),
    [
        ("nvidia:3,2,1,0", 1, None, "2"),
        ("nvidia:3,2,1,0", 1, "4,5,6,7", "6"),  # of the job's GPUs, which are not the node's first
        ("nvidia:0,1", 1, "GPU-a,GPU-b", "GPU-b"),
        ("nvidia:0,1,2,3", 3, "0", ""),  # fewer were given than were shared out
        (":0,0,1,1", 2, None, "1"),
        ("", 0, "0,1", "0,1"),
    ],
)
def test_a_process_sees_its_own_gpu_alone(
    monkeypatch: pytest.MonkeyPatch, shared: str, process: int, named: str | None, seen: str
) -> None:
    monkeypatch.setattr(gpus, "find", lambda: Gpus("nvidia", 4))
    monkeypatch.setenv(gpus.SHARED_OUT, shared)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named or "")
    if named is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    take_own(process)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == seen
    assert gpus.SHARED_OUT not in os.environ  # a process that it starts takes none once more


def test_what_would_choose_once_more_among_amds_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in gpus.OTHERS_OF_AMD:
        monkeypatch.setenv(name, "5")
    monkeypatch.setenv(gpus.SHARED_OUT, "amd:4,5,2,3")
    take_own(1)
    assert os.environ["ROCR_VISIBLE_DEVICES"] == "5"
    assert not [name for name in gpus.OTHERS_OF_AMD if name in os.environ]
