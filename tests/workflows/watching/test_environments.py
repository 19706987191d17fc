"""In which environments tiles were made is told by their records, each of which is read once."""

from __future__ import annotations

from pathlib import Path

from bright_blocks import make_run, write_image

from pipeline.inference.tile_target import tile_target
from pipeline.results.artifacts import Artifact
from pipeline.results.records import make, record_path
from workflows.watching.environments import Environment, environments, mixed_environments


def fill(path: Path) -> None:
    path.write_text("what is in it does not matter")


def test_tiles_of_two_environments_are_told_with_their_numbers(tmp_path: Path) -> None:
    run = make_run(tmp_path, write_image(tmp_path))
    found: dict[str, Environment] = {}
    for tile, version, expected in zip(run.grid, ("2.1.0", "2.2.0"), (0, 1)):
        target = tile_target(run, tile, Artifact("", ""))
        make(target, fill, {"engine": "openvino", "numpy": version})
        found = environments([(run, tile)], known=found)
        record_path(target.path).unlink()
        assert len(mixed_environments(found)) == expected
    assert mixed_environments(environments(run.floods, known=found)) == [
        "tiles come from 2 environments and may differ in bits: 1 with numpy 2.1.0; 1 with numpy 2.2.0"
    ]
