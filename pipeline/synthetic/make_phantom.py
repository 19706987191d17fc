"""The stage that writes a run's phantom."""

from __future__ import annotations

from pathlib import Path

import h5py

from pipeline import artifacts
from pipeline.artifacts import Artifact, Recipe
from pipeline.run_folder import Run
from pipeline.synthetic.phantom import BLOCK, Phantom

VERSION = 2


def make_phantom(run: Run) -> Artifact:
    """Write `run.phantom_file`: HDF5 datasets `image` (uint8) and `labels` (uint32) with `voxel_size_nm`.

    Done block by block, so memory does not grow with the volume; equal settings give equal bytes.
    """
    settings = run.config.data.phantom

    def write(path: Path) -> None:
        phantom = Phantom(settings.shape, settings.seed, settings.spacing)
        chunks = tuple(min(c, n) for c, n in zip(BLOCK, settings.shape))
        with h5py.File(path, "w") as file:
            for name, dtype in (("image", "uint8"), ("labels", "uint32")):
                dataset = file.create_dataset(
                    name, settings.shape, dtype, chunks=chunks,
                    compression="gzip", compression_opts=1, shuffle=True, track_times=False,
                )  # fmt: skip
                dataset.attrs["voxel_size_nm"] = settings.voxel_size_nm
            for block in phantom.box.blocks(BLOCK):
                file["image"][block.slices()] = phantom.image(block)
                file["labels"][block.slices()] = phantom.labels(block)

    recipe = Recipe("phantom", VERSION, settings.model_dump(mode="json"), inputs={})
    return artifacts.make(run.phantom_file, recipe, write)
