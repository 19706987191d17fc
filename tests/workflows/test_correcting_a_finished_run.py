"""A correction makes again what it changes and nothing else, and ends in the bytes of a fresh run."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from apps.targets import target_of
from pipeline.config import RunConfig
from pipeline.errors import InputError
from pipeline.geometry import Box, Tile
from pipeline.results import artifacts
from pipeline.results.artifacts import Artifact
from pipeline.results.records import make
from pipeline.run_folder import Run
from pipeline.settings.resolve import resolve
from workflows.planning.discards import discarded
from workflows.planning.explain import explain
from workflows.stages import build

BOX = Box((0, 0, 0), (32, 32, 160))
ROD = 14
"""Voxels along each side of an object: four fit beside each other, each as long as the volume."""
LINES = ["cut,5,5,45,5,5,75", "join,5,25,90,25,25,90", "cut,25,5,5,25,5,35"]
"""Cut a piece, join two beside each other, cut one that lies before: as a person goes on."""
NOT_HERE = {"import_checkpoint", "write_facts", "write_page"}
"""Apps whose results are something else than the volume: published without being made."""


def truth() -> np.ndarray:
    """Four rods along x, in pieces of 39 voxels with a blank one before each."""
    labels = np.zeros(BOX.shape, np.uint32)
    for number, (z, y) in enumerate([(0, 0), (0, 17), (17, 0), (17, 17)]):
        rod = labels[z : z + ROD, y : y + ROD]
        rod[:] = 1 + np.arange(BOX.shape[2]) // 40 + 10 * number
        rod[..., ::40] = 0
    return labels


def run_of(folder: Path, lines: list[str] | None) -> Run:
    image, network = folder.parent / "image.h5", folder.parent / "network.h5"
    if not image.exists():
        with h5py.File(image, "w") as file:
            file["raw"] = np.random.default_rng(1).integers(0, 255, BOX.shape, np.uint8)
        network.write_bytes(b"")
    file = folder.parent / f"{folder.name}.csv"
    file.write_text("\n".join(["kind,z1,y1,x1,z2,y2,x2", *(lines or [])]) + "\n")
    document = {
        "data": {"image": f"{image}:raw", "voxel_size_nm": [8, 8, 8], "image_mean": 128, "image_stddev": 33},
        "network": {"fov": [3, 3, 3], "deltas": [1, 1, 1], "depth": 2, "features": 2,
                    "checkpoint": str(network)},
        "inference": {"box": str(BOX), "tile": [32, 32, 32], "overlap": [8, 8, 8]},
        "reconciliation": {"chunk": [8, 8, 8], "block": [16, 16, 16], "min_overlap_voxels": 1, "mips": 2,
                           "meshes": True, "skeletons": True,
                           "corrections": None if lines is None else str(file)},
    }  # fmt: skip
    return resolve(RunConfig.model_validate(document), folder)


def _tile(run: Run, tile: Tile, path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["segmentation"] = truth()[tile.box.slices(BOX.start)]


def _placeholder(path: Path) -> None:
    path.write_text("made")


def work(run: Run) -> Counter[str]:
    """Make every task's result; how many of each app's were not there."""
    made: Counter[str] = Counter()

    def submit(app: Any, *args: Any, **kwargs: Any) -> Artifact:
        target = target_of(app.__name__, args, kwargs)
        before = target.path.stat().st_mtime_ns if target.path.exists() else None
        if app.__name__ == "segment_tile":
            made_now = make(target, lambda path: _tile(run, args[1], path))
        elif app.__name__ in NOT_HERE:
            made_now = make(target, _placeholder)
        else:
            made_now = app.func(*args, **kwargs)
        made[app.__name__] += target.path.stat().st_mtime_ns != before
        return made_now

    build(run, submit)
    return +made


def volume(run: Run) -> dict[str, bytes]:
    """All that is made of the id table, and the table."""
    folder = run.segmentation_folder
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {**found, "table": run.final_table_file.read_bytes()}


@pytest.mark.slow
def test_lines_that_are_added_rewrite_their_blocks_and_end_in_the_bytes_of_a_fresh_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "flush", lambda handle: None)  # of some 2,000 files
    whole = work(run_of(tmp_path / "run", None))
    assert whole["write_block"] == 40
    uncorrected = volume(run_of(tmp_path / "run", None))
    for count in range(1, len(LINES) + 1):
        run = run_of(tmp_path / "run", LINES[:count])
        planned = {status.name: status.tasks - status.finished for status in explain(run)}
        lost = {each.stage: each for each in discarded(run)}
        again = work(run)
        assert 0 < again["write_block"] == planned["write"] == lost["write"].tasks <= 20
        assert lost["write"].why == "input changed: id table"
        for app in ("measure_block", "mesh_cell", "trace_cell", "write_shard", "downsample_block"):
            assert 0 < again[app] <= whole[app] / 2, app
        assert not work(run)
    fresh = run_of(tmp_path / "fresh", LINES)
    work(fresh)
    corrected, made_at_once = volume(run), volume(fresh)
    assert corrected.keys() == made_at_once.keys()
    assert [name for name in corrected if corrected[name] != made_at_once[name]] == []
    work(run_of(tmp_path / "run", None))
    assert volume(run_of(tmp_path / "run", None)) == uncorrected
    contradicting = run_of(tmp_path / "run", [LINES[0], "join,5,5,45,5,6,75"])
    for before_a_start in (explain, discarded):
        with pytest.raises(InputError, match=r"line 2: cut .* but joins make the two one \(line 3: "):
            before_a_start(contradicting)
