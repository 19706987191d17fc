"""The inference benchmark, run as a user runs it, on bright blocks with a network of two features."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import inference
import numpy as np
import pytest
import typer
import yaml
from scipy import ndimage
from typer.testing import CliRunner

from pipeline.config import Network
from pipeline.ffn.weights import write_weights
from workflows.command_line import ending_plainly

REPOSITORY = Path(__file__).parents[2]
pytestmark = pytest.mark.slow

NETWORK = Network(fov=(7, 7, 7), deltas=(2, 2, 2), depth=1, features=2)


@pytest.fixture(scope="module")
def run_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three blocks with their true labels, and a network set by hand that takes bright voxels for inside."""
    folder = tmp_path_factory.mktemp("blocks")
    image = np.full((24, 28, 40), 60, np.uint8)
    image[2:22, 2:26, 2:12] = image[2:22, 2:26, 16:26] = image[2:22, 2:26, 30:38] = 200
    image += np.random.default_rng(3).integers(0, 20, image.shape, np.uint8)
    with h5py.File(folder / "volumes.h5", "w") as file:
        file["image"] = image
        file["labels"] = ndimage.label(image > 120)[0].astype(np.uint32)
    n = NETWORK.features
    kernels = {
        "conv0_a/kernel": (3, 3, 3, 2, n),
        "conv0_b/kernel": (3, 3, 3, n, n),
        "conv_lom/kernel": (1, 1, 1, n, 1),
    }
    weights = {name: np.zeros(shape, np.float32) for name, shape in kernels.items()}
    weights |= {
        name.replace("kernel", "bias"): np.zeros(w.shape[-1], np.float32) for name, w in weights.items()
    }
    weights["conv0_a/kernel"][1, 1, 1, 0] = (1, -1)
    weights["conv0_b/kernel"][1, 1, 1] = np.eye(n)
    weights["conv_lom/kernel"][0, 0, 0, :, 0] = (4, -4)
    write_weights(weights, NETWORK, folder / "ffn.h5")
    document = {
        "data": {
            "folder": str(folder),
            "image": "volumes.h5:image",
            "labels": "volumes.h5:labels",
            "image_mean": 128,
            "image_stddev": 33,
        },
        "network": {**NETWORK.model_dump(mode="json"), "checkpoint": "ffn.h5"},
        "inference": {"tile": [24, 28, 28], "overlap": [0, 0, 12], "min_segment_voxels": 100},
        "reconciliation": {"chunk": [16, 16, 16], "block": [32, 32, 32]},
    }
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def benchmark(run_file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "benchmarks/inference.py", "--config", str(run_file), *options],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )


def last_line(ended: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def test_the_last_line_holds_rates_calls_memory_and_scores(run_file: Path) -> None:
    found = last_line(benchmark(run_file, "--plain-s", "1"))
    assert found["box"] == "0:24,0:28,0:40"
    assert found["processor"], "a figure says what it was taken on"
    assert found["voxels_per_s"] > 0
    assert found["ratio"] == pytest.approx(found["voxels_per_s"] / found["plain_voxels_per_s"], rel=0.02)
    assert 0 < found["network_share"] < 1
    assert found["calls"] > 50
    assert found["peak_mib"] > 100
    assert found["overlap_factor"] == 1.4
    assert found["scores"]["filled"]["are"] < 0.2
    assert found["scores"]["coverage"] > 0.4


@pytest.mark.thorough  # engines are compared by test_engines
def test_the_plain_path_on_the_whole_box_segments_it_alike(run_file: Path) -> None:
    found = last_line(benchmark(run_file, "--box", "0:24,0:28,0:28", "--preset", "fast", "--plain", "whole"))
    assert found["box"] == "0:24,0:28,0:28"
    assert found["deltas"] == [3, 3, 3]
    assert found["plain"] == "whole"
    assert abs(found["score_differences"]["gt_foreground"]["are"]) < 0.005
    assert found["plain_scores"]["filled"]["are"] < 0.2


@pytest.mark.thorough
def test_a_sweep_ends_in_a_table_with_a_row_for_each_variant(run_file: Path) -> None:
    variants = ["inference.preset=fast", "inference.deltas=[1,2,2] inference.reflect=false"]
    options = [option for variant in variants for option in ("--variant", variant)]
    ended = benchmark(run_file, "--box", "0:24,0:28,0:28", *options)
    found = last_line(ended)
    assert list(found) == variants
    assert [row["deltas"] for row in found.values()] == [[3, 3, 3], [1, 2, 2]]
    for name, line in zip(variants, ended.stdout.splitlines()[-3:-1]):
        assert f"{found[name]['calls']:,}" in line
        assert f"{found[name]['scores']['coverage']:.3f}" in line


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--box", "0:24,0:28"], "z0:z1,y0:y1,x0:x1"),
        (["--box", "0:24,0:28,0:99"], "reaches outside the image"),
        (["--set", "network.checkpoint=null"], "network.checkpoint is not set"),
        (["--preset", "fastest"], "'best', 'balanced' or 'fast'"),
    ],
)
def test_what_cannot_be_measured_is_refused(run_file: Path, options: list[str], said: str) -> None:
    command = typer.Typer()
    command.command()(ending_plainly(inference.benchmark))
    ended = CliRunner().invoke(command, ["--config", str(run_file), *options], env={"COLUMNS": "200"})
    assert ended.exit_code != 0
    assert said in ended.output
