"""Several segmentations of a tile: files of their own, each as if it were the only one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from bright_blocks import NETWORK, make_run, write_network
from pydantic import ValidationError

from pipeline.config import Inference
from pipeline.consensus import find_consensus, split_consensus
from pipeline.errors import InputError
from pipeline.inference.segmenter import segment_tile
from pipeline.inference.tile_input import read_input
from pipeline.results.artifacts import Artifact
from pipeline.settings.resolve import resolve

PASSES: tuple[dict[str, Any], ...] = ({}, {"seed_order": "reverse"}, {"deltas": (1, 2, 2)})


def labels_of(artifact: Artifact) -> np.ndarray:
    with h5py.File(artifact.path) as file:
        return np.asarray(file["segmentation"][()])


def test_each_pass_makes_the_very_bytes_of_a_run_that_makes_it_alone(
    tmp_path: Path, image_file: Path, model: Artifact
) -> None:
    run = make_run(tmp_path / "all", image_file, passes=PASSES)
    tile = run.tiles[0]
    made = [segment_tile(one, tile, model) for one in run.passes]
    assert len({artifact.path for artifact in made}) == 3
    for number, (artifact, changes) in enumerate(zip(made, PASSES)):
        alone = make_run(tmp_path / str(number), image_file, **changes)
        expected = segment_tile(alone, tile, model)
        assert Path(artifact.path).read_bytes() == Path(expected.path).read_bytes()
    assert made[0].path == str(run.tile_file(tile))  # the tile of a run that had no other passes yet
    forward, reverse = (read_input(one, tile).seeds for one in run.passes[:2])
    assert forward == reverse[::-1] != reverse


def test_the_consensus_is_the_tile_and_is_made_once(
    tmp_path: Path, image_file: Path, model: Artifact
) -> None:
    run = make_run(tmp_path, image_file, passes=PASSES)
    tile = run.tiles[1]
    made = [segment_tile(one, tile, model) for one in run.passes]
    agreed = find_consensus(run, tile, made)
    assert agreed.path == str(run.segmented_file(tile))
    expected = split_consensus([labels_of(artifact) for artifact in made], 200)
    np.testing.assert_array_equal(labels_of(agreed), expected)
    with h5py.File(agreed.path) as file:
        assert file["segments"]["voxels"].tolist() == np.bincount(expected.ravel())[1:].tolist()
        assert file.attrs["voxels_of_pass"].tolist() == [np.count_nonzero(labels_of(a)) for a in made]
    content = Path(agreed.path).read_bytes()
    Path(agreed.path).unlink()
    assert find_consensus(run, tile, made) == agreed
    assert Path(agreed.path).read_bytes() == content


def test_a_pass_with_a_network_of_its_own_has_a_model_file_of_its_own(
    tmp_path: Path, image_file: Path
) -> None:
    checkpoint = write_network(tmp_path).path
    run = make_run(tmp_path, image_file, passes=[{}, {"checkpoint": checkpoint}])
    assert [one.model_file.name for one in run.passes] == ["ffn.h5", "ffn.pass2.h5"]
    assert run.passes[1].config.network.checkpoint == checkpoint


def test_a_single_pass_is_refused() -> None:
    with pytest.raises(ValidationError, match="one entry"):
        Inference.model_validate({"passes": [{}]})


@pytest.mark.parametrize(
    ("passes", "alike"),
    [
        ([{}, {}], ".0 and .1"),
        ([{}, {"seed_order": "reverse"}, {"seed_order": "reverse"}], ".1 and .2"),
        ([{}, {"seed_order": "forward"}], ".0 and .1"),
        ([{"deltas": (1, 1, 1)}, {"deltas": NETWORK.deltas}, {}], ".1 and .2"),
        ([{}, {"checkpoint": "ffn.h5"}], ".0 and .1"),
    ],
)
def test_passes_that_come_to_the_same_are_refused(
    tmp_path: Path, image_file: Path, passes: list[dict], alike: str
) -> None:
    settings = make_run(tmp_path, image_file, passes=passes).config
    data = settings.data.model_copy(update={"folder": str(tmp_path)})
    network = settings.network.model_copy(update={"checkpoint": "ffn.h5"})
    with pytest.raises(InputError, match=f"inference.passes{alike} segment in the same way"):
        resolve(settings.model_copy(update={"data": data, "network": network}), tmp_path / "run")


def test_without_passes_a_run_is_its_own_only_pass(tmp_path: Path, image_file: Path) -> None:
    run = make_run(tmp_path, image_file)
    assert run.passes == [run]
    assert run.floods == [(run, tile) for tile in run.grid]
    assert replace(run, only=frozenset({1})).floods == [(replace(run, only=frozenset({1})), run.tiles[1])]
