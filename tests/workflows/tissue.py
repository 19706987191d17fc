"""Tissue as a made-up microscope takes it in sections, and a run that goes from there to scores."""

from __future__ import annotations

from pathlib import Path

import h5py

from pipeline.geometry import Box
from pipeline.synthetic.microscope import Microscope

TISSUE = Microscope(
    sections=12, tile=96, overlap=30, grid=2, wavelength=240, bent=1.0, moved=2, turned=0.5, margin=32,
)  # fmt: skip

RUN_FILE = """
data: {image: sections, labels: labels.h5:labels, labels_box: "0:12,-16:178,-16:178", folder: .}
sections:
  tiles: {table: tiles.csv, voxel_size_nm: [10, 10, 10]}
  alignment: {reach: 1, group: 8, group_overlap: 2}
  volume: {chunk: [6, 64, 64], block: [6, 64, 64]}
network: {fov: [9, 17, 17], deltas: [1, 4, 4], depth: 2, features: 8}
training:
  box: "0:12,16:80,16:80"
  fovs: 40
  fov_moves: fixed # 12 sections have no room for longer moves
  sampling: {radius: [3, 8, 8], min_segment_voxels: 200, coordinates: 50}
inference:
  box: "0:12,16:80,60:150"
  tile: [12, 64, 48]
  overlap: [0, 18, 18]
  min_segment_voxels: 50
reconciliation: {chunk: [12, 16, 16], block: [12, 32, 32], min_overlap_voxels: 10}
"""


def take(folder: Path) -> Path:
    """Tiles, labels and a run file in `folder`; returns the run file."""
    TISSUE.take(folder, seed=3)
    phantom = TISSUE.phantom(3)
    beside = TISSUE.margin - 16
    with h5py.File(folder / "labels.h5", "w") as file:
        box = phantom.box.grow((0, -beside, -beside))
        file["labels"] = phantom.labels(Box(box.start, box.stop))
    (folder / "tissue.yaml").write_text(RUN_FILE)
    return folder / "tissue.yaml"
