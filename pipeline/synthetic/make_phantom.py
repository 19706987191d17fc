"""The stage that writes a run's phantom."""

from __future__ import annotations

from pathlib import Path

import h5py

from pipeline.results.artifacts import Artifact, Recipe, Target
from pipeline.results.records import make
from pipeline.run_folder import Run
from pipeline.synthetic.phantom import BLOCK, Phantom

VERSION = 2


def phantom_target(run: Run) -> Target:
    """The run's phantom file, which depends on the phantom's settings alone."""
    settings = {"data": {"phantom": run.config.data.phantom.model_dump(mode="json")}}
    return Target(run.phantom_file, Recipe("phantom", VERSION, settings, inputs={}))


def make_phantom(run: Run) -> Artifact:
    """Write `run.phantom_file`: HDF5 datasets `image` (uint8) and `labels` (uint32) with `voxel_size_nm`.

    Done block by block, so memory does not grow with the volume; equal settings give equal bytes.
    """
    settings = run.config.data.phantom

    def write(path: Path) -> None:
        phantom = Phantom(settings.shape, settings.seed, settings.spacing)
        chunks = tuple(min(c, n) for c, n in zip(BLOCK, settings.shape))
        with h5py.File(path, "w", locking=False) as file:
            image, labels = (
                file.create_dataset(
                    name, settings.shape, dtype, chunks=chunks,
                    compression="gzip", compression_opts=1, shuffle=True, track_times=False,
                )
                for name, dtype in (("image", "uint8"), ("labels", "uint32"))
            )  # fmt: skip
            for dataset in (image, labels):
                dataset.attrs["voxel_size_nm"] = settings.voxel_size_nm
            for block in phantom.box.blocks(BLOCK):
                image[block.slices()] = phantom.image(block)
                labels[block.slices()] = phantom.labels(block)
            # while the datasets are open: what cannot be written when they are closed, h5py ignores
            file.flush()

    return make(phantom_target(run), write)
