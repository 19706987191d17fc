"""Segmenter: image and network in, a file of labels out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from bright_blocks import NETWORK, make_run, write_network

from pipeline.config import RunConfig
from pipeline.errors import InputError
from pipeline.geometry import Box, Tile
from pipeline.inference import segmenter
from pipeline.inference.engines import cpu_engine
from pipeline.inference.segmenter import segment_tile
from pipeline.inference.tile_input import block_with_context, mirrored, read_input
from pipeline.results.artifacts import Artifact
from pipeline.results.tile_labels import read_not_finite_at
from pipeline.run_folder import Run
from pipeline.settings.input_identities import with_identities
from pipeline.volumes import open_image, open_volume


def read_tile(artifact: Artifact) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    with h5py.File(artifact.path) as file:
        return file["segmentation"][()], file["segments"][()], dict(file.attrs)


def test_a_tile_file_holds_labels_segments_and_how_they_were_made(
    tmp_path: Path, image_file: Path, model: Artifact
) -> None:
    run = make_run(tmp_path, image_file)
    _, tile = run.grid
    labels, segments, attributes = read_tile(segment_tile(run, tile, model))
    image = open_image(run).read(tile.box)
    assert labels.dtype == np.uint32
    assert labels.shape == tile.box.shape
    # the FOV wanders through uniform blocks at random, so that it misses some of what is bright
    assert np.mean(labels[image > 150] > 0) > 0.4
    assert not labels[image < 100].any()
    ids, voxels = np.unique(labels[labels > 0], return_counts=True)
    np.testing.assert_array_equal(segments["id"], ids)
    np.testing.assert_array_equal(segments["voxels"], voxels)
    assert attributes["box"] == str(tile.box)
    assert attributes["engine"] == cpu_engine(NETWORK)
    assert attributes["calls"] >= segments["calls"].sum() > 0
    for row in segments:
        seed = (int(row["z"]), int(row["y"]), int(row["x"]))
        inside = tuple(p - o for p, o in zip(seed, tile.box.start))
        if tile.box.contains(Box.of_shape((1, 1, 1), seed)):
            assert labels[inside] == row["id"]


def test_the_same_run_in_two_folders_gives_the_same_bytes(
    tmp_path: Path, image_file: Path, model: Artifact
) -> None:
    made = []
    for name in ("a", "b"):
        run = make_run(tmp_path / name, image_file)
        made.append(segment_tile(run, next(iter(run.grid)), model))
    first, second = (Path(artifact.path).read_bytes() for artifact in made)
    assert first == second


def test_a_finished_tile_is_not_segmented_again_even_with_more_threads(
    tmp_path: Path, image_file: Path, model: Artifact
) -> None:
    run = make_run(tmp_path, image_file)
    tile = next(iter(run.grid))
    artifact = segment_tile(run, tile, model)
    changed = Path(artifact.path).stat().st_mtime_ns
    site = run.config.site.model_copy(update={"threads_per_worker": 2, "workers": 7})
    again = replace(run, config=run.config.model_copy(update={"site": site}))
    assert segment_tile(again, tile, model) == artifact
    assert Path(artifact.path).stat().st_mtime_ns == changed


@pytest.mark.parametrize("change", [{"move_threshold": 0.8}, {"reflect": False}, {"deltas": (1, 2, 2)}])
def test_a_setting_that_matters_makes_the_tile_again(
    tmp_path: Path, image_file: Path, model: Artifact, change: dict[str, Any]
) -> None:
    run = make_run(tmp_path, image_file)
    tile = next(iter(run.grid))
    changed = Path(segment_tile(run, tile, model).path).stat().st_mtime_ns
    artifact = segment_tile(make_run(tmp_path, image_file, **change), tile, model)
    assert Path(artifact.path).stat().st_mtime_ns != changed


def test_progress_ends_with_every_seed_done(tmp_path: Path, image_file: Path, model: Artifact) -> None:
    """An earlier log that cannot be read ends nothing."""
    run = make_run(tmp_path, image_file)
    tile = next(iter(run.grid))
    run.tile_log(tile).parent.mkdir(parents=True)
    run.tile_log(tile).symlink_to(run.tile_log(tile).name)
    _, segments, attributes = read_tile(segment_tile(run, tile, model))
    last = json.loads(run.tile_log(tile).read_text().splitlines()[-1])
    assert last["seeds"] == last["seeds_total"] > 0
    assert last["calls"] == attributes["calls"]
    assert last["segments"] >= len(segments)
    assert 0 < last["seconds_in_network"] <= last["seconds"]


def test_context_is_added_only_where_a_tile_ends_with_the_inference_box(
    tmp_path: Path, image_file: Path
) -> None:
    run = make_run(tmp_path, image_file)
    left, right = run.grid
    assert str(block_with_context(run, left)) == "-3:43,-3:47,-3:30"
    assert str(block_with_context(run, right)) == "-3:43,-3:47,18:51"
    plain = make_run(tmp_path, image_file, reflect=False)
    assert block_with_context(plain, left) == left.box


def test_context_is_the_image_inside_the_volume_and_its_mirror_image_outside(
    tmp_path: Path, image_file: Path
) -> None:
    image = open_image(make_run(tmp_path, image_file))
    voxels = image.read(image.box)
    block, inside = Box((-3, 5, 40), (20, 44, 50)), Box((0, 5, 40), (20, 44, 48))
    made = mirrored(image.read(inside), inside, block)
    np.testing.assert_array_equal(made[3:, :, :8], voxels[:20, 5:, 40:])
    np.testing.assert_array_equal(made[:3, :, :8], voxels[3:0:-1, 5:, 40:])
    np.testing.assert_array_equal(made[3:, :, 8:], voxels[:20, 5:, 46:44:-1])


def with_data(run: Run, **data: Any) -> Run:
    return replace(
        run, config=run.config.model_copy(update={"data": run.config.data.model_copy(update=data)})
    )


def test_nothing_is_seeded_outside_tissue(tmp_path: Path, image_file: Path, model: Artifact) -> None:
    run = make_run(tmp_path, image_file, tile=(40, 44, 48))
    tile = next(iter(run.grid))
    everywhere = read_input(run, tile).seeds
    with h5py.File(tmp_path / "mask.h5", "w") as file:
        file["tissue"] = (np.indices((40, 44, 48))[2] < 24).astype(np.uint8)
    masked = with_data(run, mask=f"{tmp_path}/mask.h5:tissue")
    left = read_input(masked, tile).seeds
    margin = 3  # of the mirrored context
    assert left == [s for s in everywhere if s[2] - margin < 24]
    assert 0 < len(left) < len(everywhere)
    bright = read_input(with_data(run, tissue_range=(150.0, 255.0)), tile)
    assert 0 < len(bright.seeds) < len(everywhere)
    assert all(bright.image[seed] >= 150 for seed in bright.seeds)
    labels, _, _ = read_tile(segment_tile(with_identities(masked), tile, model))
    assert labels.any()


def test_missing_chunks_are_counted_and_not_seeded(tmp_path: Path, image_file: Path, model: Artifact) -> None:
    with h5py.File(image_file) as file:
        image = file["raw"][:]
    with h5py.File(tmp_path / "holes.h5", "w") as file:
        stored = file.create_dataset("raw", image.shape, np.uint8, chunks=(20, 22, 24))
        stored[:, :, :24] = image[:, :, :24]
    whole = make_run(tmp_path / "whole", image_file, tile=(40, 44, 48))
    run = with_identities(with_data(whole, image=f"{tmp_path}/holes.h5:raw", max_missing=0.5))
    tile = next(iter(run.grid))
    source = read_input(run, tile)
    assert source.missing_chunks == 4
    assert source.seeds
    assert all(x - 3 < 24 for _, _, x in source.seeds)
    _, _, attributes = read_tile(segment_tile(run, tile, model))
    last = json.loads(run.tile_log(tile).read_text().splitlines()[-1])
    assert (last["missing_chunks"], last["missing_voxels"]) == (4, 40 * 44 * 24)
    assert attributes["missing_voxels"] == 40 * 44 * 24


def test_tiles_count_each_missing_voxel_once_and_one_that_lacks_too_many_alone_is_refused(
    tmp_path: Path, image_file: Path
) -> None:
    with h5py.File(tmp_path / "holes.h5", "w") as file:
        stored = file.create_dataset("raw", (40, 44, 48), np.uint8, chunks=(7, 11, 13))
        stored[:, :, :13] = stored[:, :, 26:] = 1
    run = make_run(tmp_path, image_file)
    run = with_data(run, image=f"{tmp_path}/holes.h5:raw", max_missing=0.23)
    first, last = run.grid
    assert (first.core.stop[2], first.box.stop[2], last.box.start[2]) == (24, 30, 18)
    counted = [read_input(run, tile).missing_voxels for tile in (first, last)]
    assert counted == [40 * 44 * (24 - 13), 40 * 44 * (26 - 24)]
    refused = (
        "tile 0:40.* lacks 19,360 voxels of the image: 22.9% of its voxels, more than data.max_missing allows"
    )
    with pytest.raises(InputError, match=refused + ", 22%; .*set data.max_missing to 0.23"):
        read_input(with_data(run, max_missing=0.22), first)
    assert read_input(with_data(run, max_missing=0.22), last).missing_voxels == counted[1]


def test_segments_of_real_tissue_hold_one_neuron_each(fib25: Path, tmp_path: Path) -> None:
    box = Box.parse("60:97,80:117,80:117")
    document = {
        "data": {
            "folder": str(fib25),
            "image": "grayscale_maps.h5:raw",
            "image_mean": 128,
            "image_stddev": 33,
        },
        "inference": {"box": str(box), "tile": box.shape, "overlap": (0, 0, 0), "deltas": (12, 12, 12)},
        "site": {"threads_per_worker": 2},
    }
    run = with_identities(Run(tmp_path, RunConfig.model_validate(document)))
    published = Artifact(str(fib25 / "checkpoint" / "model.ckpt-27465036"), "published")
    labels, segments, _ = read_tile(segment_tile(run, Tile(0, box, box), published))
    truth = open_volume(f"{fib25}/groundtruth_z000_125.h5:stack").read(box)
    assert len(segments) >= 3
    assert np.mean(labels > 0) > 0.4
    largest_shares = [np.bincount(truth[labels == row["id"]].astype(np.int64)).max() for row in segments]
    # the rest are voxels of the borders, where truth and network draw the line differently
    assert sum(largest_shares) > 0.85 * segments["voxels"].sum()


@pytest.mark.parametrize("engine", ["openvino", "keras"])
def test_a_network_that_gives_nan_is_told_with_tile_and_place_and_no_tile_is_made(
    tmp_path: Path, image_file: Path, engine: str
) -> None:
    """Its weights are finite, what comes out of them is not."""
    run = make_run(tmp_path, image_file, engine=engine)
    _, tile = run.grid
    with pytest.raises(InputError, match=rf"^tile {tile.box}: the network gives NaN or inf.* at \(\d+"):
        segment_tile(run, tile, write_network(tmp_path, gain=3e38))
    assert not run.tile_file(tile).exists()


def test_a_network_that_is_only_tried_and_gives_nan_has_segmented_nothing_and_says_where(
    tmp_path: Path, image_file: Path
) -> None:
    """Of several networks others may do: one must not end the run."""
    run = make_run(tmp_path, image_file)
    choice = {"choose_by": "segmentation", "validation_box": run.inference_box, "validate_every_fovs": 20}
    training = run.config.training.model_copy(update={"fovs": 50, **choice})
    [trial, *_] = replace(run, config=run.config.model_copy(update={"training": training})).trials
    made = segment_tile(trial, trial.tiles[0], write_network(tmp_path, gain=3e38))
    labels, segments, _ = read_tile(made)
    assert (labels.any(), len(segments)) == (False, 0)
    assert str(read_not_finite_at(made)).startswith("(")
    assert read_not_finite_at(segment_tile(run, run.tiles[0], write_network(tmp_path))) is None


@pytest.mark.parametrize(
    ("precision", "way_out"),
    [
        ("float16", r"set inference\.precision to tensorfloat32"),
        ("bfloat16", r"after data\.image_mean and image_stddev"),
    ],
)
def test_a_network_that_gives_infinity_ends_the_tile_with_what_may_have_become_too_large(
    tmp_path: Path,
    image_file: Path,
    model: Artifact,
    monkeypatch: pytest.MonkeyPatch,
    precision: str,
    way_out: str,
) -> None:
    class Overflowing:
        name = "made up"

        def __init__(self) -> None:
            self.precision = precision

        def predict(self, fovs: np.ndarray) -> np.ndarray:
            return np.full_like(fovs[..., :1], np.inf)

    monkeypatch.setattr(segmenter, "engine_for", lambda run, model: Overflowing())
    run = make_run(tmp_path, image_file)
    with pytest.raises(InputError, match=rf"gives NaN or infinity with its FOV at .*: .*{way_out}"):
        segment_tile(run, run.tiles[0], model)
    assert not run.tile_file(run.tiles[0]).exists()
