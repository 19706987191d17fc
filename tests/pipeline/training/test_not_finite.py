"""A training that runs into NaN or infinity ends on all ranks, says where, and publishes nothing."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pipeline.errors import Untrainable
from pipeline.results.artifacts import Artifact, file_sha256
from pipeline.run_folder import Run
from pipeline.settings.input_identities import with_identities
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.finite import Fault, describe, find_fault
from pipeline.training.launch import lineage, model_target, train
from pipeline.training.progress import Progress, Stretch
from pipeline.training.sampling import sample_coordinates
from tests.pipeline.training.real_trainings import checkpoint_of, make_run, ranks_of

NAN = np.full((1, 3, 3, 3, 1), np.nan)
WHOLE = np.zeros_like(NAN)


def test_the_examples_whose_pom_is_spoiled_are_named() -> None:
    centres = [(1, 2, 3), (4, 5, 6)]
    assert find_fault(1, float("nan"), np.concatenate([WHOLE, NAN]), centres).centres == [(4, 5, 6)]
    assert find_fault(1, 0.5, np.concatenate([WHOLE, WHOLE]), centres).centres == centres


def test_one_line_says_step_rank_and_place() -> None:
    fault = str(Fault(1, float("inf"), [(4, 5, 6)]))
    assert describe(7, ["", fault], 5).startswith("training step 7, rank 1: the loss is inf at (4, 5, 6); ")
    assert describe(7, ["", fault], 5).endswith(
        "no network is published, the checkpoint after step 5 is kept"
    )
    assert "(2 ranks in all)" in describe(7, ["rank 0: the loss is nan at (1, 1, 1)", fault], 0)
    assert "rank 0: the gradient is not finite at (0, 1, 1), (1, 1, 1), (2, 1, 1) and 2 more" in describe(
        7, [str(Fault(0, 0.5, [(n, 1, 1) for n in range(5)]))], 0
    )
    assert "their sum is not" in describe(7, ["", ""], 0)


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four cells of 20^3 or more voxels in 40^3: `image` in float32, and `labels`."""
    path = tmp_path_factory.mktemp("volume") / "volume.h5"
    labels = np.ones((40, 40, 40), np.uint32)
    labels[20:] += 1
    labels[:, 20:] += 2
    with h5py.File(path, "w") as file:
        file["image"], file["labels"] = (100 + 20 * labels).astype(np.float32), labels
    return path


@pytest.fixture(scope="module")
def calm(volume: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A training of one rank in which nothing goes wrong."""
    run, coordinates = make_run(tmp_path_factory.mktemp("calm"), volume, fovs=40, ranks=1)
    train(run, coordinates)
    return run


@pytest.mark.slow
class TestRealRanks:
    """Horovod processes, two where it matters what the other does."""

    def test_a_value_that_overflows_on_one_rank_ends_both(self, volume: Path, tmp_path: Path) -> None:
        run, coordinates, centre = spoiled_for_rank_1(tmp_path, volume)
        message = refusal(run, coordinates)
        assert message.startswith(f"training step 1, rank 1: the loss is nan at {centre}; lower training.")
        assert message.endswith("there is no checkpoint yet")
        assert list(run.checkpoint_file.parent.glob("checkpoint*")) == []

    def test_a_rate_that_is_too_high_leaves_the_checkpoint_before_it(
        self, volume: Path, calm: Run, tmp_path: Path
    ) -> None:
        run, coordinates = make_run(tmp_path, volume, learning_rate=1e30, fovs=400)
        started = replace(
            checkpoint_of(calm),
            lineage=lineage(model_target(run, coordinates).recipe),
            progress=Progress(1, 10, (Stretch(40, 2, 1),)),
        )
        started.save(run.checkpoint_file)
        before = run.checkpoint_file.read_bytes()
        message = refusal(run, coordinates)
        assert message.startswith("training step 1")
        assert "(2 ranks in all)" in message
        assert message.endswith("no network is published, the checkpoint after step 10 is kept")
        assert run.checkpoint_file.read_bytes() == before

    def test_weights_that_the_last_step_spoils_are_not_saved(self, volume: Path, tmp_path: Path) -> None:
        run, coordinates = make_run(tmp_path, volume, learning_rate=1e300, fovs=2, ranks=1)
        assert refusal(run, coordinates).startswith("after training step 1 ")
        assert Checkpoint.read(run.checkpoint_file) is None

    def test_a_complete_checkpoint_with_spoiled_weights_is_no_network(
        self, volume: Path, calm: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        shutil.copytree(calm.folder, tmp_path, dirs_exist_ok=True)
        run, coordinates = make_run(tmp_path, volume, fovs=40, ranks=1)
        spoiled = checkpoint_of(run)
        spoiled.weights["conv0_a/bias"][0] = np.nan
        spoiled.save(run.checkpoint_file)
        for path in run.model_file.parent.glob("ffn.h5*"):
            path.unlink()
        assert train(run, coordinates).sha256 == file_sha256(calm.model_file)
        assert "is not used: it holds weights that are NaN or infinite" in caplog.text


def refusal(run: Run, coordinates: Artifact) -> str:
    """What a training is refused with, in one line, when nothing of it is left at work or published."""
    with pytest.raises(Untrainable) as caught:
        train(run, coordinates)
    assert ranks_of(run) == []
    assert list(run.model_file.parent.glob("ffn.h5*")) == []
    assert "\n" not in str(caught.value)
    return str(caught.value)


def spoiled_for_rank_1(folder: Path, volume: Path) -> tuple[Run, Artifact, tuple[int, ...]]:
    """A run of two coordinates, one a rank, in whose image one value overflows where rank 1 alone looks."""
    for seed in range(50):
        run, coordinates = with_two_coordinates(folder / str(seed), volume, seed)
        first, second = np.load(coordinates.path)
        if np.abs(first - second).max() > 13:
            break
    spoiled = folder / "spoiled.h5"
    with h5py.File(volume) as source, h5py.File(spoiled, "w") as file:
        image = source["image"][()]
        image[tuple(second)] = 3e38
        file["image"], file["labels"] = image, source["labels"][()]
    run, coordinates = with_two_coordinates(folder / "spoiled", spoiled, seed, image_stddev=1e-3)
    np.testing.assert_array_equal(np.load(coordinates.path), [first, second])
    return run, coordinates, tuple(second.tolist())


def with_two_coordinates(folder: Path, volume: Path, seed: int, **data: Any) -> tuple[Run, Artifact]:
    sampling = {"radius": [4, 4, 4], "min_segment_voxels": 100, "coordinates": 2}
    config = make_run(folder, volume, sampling=sampling)[0].config
    changed = {"seed": seed, "data": config.data.model_copy(update=data)}
    run = with_identities(Run(folder, config.model_copy(update=changed)))
    return run, sample_coordinates(run)
