"""Tiles that could not be joined are refused before they are segmented."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.checkup.tiles import tiles
from pipeline.config import RunConfig
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
