"""The network that a run imports, and what is not there when it is looked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from as_people_have_them import cells, run_on, write_hdf5

from pipeline.checkup.image import image
from pipeline.checkup.labels import labels
from pipeline.checkup.network import network
from pipeline.config import Network, RunConfig
from pipeline.errors import InputError
from pipeline.ffn.trained_with import TrainedWith
from pipeline.ffn.weights import read_weights, weight_shapes, write_weights
from pipeline.run_folder import Run
from pipeline.settings.inference import Pass
from pipeline.settings.resolve import resolve
from pipeline.training import start


def stored_run(folder: Path, **data: str) -> Run:
    with h5py.File(folder / "em.h5", "w") as file:
        file["raw"] = np.random.default_rng(1).integers(0, 256, (64, 64, 64), dtype=np.uint8)
        file["labels"] = np.ones((64, 64, 64), np.uint32)
    inputs = {"folder": str(folder), "image": "em.h5:raw", "labels": "em.h5:labels", **data}
    sizes = {"fov": [17, 17, 17], "deltas": [4, 4, 4], "depth": 2, "features": 4}
    tiles = {"tile": [40, 40, 40], "overlap": [20, 20, 20]}
    document = {"data": inputs, "network": sizes, "inference": tiles}
    return resolve(RunConfig.model_validate(document), folder / "run")


def test_a_run_that_trains_needs_no_network(tmp_path: Path) -> None:
    assert network(stored_run(tmp_path)).state == "skip"


def test_a_trained_network_that_tells_of_voxels_of_another_size_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after data.voxel_size_nm was put right."""
    monkeypatch.setattr(start, "where_training_starts", lambda run: None)
    run, sizes = stored_run(tmp_path), Network(fov=(17, 17, 17), deltas=(4, 4, 4), depth=2, features=4)
    weights = {name: np.zeros(shape, np.float32) for name, shape in weight_shapes(sizes).items()}
    run.model_file.parent.mkdir(parents=True)
    for told_nm, state in (((10.0, 8.0, 8.0), "warn"), ((40.0, 8.0, 8.0), "skip"), (None, "skip")):
        trained = replace(TrainedWith.of_sizes(sizes), voxel_size_nm=told_nm)
        write_weights(weights, sizes, run.model_file, trained)
        data = run.config.data.model_copy(update={"voxel_size_nm": (40.0, 8.0, 8.0)})
        found = network(replace(run, config=run.config.model_copy(update={"data": data})))
        assert found.state == state
        if state == "warn":
            assert "ffn.h5 tells of voxels of 10 x 8 x 8 nm, those of the image are of 40 x 8" in found.text


def test_a_network_to_start_from_that_does_not_fit_is_not_said_to_be_the_runs(tmp_path: Path) -> None:
    """network.checkpoint is another setting, and not set."""
    sizes = Network(fov=(13, 13, 13), deltas=(3, 3, 3), depth=2, features=4)
    weights = {name: np.zeros(shape, np.float32) for name, shape in weight_shapes(sizes).items()}
    write_weights(weights, sizes, tmp_path / "other.h5", TrainedWith.of_sizes(sizes))
    run = stored_run(tmp_path)
    for source, said in (("other.h5", r"was trained with fov \[13"), ("model.ckpt-7", "no such checkpoint")):
        training = run.config.training.model_copy(update={"start_from": str(tmp_path / source)})
        with pytest.raises(InputError, match=rf"^network /\S+{source}:? {said}"):
            network(replace(run, config=run.config.model_copy(update={"training": training})))


def test_a_volume_that_became_unreadable_is_named(tmp_path: Path) -> None:
    run = stored_run(tmp_path)
    (tmp_path / "em.h5").unlink()
    with pytest.raises(InputError, match=r"em\.h5: no such file"):
        image(run)


def test_what_the_run_makes_itself_is_not_looked_for(tmp_path: Path) -> None:
    run = stored_run(tmp_path, image="phantom", labels="phantom")
    assert [image(run).state, labels(run).state] == ["skip", "skip"]


def test_networks_of_passes_are_looked_at_as_that_of_the_run_is(tmp_path: Path) -> None:
    write_hdf5(tmp_path / "em.h5", image=cells()[0])
    passes = [{}, {"checkpoint": "other.h5"}]
    run = run_on(tmp_path, inference={"passes": passes})
    with pytest.raises(InputError, match=r"other\.h5: no such file"):
        network(run)
    own = read_weights(str(run.config.network.checkpoint), run.config.network)
    other = replace(TrainedWith.of_sizes(run.config.network), image_mean=20.0, image_stddev=5.0)
    write_weights(own, run.config.network, tmp_path / "other.h5", other)
    found = network(run)
    assert found.state == "warn"
    assert "other.h5: 1,533 weights, trained with mean 20 and standard deviation 5, here" in found.text


def test_the_network_of_a_pass_is_looked_at_where_the_run_trains_its_own(tmp_path: Path) -> None:
    run = stored_run(tmp_path)
    inference = run.config.inference.model_copy(update={"passes": (Pass(), Pass(checkpoint="/nowhere.h5"))})
    config = run.config.model_copy(update={"inference": inference})
    with pytest.raises(InputError, match=r"nowhere\.h5: no such file"):
        network(replace(run, config=config))


@pytest.mark.parametrize(
    "stored",
    [
        {"data": "some text"},
        {"data": 3.0},
        {"data": h5py.Empty("f")},
        {"shape": (2**20, 2**20, 2**20), "dtype": "u1"},
    ],
)
@pytest.mark.parametrize(
    ("name", "told"), [("raw", "holds no weights of"), ("conv0_a/kernel", "has depth 1, .* features")]
)
def test_a_file_of_something_else_is_no_network_and_is_not_read(
    tmp_path: Path, name: str, told: str, stored: dict[str, Any]
) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.create_dataset(name, **stored, chunks=(64, 64, 64) if "shape" in stored else None)
    with pytest.raises(InputError, match=rf"other\.h5 {told}"):
        read_weights(tmp_path / "other.h5", Network())


def test_the_published_network_is_read(tmp_path: Path, fib25: Path) -> None:
    checkpoint = str(fib25 / "checkpoint" / "model.ckpt-27465036")
    config = RunConfig.model_validate({"network": {"checkpoint": checkpoint}})
    assert network(Run(tmp_path, config)).text == f"{checkpoint}: 638,433 weights"
