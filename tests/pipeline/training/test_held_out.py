"""Held-out scores are the training metric's, and the published network has those of a converged FFN."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.config import Network, RunConfig
from pipeline.errors import InputError
from pipeline.ffn.network import build_network, network_variables
from pipeline.ffn.weights import write_weights
from pipeline.ffn.winograd.compiled import cpu_instructions
from pipeline.geometry import Box
from pipeline.inference.engines import Loading, load
from pipeline.results.artifacts import Artifact
from pipeline.run_folder import Run
from pipeline.training.example import scored_voxels
from pipeline.training.held_out import Predict, held_out_scores

SMALL = Network(fov=(5, 7, 7), deltas=(1, 2, 2), depth=3, features=4)
BOX = Box((0, 0, 0), (20, 24, 24))


def by_keras(weights: Path, network: Network) -> Predict:
    """Not the compiled code, which is what runs are trained and segmented with."""
    return load(Loading(Artifact(str(weights), ""), network, "keras", "float32", batch=1, threads=1)).predict


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A volume of noise with one object in the half of small x, and nothing labelled in the other."""
    labels = np.zeros((20, 24, 48), np.uint64)
    labels[..., :24] = 3
    with h5py.File(tmp_path / "volume.h5", "w") as file:
        file["raw"] = np.random.default_rng(0).integers(0, 255, labels.shape, np.uint8)
        file["labels"] = labels
    document = {
        "data": {
            "image": str(tmp_path / "volume.h5:raw"),
            "labels": str(tmp_path / "volume.h5:labels"),
            "image_mean": 128,
            "image_stddev": 33,
        },
        "network": SMALL.model_dump(),
        "training": {"sampling": {"min_segment_voxels": 1}, "augmentation": {"contrast": 0.5}},
    }
    return Run(tmp_path, RunConfig.model_validate(document))


def test_a_network_that_leaves_the_pom_as_it_is_has_found_each_seed_and_nothing_else(
    run: Run, tmp_path: Path
) -> None:
    """All around every centre is one object: recall is a voxel of those that a FOV can cover."""
    weights = tmp_path / "fresh.h5"
    write_weights(network_variables(build_network(SMALL)), SMALL, weights)
    scores = held_out_scores(run, by_keras(weights, SMALL), BOX, examples=3)
    found = 1 / np.count_nonzero(scored_voxels(SMALL, 1))
    assert scores == pytest.approx(
        {"accuracy": found, "precision": 1.0, "recall": found, "f1": 2 * found / (1 + found)}
    )


def test_a_box_in_which_nothing_is_labelled_is_refused(run: Run, tmp_path: Path) -> None:
    weights = tmp_path / "fresh.h5"
    write_weights(network_variables(build_network(SMALL)), SMALL, weights)
    with pytest.raises(InputError, match="0:20,0:24,24:48"):
        held_out_scores(run, by_keras(weights, SMALL), Box((0, 0, 24), (20, 24, 48)), examples=3)


def test_patches_that_touch_what_the_image_lacks_are_left_out_and_counted(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Sections 0 to 9 are stored; patches reach 3 voxels along z."""
    with h5py.File(tmp_path / "volume.h5", "r+") as file:
        del file["raw"]
        image = file.create_dataset("raw", (20, 24, 48), np.uint8, chunks=(10, 24, 48))
        image[:10] = np.random.default_rng(0).integers(1, 255, (10, 24, 48))
    darkest = []

    def look(shown: np.ndarray) -> np.ndarray:
        darkest.append(shown[0, ..., 0].min())
        return np.zeros((*shown.shape[:-1], 1), np.float32)

    held_out_scores(run, look, BOX, examples=40)
    assert 0 < len(darkest) < 40
    assert "of 40 patches touch what is missing" in caplog.text
    assert min(darkest) >= np.float32(1 - 128) / 33
    with pytest.raises(InputError, match="around each of 5 patches"):
        held_out_scores(run, look, Box((9, 0, 0), (20, 24, 24)), examples=5)


@pytest.mark.parametrize("turn_z", [True, False])
def test_sections_are_shown_as_sections_where_training_does_not_turn_them(
    run: Run, tmp_path: Path, turn_z: bool
) -> None:
    """The image is darker from section to section, and alike within each."""
    with h5py.File(tmp_path / "volume.h5", "r+") as file:
        file["raw"][:] = np.arange(20, dtype=np.uint8)[:, None, None]
    cube = Network(fov=(5, 5, 5), deltas=(1, 1, 1), depth=1, features=4)
    augmentation = run.config.training.augmentation.model_copy(update={"turn_z": turn_z})
    training = run.config.training.model_copy(update={"augmentation": augmentation})
    run = replace(run, config=run.config.model_copy(update={"network": cube, "training": training}))
    turned = []

    def look(shown: np.ndarray) -> np.ndarray:
        turned.append(bool(np.ptp(shown[0, ..., 0], axis=(1, 2)).any()))
        return np.zeros((*shown.shape[:-1], 1), np.float32)

    held_out_scores(run, look, BOX, examples=12)
    assert any(turned) == turn_z


@pytest.mark.slow
def test_the_published_network_floods_fib25_patches_as_a_converged_ffn_does(fib25: Path) -> None:
    """Their centres keep off the membranes, which this ground truth fills.

    When last measured: accuracy 0.977, precision 0.993, recall 0.884, F1 0.935; of twelve patches
    0.974, 0.998, 0.947 and 0.972.
    """
    document = {
        "seed": 1,
        "data": {
            "folder": str(fib25),
            "image": "grayscale_maps.h5:raw",
            "labels": "groundtruth_z000_125.h5:stack",
            "labels_box": "0:125,0:250,0:250",
            "image_mean": 128,
            "image_stddev": 33,
        },
        "training": {"sampling": {"boundary_distance": 3}},
    }
    run = Run(fib25, RunConfig.model_validate(document))
    weights = Artifact(str(fib25 / "checkpoint/model.ckpt-27465036"), "")
    # 215 calls; by test_engines all engines come to the same
    engine = "winograd" if cpu_instructions() else "openvino"
    published = load(Loading(weights, Network(), engine, "float32", batch=1, threads=2)).predict
    scores = held_out_scores(run, published, Box((0, 0, 0), (125, 250, 250)), examples=6)
    assert scores["accuracy"] >= 0.96
    assert scores["precision"] >= 0.97
    assert scores["f1"] >= 0.92
