"""Tiles that could not be joined are refused before they are segmented."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.checkup.tiles import tiles
from pipeline.config import RunConfig
from pipeline.inference.seeds import find_seeds
from pipeline.run_folder import Run


def run_with(overlap: tuple[int, int, int]) -> Run:
    document = {
        "network": {"fov": [13, 13, 13], "deltas": [3, 3, 3]},
        "inference": {"box": "0:40,0:40,0:90", "tile": [40, 40, 40], "overlap": overlap},
    }
    return Run(Path("run"), RunConfig.model_validate(document))


@pytest.mark.parametrize(
    ("overlap", "state", "said"),
    [
        (
            (0, 0, 0),
            "FAIL",
            "overlap is 0 along x, with 3 tiles: nothing could be joined; set it to about 18",
        ),
        ((0, 0, 12), "warn", "overlap is 12 along x: tiles thin out"),
        ((0, 0, 13), "ok", "3 over 0:40,0:40,0:90"),
    ],
)
def test_neighbours_must_share_more_than_they_thin_out(
    overlap: tuple[int, int, int], state: str, said: str
) -> None:
    finding = tiles(run_with(overlap))
    assert finding.state == state
    assert said in finding.text


def test_a_pilot_joins_nothing(tmp_path: Path) -> None:
    assert tiles(replace(run_with((0, 0, 0)), only=frozenset({1}))).state == "skip"


def thin_run(box: str, fov: int, tile: int, overlap: int, reflect: bool = True) -> Run:
    document = {
        "network": {"fov": [fov, 13, 13], "deltas": [1, 3, 3]},
        "inference": {
            "box": box, "tile": [tile, 40, 40], "overlap": [overlap, 18, 18], "reflect": reflect
        },
    }  # fmt: skip
    return Run(Path("run"), RunConfig.model_validate(document))


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (thin_run("0:4,0:40,0:40", 3, 4, 2), "what is segmented is 4 voxels along z: seeds keep 3"),
        (thin_run("0:4,0:40,0:40", 3, 9, 2), "it takes 5 or more there"),
        (thin_run("0:5,0:40,0:40", 3, 9, 2), None),
        (thin_run("0:5,0:40,0:40", 5, 9, 2, reflect=False), "set inference.reflect to true"),
        (thin_run("0:20,0:40,0:40", 3, 6, 4), "inference.tile is 6 voxels along z"),
        (thin_run("0:20,0:40,0:40", 3, 7, 4), None),
    ],
)  # fmt: skip
def test_tiles_in_which_no_seed_finds_room_are_refused(run: Run, said: str | None) -> None:
    finding = tiles(run)
    assert (finding.state == "FAIL") == (said is not None)
    assert (said or "") in finding.text


@pytest.mark.parametrize(("sections", "found"), [(6, False), (7, True)])
def test_seeds_find_room_in_as_many_voxels_as_the_check_says(sections: int, found: bool) -> None:
    image = np.random.default_rng(1).integers(0, 255, (sections, 60, 60)).astype(np.float32)
    assert bool(find_seeds(image)) == found
