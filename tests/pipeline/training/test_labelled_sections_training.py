"""Training on labels of some sections: nothing between counts, but examples are centred there too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pipeline.config import RunConfig
from pipeline.geometry import Box, triple
from pipeline.run_folder import Run
from pipeline.settings.resolve import resolve
from pipeline.training.examples import ExampleMaker
from pipeline.training.launch import train
from pipeline.training.sampling import coordinates_target, read_coordinates, sample_coordinates
from pipeline.training.training_volume import open_training_volumes
from tests.pipeline.training.real_trainings import log_of

DRAWN = list(range(2, 40, 5))


def make_run(folder: Path, volume: Path, labels: str, **training: Any) -> Run:
    document = {
        "data": {"image": f"{volume}:image", "labels": labels, "labelled_sections": DRAWN},
        "network": {"fov": [9, 9, 9], "deltas": [2, 2, 2], "depth": 2, "features": 4},
        "inference": {"tile": [40, 40, 40], "overlap": [10, 10, 10]},
        "training": {
            "ranks": 1,
            "fovs": 1600,
            "batch_size": 2,
            "learning_rate": 0.005,
            "report_every_steps": 100,
            "sampling": {
                "radius": [4, 4, 4],
                "min_segment_voxels": 100,
                "coordinates": 500,
                "boundary_distance": 1,
            },
            **training,
        },
    }
    return resolve(RunConfig.model_validate(document), folder)


def spoilt(volume: Path, to: Path) -> tuple[str, np.ndarray]:
    """The labels with noise in all sections that are not labelled, and as they are."""
    with h5py.File(volume) as file:
        labels = file["labels"][:]
    noise = np.random.default_rng(1).integers(1, 30, labels.shape).astype(labels.dtype)
    noise[DRAWN] = labels[DRAWN]
    with h5py.File(to, "w") as file:
        file["labels"] = noise
        file["alone"] = labels[DRAWN]
    return f"{to}:labels", labels


@pytest.mark.parametrize("cache_gib", [4, 1e-5])
def test_nothing_counts_between_sections_and_examples_are_centred_there_too(
    volume: Path, tmp_path: Path, cache_gib: float
) -> None:
    uri, labels = spoilt(volume, tmp_path / "spoilt.h5")
    run = make_run(tmp_path / "run", volume, uri, cache_gib=cache_gib)
    coordinates, _ = read_coordinates(run, Path(sample_coordinates(run).path))
    opened = open_training_volumes(run)
    maker = ExampleMaker(opened, coordinates, run.config.network, run.config.training)
    radius, [one] = triple([8, 8, 8]), opened
    between = 0
    for place in range(100):
        centre = triple(coordinates[place, 1:].tolist())
        above = max(z for z in DRAWN if z <= centre[0])
        below = min(z for z in DRAWN if z >= centre[0])
        before, after = (labels[z, centre[1], centre[2]] for z in (above, below))
        assert before == after
        between += centre[0] not in DRAWN
        where = Box.of_shape((1, 1, 1), centre).grow(radius)
        counted = np.isin(np.arange(where.start[0], where.stop[0]), DRAWN)
        _, inside = one.patch(centre, radius)
        np.testing.assert_array_equal(inside[counted], labels[where.slices()][counted] == before)
        ignored = one.ignored_around(centre, radius)
        assert ignored is not None
        np.testing.assert_array_equal(ignored, np.broadcast_to(~counted[:, None, None], inside.shape))
        _, example = maker.example(np.random.default_rng(place), place)
        assert np.count_nonzero(example.labels < 0) == np.count_nonzero(ignored)
        assert not (example.scored & (example.labels < 0)).any()
    assert 60 < between < 100


def test_a_network_learns_from_them_and_what_lies_between_is_nothing_to_it(
    volume: Path, tmp_path: Path
) -> None:
    uri, _ = spoilt(volume, tmp_path / "spoilt.h5")
    plain = make_run(tmp_path / "plain", volume, f"{volume}:labels")
    noisy = make_run(tmp_path / "noisy", volume, uri)
    alone = make_run(tmp_path / "alone", volume, f"{tmp_path}/spoilt.h5:alone")
    drawn = [sample_coordinates(run) for run in (plain, noisy, alone)]
    assert len({one.sha256 for one in drawn}) == 1
    assert coordinates_target(plain).recipe == coordinates_target(noisy).recipe
    models = [train(run, one) for run, one in zip((plain, noisy, alone), drawn)]
    assert models[0].sha256 == models[1].sha256 == models[2].sha256
    losses = [line["loss"] for line in log_of(plain)]
    assert losses[-1] < 0.8 * losses[0]
