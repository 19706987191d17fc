"""The stage's task: the consensus of a tile's passes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import fastremap
import h5py
import numpy as np

from pipeline.consensus.split import split_consensus
from pipeline.geometry import Tile
from pipeline.results.artifacts import Artifact, Recipe, Target
from pipeline.results.hdf5_file import write_hdf5
from pipeline.results.records import make
from pipeline.results.tile_labels import read_labels, read_missing_voxels
from pipeline.run_folder import Run

VERSION = 1
CHUNK = 64


def consensus_target(run: Run, tile: Tile, passes: Sequence[Artifact]) -> Target:
    """The file of a tile, where it is segmented in several passes; arguments as for `find_consensus`."""
    settings = {"tile": str(tile.box), "min_segment_voxels": run.config.inference.min_segment_voxels}
    inputs = {f"pass {number}": made.sha256 for number, made in enumerate(passes, 1)}
    return Target(run.segmented_file(tile), Recipe("consensus", VERSION, settings, inputs))


def find_consensus(run: Run, tile: Tile, passes: Sequence[Artifact]) -> Artifact:
    """Publish `run.segmented_file(tile)`: what all `passes` of the tile, in their order, have as one.

    The HDF5 file holds `segmentation`, uint32 over the tile's box, 0 where nothing was found, and `segments`,
    one row for each id with its voxels; its attributes `voxels_of_pass` and `segments_of_pass` tell what each
    pass had, and `missing_voxels` as in the passes. Raises InputError when a file cannot be read.
    """

    def write(path: Path) -> None:
        labels = [read_labels(tile, made, tile.box) for made in passes]
        agreed = split_consensus(labels, run.config.inference.min_segment_voxels)
        ids, voxels = fastremap.unique(agreed[agreed != 0], return_counts=True)
        rows = np.rec.fromarrays([ids, voxels], dtype=[("id", "<u4"), ("voxels", "<u8")])
        missing = read_missing_voxels(passes[0])

        def fill(file: h5py.File) -> None:
            file.create_dataset(
                "segmentation",
                data=agreed,
                chunks=tuple(min(CHUNK, n) for n in agreed.shape),
                compression="gzip",
                compression_opts=1,
                track_times=False,
            )
            file.create_dataset("segments", data=np.asarray(rows), track_times=False)
            file.attrs["box"] = str(tile.box)
            file.attrs["voxels_of_pass"] = [int(np.count_nonzero(own)) for own in labels]
            file.attrs["segments_of_pass"] = [len(fastremap.unique(own[own != 0])) for own in labels]
            if missing:
                file.attrs["missing_voxels"] = missing

        write_hdf5(path, fill)

    return make(consensus_target(run, tile, passes), write)
