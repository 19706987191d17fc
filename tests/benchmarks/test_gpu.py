"""The GPU benchmark, run as a user runs it, on a CPU and bright blocks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import pytest
import yaml
from bright_blocks import NETWORK, write_image, write_network
from scipy import ndimage

REPOSITORY = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    """Bright blocks with their true labels in two tiles; the network takes bright voxels for inside."""
    write_image(tmp_path)
    with h5py.File(tmp_path / "image.h5", "r+") as file:
        file["labels"] = ndimage.label(file["raw"][:] > 120)[0]
    write_network(tmp_path)
    document = {
        "data": {
            "folder": str(tmp_path),
            "image": "image.h5:raw",
            "labels": "image.h5:labels",
            "image_mean": 128,
            "image_stddev": 33,
        },
        "network": {**NETWORK.model_dump(mode="json"), "checkpoint": "ffn.h5"},
        "inference": {"tile": [40, 44, 30], "overlap": [0, 0, 12], "min_segment_voxels": 200},
    }
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.mark.thorough
def test_tiles_are_measured_one_by_one_and_together_and_come_out_the_same(run_file: Path) -> None:
    options = ["--config", str(run_file), "--workers", "1,2x2", "--tiles", "2", "--sizes", "none"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    said = subprocess.run(
        [sys.executable, "benchmarks/gpu.py", *options, "--set", "inference.engine=openvino"],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=300,
    ).stdout
    found = json.loads(said.splitlines()[-1])
    (one,) = found["one tile"]
    assert one["filled ARE"] < 0.05
    assert one["differing"] == 0
    alone, together = found["workers"]
    assert (together["workers"], together["batch"]) == (2, 2)
    assert together["calls"] == 2 * alone["calls"] > 0
    assert {alone["same bytes"], together["same bytes"]} == {"yes"}
    assert 0 < together["network share"] <= 1
