"""A pilot: a tile of the run itself, done by its site, after which the dry run tells what the rest costs."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from bright_blocks import NETWORK, write_image, write_network
from hypothesis import given
from hypothesis import strategies as st

from pipeline.inference.engines import cpu_engine
from tests.commands import said as said_by
from workflows.full_pipeline import main
from workflows.pilot import spread

REPOSITORY = Path(__file__).parents[2]


def call(program: str, folder: Path, *options: str) -> tuple[int, str]:
    """The exit code and all that was printed."""
    command = [sys.executable, str(REPOSITORY / "workflows" / program), "--config", str(folder / "run.yaml")]
    done = subprocess.run(
        [*command, "--run-dir", str(folder / "run"), *options], capture_output=True, text=True, timeout=300
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a run of two tiles by a network that is there."""
    document = {
        "data": {"image": f"{write_image(tmp_path)}:raw", "voxel_size_nm": [10, 10, 10]},
        "network": {**json.loads(NETWORK.model_dump_json()), "checkpoint": write_network(tmp_path).path},
        "inference": {"tile": [40, 44, 30], "overlap": [0, 0, 12], "min_segment_voxels": 200},
        "site": {"workers": 1},
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(document))
    return tmp_path


@pytest.mark.slow
def test_the_tile_of_a_pilot_tells_the_costs_and_is_not_made_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def plan(*options: str, run: str = "run") -> tuple[int, str]:
        arguments = ["--config", str(folder / "run.yaml"), "--run-dir", str(folder / run), *options]
        return said_by(main, arguments, monkeypatch, capsys)

    code, said = call("pilot.py", folder)
    assert code == 0, said
    tiles = sorted((folder / "run" / "tiles").glob("z*/y*/*.h5"))
    assert [tile.name for tile in tiles] == ["z000000_y000000_x000018.h5"]
    assert not (folder / "run" / "segmentation").exists()
    rates = json.loads((folder / "run" / "rates.json").read_text())
    assert rates["segment"]["tiles"] == 1
    assert "2 tiles of 0:" in said
    assert "; 1 done, " in said

    made = tiles[0].stat().st_mtime_ns
    code, planned = plan("--dry-run", "--budget-node-hours", "1")
    assert code == 0, planned
    assert f"{rates['segment']['calls_per_s']:.2f} network calls/s a worker of 1 thread" in planned
    assert "for 1 node-hours: --set inference.tile='[40, 44, 30]'" in planned, "one of two tiles is done"
    other = plan("--rates", str(folder / "run"), "--dry-run", run="other")[1]
    assert f"of {folder / 'run'} by {cpu_engine(NETWORK)}" in other

    code, refused = plan("--rates", str(folder / "run"))
    assert (code, refused) == (1, "error: --rates and --budget-node-hours go with --dry-run\n")
    code, said = call("full_pipeline.py", folder)
    assert code == 0, said
    assert tiles[0].stat().st_mtime_ns == made
    assert json.loads((folder / "run" / "rates.json").read_text())["segment"]["tiles"] == 2


def test_a_run_without_a_network_yet_is_told_how_to_get_one(folder: Path) -> None:
    change = [
        "--set",
        "network.checkpoint=null",
        "--set",
        "data.labels=phantom",
        "--set",
        "data.image=phantom",
    ]
    code, said = call("pilot.py", folder, *change)
    assert code == 1
    assert "there is no network yet" in said
    assert "--set network.checkpoint=" in said
    assert not (folder / "run").exists()


@given(st.integers(1, 10_000), st.integers(1, 40))
def test_pilots_are_as_many_tiles_as_asked_for_spread_evenly(tiles: int, count: int) -> None:
    chosen = sorted(spread(tiles, count))
    assert len(chosen) == min(tiles, count)
    assert 0 <= chosen[0] <= chosen[-1] < tiles
    gaps = {b - a for a, b in pairwise(chosen)}
    assert not gaps or max(gaps) - min(gaps) <= 1
