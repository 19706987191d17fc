"""Several volumes, each with its own weight and normalisation; volumes that do not go into memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from skimage.io import imsave

from pipeline.checkup.finding import FAIL, OK, SKIP, WARN
from pipeline.checkup.volumes import volumes
from pipeline.config import RunConfig
from pipeline.errors import InputError
from pipeline.geometry import Box, Triple, triple
from pipeline.results.artifacts import Artifact
from pipeline.run_folder import Run
from pipeline.settings.resolve import resolve
from pipeline.settings.run_file import dump_config, load_config
from pipeline.training.examples import ExampleMaker
from pipeline.training.launch import lineage, model_target
from pipeline.training.on_demand import BlockCache, VoxelsOnDemand, block_of
from pipeline.training.sampling import coordinates_target, read_coordinates, sample_coordinates
from pipeline.training.training_volume import open_training_volumes
from pipeline.volumes import Choice, open_volume

SHAPE = (24, 30, 36)
CORNERS = st.tuples(*[st.tuples(st.integers(0, 149), st.integers(1, 40))] * 3)


def write_volume(path: Path, seed: int, mean: float, shape: Triple = SHAPE) -> None:
    """`image` around a mean, and `labels` in slabs of 6 with a section of an id that says nothing."""
    rng = np.random.default_rng(seed)
    labels = np.broadcast_to(1 + np.arange(shape[2]) // 6, shape).astype(np.uint32)
    labels[0] = 2**32 - 1
    with h5py.File(path, "w") as file:
        file["image"] = np.clip(rng.normal(mean, 20, shape), 1, 255).astype(np.uint8)
        file["labels"] = labels


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("volumes")
    for name, seed, mean in (("own", 0, 120.0), ("other", 1, 60.0), ("third", 2, 200.0)):
        write_volume(folder / f"{name}.h5", seed, mean)
    return folder


def data_of(name: str, **data: Any) -> dict[str, Any]:
    return {"image": f"{name}.h5:image", "labels": f"{name}.h5:labels", **data}


def config_of(folder: Path, *others: dict[str, Any], **training: Any) -> RunConfig:
    document = {
        "data": data_of("own", folder=str(folder)),
        "network": {"fov": [5, 5, 5], "deltas": [2, 2, 2], "depth": 1, "features": 1},
        "inference": {"tile": [20, 20, 20], "overlap": [8, 8, 8]},
        "training": {
            "ranks": 1,
            "fov_moves": "fixed",
            "sampling": {"radius": [2, 2, 2], "min_segment_voxels": 10, "coordinates": 400},
            "volumes": [{**other, "data": {"folder": str(folder), **other["data"]}} for other in others],
            **training,
        },
    }
    return RunConfig.model_validate(document)


def made(folder: Path, tmp_path: Path, *others: dict[str, Any], **training: Any) -> tuple[Run, np.ndarray]:
    run = resolve(config_of(folder, *others, **training), tmp_path)
    coordinates, _ = read_coordinates(run, Path(sample_coordinates(run).path))
    return run, coordinates


def test_each_has_its_share_its_box_and_its_normalisation(folder: Path, tmp_path: Path) -> None:
    run, coordinates = made(
        folder,
        tmp_path,
        {"data": data_of("other"), "weight": 2},
        {"data": data_of("third", image_mean=90, image_stddev=3), "box": "2:24,0:30,0:20"},
    )
    assert np.bincount(coordinates[:, 0]).tolist() == [100, 200, 100]
    assert len(np.unique(np.flatnonzero(np.diff(coordinates[:, 0])))) > 100  # mixed
    own, other, third = run.trained_on
    assert other.config.training.box == Box.of_shape(SHAPE)
    assert abs(other.normalisation[0] - 60) < 3
    assert abs(own.normalisation[0] - 120) < 3
    assert third.normalisation == (90, 3)
    at_third = coordinates[coordinates[:, 0] == 2, 1:]
    assert (at_third >= (6, 4, 4)).all()
    assert (at_third < (20, 26, 16)).all()

    opened = open_training_volumes(run)
    maker = ExampleMaker(opened, coordinates, run.config.network, run.config.training)
    for place in range(30):
        number, *centre = coordinates[place].tolist()
        _, example = maker.example(np.random.default_rng(place), place)
        assert tuple(example.centre) == (*centre, number)
        with h5py.File(folder / f"{('own', 'other', 'third')[number]}.h5") as file:
            where = Box.of_shape((1, 1, 1), triple(centre)).grow((4, 4, 4)).slices()
            mean, stddev = run.trained_on[number].normalisation
            expected = (file["image"][where] - mean) / stddev
        np.testing.assert_allclose(np.sort(example.image.ravel()), np.sort(expected.ravel()), atol=1e-5)
    assert str(example.centre).endswith({0: ")", 1: ".0", 2: ".1"}[number])


@pytest.mark.parametrize(
    ("own", "other", "said"), [(1, 1e-3, r"volumes\.0\.weight is 0\.001"), (1e-3, 1, r"weight is 0\.001")]
)
def test_a_weight_by_which_nothing_is_drawn_is_refused(
    folder: Path, own: float, other: float, said: str
) -> None:
    with pytest.raises(ValidationError, match=said + ", and of 400 sampling.coordinates none"):
        config_of(folder, {"data": data_of("other"), "weight": other}, weight=own)


def test_one_volume_is_as_without_others(folder: Path, tmp_path: Path) -> None:
    run, coordinates = made(folder, tmp_path)
    assert np.load(run.coordinates_file).shape == (400, 3)
    assert not coordinates[:, 0].any()
    assert "volumes" not in coordinates_target(run).recipe.settings
    assert "volumes" not in model_target(run, Artifact("", "")).recipe.settings


def test_other_volumes_and_weights_are_another_training(folder: Path, tmp_path: Path) -> None:
    def recipes(*others: dict[str, Any], **training: Any) -> tuple[str, str]:
        run = resolve(config_of(folder, *others, **training), tmp_path)
        model = model_target(run, Artifact("", "digest")).recipe
        return coordinates_target(run).recipe.fingerprint, lineage(model)

    plain, one = recipes(), recipes({"data": data_of("other")})
    assert one == recipes({"data": data_of("other")}, cache_gib=0.1)
    assert plain[0] != one[0]
    assert plain[1] != one[1]
    assert recipes({"data": data_of("third")})[1] != one[1]
    assert recipes({"data": data_of("other")}, weight=3)[0] != one[0]
    normalised = recipes({"data": data_of("other", image_mean=1, image_stddev=2)})
    assert (normalised[0] == one[0], normalised[1] == one[1]) == (True, False)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"data": data_of("absent")}, r"training.volumes.0: .*absent.h5"),
        ({"data": data_of("other"), "box": "0:99,0:30,0:36"}, r"training.volumes.0: its box .*outside"),
        ({"data": data_of("other"), "box": "0:3,0:30,0:36"}, r"training.volumes.0: .*an example takes 9"),
    ],
)
def test_what_is_wrong_with_one_says_which_it_is(
    folder: Path, tmp_path: Path, other: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        resolve(config_of(folder, other), tmp_path)


def test_they_are_looked_up_where_the_run_is_and_written_down(folder: Path, tmp_path: Path) -> None:
    path = folder / "run.yaml"
    path.write_text(
        "data: {folder: ., image: own.h5:image}\n"
        "training:\n  volumes:\n  - data: {image: other.h5:image, labels: other.h5:labels}\n"
    )
    config = load_config(path)
    assert config.training.volumes[0].data.folder == str(folder)
    path.write_text(dump_config(config))
    assert load_config(path) == config


def test_what_each_is_and_how_it_is_normalised_is_told_before_a_run(folder: Path, tmp_path: Path) -> None:
    other = {"data": data_of("other", voxel_size_nm=[20, 20, 20]), "weight": 2}
    run = resolve(config_of(folder, other), tmp_path)
    mean, stddev = run.trained_on[1].normalisation
    found = volumes(run)
    assert f"other.h5:image, box 0:24,0:30,0:36, mean {mean:g}, standard deviation {stddev:g}" in found.text
    assert found.state == OK
    own = run.config.data.model_copy(update={"voxel_size_nm": (10.0, 10.0, 10.0)})
    unlike = volumes(replace(run, config=run.config.model_copy(update={"data": own})))
    assert unlike.state == WARN
    assert "training.volumes.0: voxels of 20 x 20 x 20 nm, those of the run's own image of 10" in unlike.text
    assert volumes(resolve(config_of(folder), tmp_path)).state == SKIP


@pytest.mark.parametrize(("gaps", "clear"), [((2,), True), ((8, 15), False)])
def test_a_volume_whose_image_leaves_no_example_a_place_is_refused(
    folder: Path, tmp_path: Path, gaps: tuple[int, ...], clear: bool
) -> None:
    """Patches have 9 sections of 24: those of all others would be trained on, and nothing of this one."""
    (tmp_path / "em").mkdir()
    with h5py.File(folder / "other.h5") as file:
        for z in set(range(SHAPE[0])) - set(gaps):
            imsave(tmp_path / "em" / f"z{z:04}.png", file["image"][z], check_contrast=False)
    data = {**data_of("other"), "image": str(tmp_path / "em"), "max_missing": 0.1}
    run = resolve(config_of(folder, {"data": data}), tmp_path / "run")
    found, drawn = volumes(run), sample_coordinates(run)
    if clear:
        coordinates, left_out = read_coordinates(run, Path(drawn.path))
        assert 0 < np.count_nonzero(coordinates[:, 0] == 1) == 200 - left_out < 200
        assert found.state == WARN
        assert "training.volumes.0: 1 of 24 slices of the image are missing" in found.text
    else:
        with pytest.raises(InputError, match=r"^training.volumes.0: .* around each of 200 coordinates"):
            read_coordinates(run, Path(drawn.path))
        assert found.state == FAIL
        assert found.text.startswith("training.volumes.0: 2 of 24 slices of the image are missing")
        run.model_file.touch()
        assert "the network that is there learned nothing of it" in volumes(run).text
        assert volumes(run).state == WARN


def test_a_volume_without_labels_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("training: {volumes: [{data: {image: a.h5:image}}]}")
    with pytest.raises(InputError, match=r"data\.labels None: name a volume for each"):
        load_config(path)


def test_what_is_read_on_demand_shows_the_same_examples(folder: Path, tmp_path: Path) -> None:
    run, coordinates = made(folder, tmp_path, {"data": data_of("other")})
    small = resolve(config_of(folder, {"data": data_of("other")}, cache_gib=1e-5), tmp_path)
    held, demanded = open_training_volumes(run), open_training_volumes(small)
    assert all(isinstance(volume.image, VoxelsOnDemand) for volume in demanded)
    assert all(isinstance(volume.image, np.ndarray) for volume in held)
    makers = [
        ExampleMaker(opened, coordinates, run.config.network, run.config.training)
        for opened in (held, demanded)
    ]
    ignoring = 0
    for place in range(60):
        ours, theirs = (maker.example(np.random.default_rng(place), place)[1] for maker in makers)
        np.testing.assert_array_equal(ours.image, theirs.image)
        np.testing.assert_array_equal(ours.labels, theirs.labels)
        np.testing.assert_array_equal(ours.scored, theirs.scored)
        ignoring += int((ours.labels < 0).any())
    assert ignoring


@pytest.mark.parametrize("cache_gib", [4, 1e-5])
def test_where_the_loss_mask_is_0_nothing_is_centred_nor_counted(
    folder: Path, tmp_path: Path, cache_gib: float
) -> None:
    kept = np.zeros(SHAPE, np.uint8)
    kept[8:18, 6:25, 9:30] = 1
    with h5py.File(tmp_path / "mask.h5", "w") as file:
        file["kept"] = kept
    masked = {"data": data_of("other", loss_mask=f"{tmp_path}/mask.h5:kept")}
    plain = resolve(config_of(folder, {"data": data_of("other")}), tmp_path)
    run, coordinates = made(folder, tmp_path, masked, cache_gib=cache_gib)
    assert coordinates_target(run).recipe.fingerprint != coordinates_target(plain).recipe.fingerprint
    opened = open_training_volumes(run)
    maker = ExampleMaker(opened, coordinates, run.config.network, run.config.training)
    others = np.flatnonzero(coordinates[:, 0] == 1)
    assert len(others) == 200
    for place in others[:40]:
        centre = coordinates[place, 1:]
        assert kept[tuple(centre)]
        _, example = maker.example(np.random.default_rng(0), int(place))
        patch = kept[Box.of_shape((1, 1, 1), triple(centre.tolist())).grow((4, 4, 4)).slices()]
        assert np.count_nonzero(example.labels < 0) == np.count_nonzero(patch == 0)
    assert any((coordinates[coordinates[:, 0] == 0, axis] < start).any() for axis, start in ((1, 8), (3, 9)))


@settings(max_examples=30, deadline=None)
@given(st.lists(CORNERS, min_size=1, max_size=6), st.integers(1, 3_000_000))
def test_parts_on_demand_are_those_of_the_array_within_the_memory(
    corners: list[tuple[tuple[int, int], ...]], most_bytes: int
) -> None:
    box = Box((-7, 30, 100), (143, 180, 250))
    array = np.random.default_rng(0).integers(0, 2**16, box.shape, dtype=np.uint16)
    read: list[Box] = []

    def load(part: Box) -> np.ndarray:
        read.append(part)
        return array[part.slices(box.start)]

    cache = BlockCache(most_bytes)
    subject = VoxelsOnDemand(load, box, array.dtype, cache)
    for corner in corners:
        z, y, x = (slice(a, min(150, a + n)) for a, n in corner)
        np.testing.assert_array_equal(subject[z, y, x], array[z, y, x])
        assert cache.nbytes <= most_bytes or len(cache) == 1
    if most_bytes >= array.nbytes:
        assert len(read) == len(set(read))


def test_chunks_are_read_once_whole(tmp_path: Path) -> None:
    """They are of 96 voxels a side, so that blocks of 64 would read each up to eight times."""
    array = np.random.default_rng(0).integers(0, 255, (100, 200, 150), dtype=np.uint8)
    with h5py.File(tmp_path / "em.h5", "w") as file:
        file.create_dataset("em", data=array, chunks=(96, 96, 96))
    volume, read = open_volume(f"{tmp_path}/em.h5:em", Choice(origin=(5, 0, 0))), list[Box]()

    def load(part: Box) -> np.ndarray:
        read.append(part)
        return volume.read(part)

    subject = VoxelsOnDemand(load, volume.box, array.dtype, BlockCache(2**30), block_of(volume, 2**30))
    rng = np.random.default_rng(1)
    for corner in rng.integers(0, (67, 167, 117), (100, 3)):
        z, y, x = (slice(at, at + 33) for at in corner)
        np.testing.assert_array_equal(subject[z, y, x], array[z, y, x])
    assert len(read) == len(set(read)) > 6
    assert set(read) <= set(volume.chunks(volume.box))
    assert block_of(volume, 2**20) == Box.of_shape((64, 64, 64))
