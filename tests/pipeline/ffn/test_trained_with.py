"""A network file says what it was trained with, and a run that differs is refused or told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import Network, RunConfig
from pipeline.errors import InputError
from pipeline.ffn.trained_with import Seen, TrainedWith, read_trained_with, trained_on
from pipeline.ffn.weights import import_checkpoint, read_weights, weight_shapes, write_weights
from pipeline.geometry import Box
from pipeline.run_folder import Run
from pipeline.settings.other_volume import OtherVolume

SIZES = Network(fov=(13, 13, 13), deltas=(3, 3, 3), depth=2, features=2)
WEIGHTS = {name: np.ones(shape, np.float32) for name, shape in weight_shapes(SIZES).items()}
SHAPE = (20, 30, 40)
numbers = st.none() | st.floats(0.01, 1e6)


def run_on(folder: Path, image: np.ndarray, network: dict[str, Any] | None = None, **data: Any) -> Run:
    with h5py.File(folder / "em.h5", "w") as file:
        file["raw"] = image
    sizes = {"fov": SIZES.fov, "deltas": SIZES.deltas, "depth": 2, "features": 2, **(network or {})}
    document = {
        "data": {"image": f"{folder}/em.h5:raw", "image_mean": 100, "image_stddev": 20, **data},
        "network": sizes,
        "training": {"box": "0:20,0:30,0:40"},
    }
    return Run(folder / "run", RunConfig.model_validate(document))


def boxes_seen(run: Run, network: str) -> list[Box]:
    return [one.box for one in trained_on(run, network)]


def random_image(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, SHAPE, dtype=np.uint8)


@given(st.builds(
    TrainedWith,
    fov=st.just((13, 13, 13)),
    deltas=st.just((3, 3, 3)),
    image_mean=numbers,
    image_stddev=numbers,
    voxel_size_nm=st.none() | st.tuples(*[st.floats(0.1, 500)] * 3),
    soft_label=numbers,
    seen=st.lists(
        st.builds(
            Seen,
            st.just(Box((-3, 0, 4), (9, 9, 9))),
            st.sampled_from("abc"),
            st.tuples(st.floats(-1e6, 1e6), st.floats(0.01, 1e6)),
        )
    ).map(tuple),
))  # fmt: skip
def test_what_is_written_is_read_back(trained: TrainedWith) -> None:
    assert TrainedWith.from_attributes(trained.attributes()) == trained


def test_equal_networks_are_equal_bytes_and_carry_their_training(tmp_path: Path) -> None:
    trained = TrainedWith.of(run_on(tmp_path, random_image(), voxel_size_nm=(30, 8, 8)))
    for name in ("a.h5", "b.h5"):
        write_weights(WEIGHTS, SIZES, tmp_path / name, trained)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    found = read_trained_with(tmp_path / "a.h5")
    assert found == trained
    assert (trained.image_mean, trained.voxel_size_nm) == (100, (30, 8, 8))


@pytest.mark.parametrize(
    ("sizes", "wrong"),
    [
        ({"fov": (33, 33, 33)}, r"trained with fov \[13, 13, 13\], but network.fov is \[33, 33, 33\]"),
        (
            {"deltas": (4, 4, 4)},
            r"with deltas \[3, 3, 3\].*larger step in inference is inference.deltas",
        ),
    ],
)
def test_another_fov_or_deltas_is_refused(tmp_path: Path, sizes: dict[str, Any], wrong: str) -> None:
    write_weights(WEIGHTS, SIZES, tmp_path / "net.h5")
    with pytest.raises(InputError, match=wrong):
        read_weights(tmp_path / "net.h5", SIZES.model_copy(update=sizes))


def test_a_file_without_sizes_is_taken_as_configured(tmp_path: Path) -> None:
    write_weights(WEIGHTS, SIZES, tmp_path / "net.h5")
    with h5py.File(tmp_path / "net.h5", "a") as file:
        for name in list(file.attrs):
            del file.attrs[name]
    assert read_trained_with(tmp_path / "net.h5") is None
    assert read_weights(tmp_path / "net.h5", SIZES).keys() == WEIGHTS.keys()


def test_an_imported_network_keeps_what_it_was_trained_with(tmp_path: Path) -> None:
    trained = TrainedWith.of(run_on(tmp_path, random_image()))
    write_weights(WEIGHTS, SIZES, tmp_path / "net.h5", trained)
    run = run_on(tmp_path, random_image(2), {"checkpoint": str(tmp_path / "net.h5")}, image_mean=7)
    assert read_trained_with(import_checkpoint(run).path) == trained


def test_differences_are_told(tmp_path: Path) -> None:
    trained = TrainedWith.of(run_on(tmp_path, random_image(), voxel_size_nm=(30, 8, 8)))
    other = run_on(tmp_path, random_image(), voxel_size_nm=(30, 4, 4), image_mean=30000, image_stddev=9000)
    assert trained.differences(other) == [
        "mean 100 and standard deviation 20, here 30000 and 9000",
        "voxels of 30 x 8 x 8 nm, here 30 x 4 x 4 nm",
    ]
    assert trained.differences(run_on(tmp_path, random_image(), image_mean=104)) == []


def test_flooding_otherwise_than_in_training_is_told(tmp_path: Path) -> None:
    run = run_on(tmp_path, random_image())
    inference = run.config.inference.model_copy(update={"move_threshold": 0.8})
    other = Run(run.folder, run.config.model_copy(update={"inference": inference}))
    assert TrainedWith.of(run).differences(other) == ["move_threshold 0.9, here inference.move_threshold 0.8"]
    assert TrainedWith.of_sizes(SIZES).differences(other) == []


def test_a_network_carries_the_rules_that_it_was_trained_with(tmp_path: Path) -> None:
    run = run_on(tmp_path, random_image())
    training = run.config.training.model_copy(update={"pad_probability": 0.5, "move_threshold": 0.6})
    trained = TrainedWith.of(replace(run, config=run.config.model_copy(update={"training": training})))
    assert TrainedWith.from_attributes(trained.attributes()) == trained
    assert trained.differences(run) == [
        "pad_probability 0.5, here inference.pad_probability 0.05",
        "move_threshold 0.6, here inference.move_threshold 0.9",
    ]
    assert not {"pad_probability", "move_threshold"} & TrainedWith.of(run).attributes().keys()


@pytest.mark.parametrize("seen", ["somewhere", "somewhere tissue", "0:9,0:9,0:9 tissue 128"])
def test_attributes_that_make_no_sense_are_refused(tmp_path: Path, seen: str) -> None:
    write_weights(WEIGHTS, SIZES, tmp_path / "net.h5", TrainedWith.of(run_on(tmp_path, random_image())))
    with h5py.File(tmp_path / "net.h5", "a") as file:
        file.attrs["seen"] = [seen]
    with pytest.raises(InputError, match="what it says of its training cannot be read"):
        read_weights(tmp_path / "net.h5", SIZES)


def test_a_published_checkpoint_claims_nothing_but_its_sizes(tmp_path: Path, fib25: Path) -> None:
    checkpoint = {"checkpoint": str(fib25 / "checkpoint" / "model.ckpt-27465036")}
    run = run_on(tmp_path, random_image(), {**Network().model_dump(exclude={"checkpoint"}), **checkpoint})
    assert read_trained_with(import_checkpoint(run).path) == TrainedWith.of_sizes(Network())


def test_the_tissue_of_the_training_is_known_again_in_another_file(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    image = random_image()
    write_weights(WEIGHTS, SIZES, tmp_path / "net.h5", TrainedWith.of(run_on(tmp_path, image)))
    network = str(tmp_path / "net.h5")
    assert boxes_seen(run_on(tmp_path / "there", image.astype(np.uint16)), network) == [Box.of_shape(SHAPE)]
    assert boxes_seen(run_on(tmp_path / "there", random_image(2)), network) == []
    assert boxes_seen(run_on(tmp_path / "there", image[:10]), network) == []


def test_a_network_carries_what_the_networks_before_it_saw(tmp_path: Path) -> None:
    """Of other boxes, of other images, and of all volumes of each training."""
    images = [random_image(seed) for seed in range(3)]
    runs, start_from = list[Run](), None
    for number, image in enumerate(images):
        (tmp_path / str(number)).mkdir()
        run = run_on(tmp_path / str(number), image)
        updates: dict[str, Any] = {
            "box": Box((0, 0, 0), (20, 30, 10 * (number + 1))),
            "start_from": start_from,
        }
        if number == 2:  # together with the image of the first training, in another box
            other = Box((0, 0, 20), SHAPE)
            updates["volumes"] = (OtherVolume.model_construct(data=runs[0].config.data, box=other),)
        training = run.config.training.model_copy(update=updates)
        runs.append(replace(run, config=run.config.model_copy(update={"training": training})))
        start_from = str(tmp_path / f"{number}.h5")
        write_weights(WEIGHTS, SIZES, Path(start_from), TrainedWith.of(runs[-1]))
    boxes = [run.config.training.box for run in runs]
    assert [boxes_seen(run, str(start_from)) for run in runs] == [[other, boxes[0]], [boxes[1]], [boxes[2]]]


def test_each_image_is_known_by_its_own_normalisation(tmp_path: Path) -> None:
    """Of a training on several, and of the network that it went on from."""
    folders = [tmp_path / name for name in ("first", "own", "beside")]
    runs = []
    for number, folder in enumerate(folders):
        folder.mkdir()
        values = {"image_mean": 100.0 * 10**number, "image_stddev": 20.0 * 10**number}
        size_nm = (40, 8, 8 * (1 + number))
        runs.append(run_on(folder, random_image(number), voxel_size_nm=size_nm, **values))
    first, own, beside = runs
    write_weights(WEIGHTS, SIZES, tmp_path / "first.h5", TrainedWith.of(first))
    volumes = (OtherVolume.model_construct(data=beside.config.data, box=Box.of_shape(SHAPE)),)
    update = {"start_from": str(tmp_path / "first.h5"), "volumes": volumes}
    training = own.config.training.model_copy(update=update)
    own = replace(own, config=own.config.model_copy(update={"training": training}))
    trained = TrainedWith.of(own)
    write_weights(WEIGHTS, SIZES, tmp_path / "net.h5", trained)
    for run in (first, own, beside):
        (seen,) = trained_on(run, str(tmp_path / "net.h5"))
        assert seen.normalisation == run.normalisation
        assert trained.differences(run, [seen]) == []
    (seen_beside,) = trained_on(beside, str(tmp_path / "net.h5"))
    assert trained.differences(first, [seen_beside]) == [
        "mean 10000 and standard deviation 2000, here 100 and 20"
    ], "as another image is"
    assert trained.differences(first) == ["voxels of 40 x 8 x 16 nm, here 40 x 8 x 8 nm"]
    far = run_on(tmp_path, random_image(), image_mean=3e4, image_stddev=7.0)
    assert trained.differences(far) == [
        "mean 1000 and standard deviation 200 or mean 10000 and standard deviation 2000 or mean 100 and "
        "standard deviation 20, here 30000 and 7"
    ]


def test_a_network_of_an_older_version_says_where_it_was_trained(tmp_path: Path) -> None:
    run = run_on(tmp_path, random_image())
    trained = TrainedWith.of(run)
    write_weights(WEIGHTS, SIZES, tmp_path / "net.h5", trained)
    with h5py.File(tmp_path / "net.h5", "a") as file:
        file.attrs["box"], file.attrs["tissue"] = file.attrs["seen"][0].split()
        del file.attrs["seen"]
    assert read_trained_with(tmp_path / "net.h5") == trained
