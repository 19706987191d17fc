"""A run that is done, of which things are exported."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np

from pipeline.config import RunConfig
from pipeline.settings.run_file import dump_config
from tests.pipeline.viewing.placed import SEGMENTED_BOX, Case


def write_run(case: Case) -> Path:
    """A finished run over SEGMENTED_BOX, that has agglomerated 2^40 + 1 to 7."""
    folder = case.folder / "run"
    folder.mkdir()
    config = RunConfig.model_validate(
        {
            "data": {"image": case.image},
            "network": {"checkpoint": str(folder / "ffn.h5"), "fov": (3, 3, 3), "deltas": (1, 1, 1)},
            "inference": {"box": str(SEGMENTED_BOX), "tile": SEGMENTED_BOX.shape, "overlap": (4, 4, 4)},
        }
    )
    (folder / "config.yaml").write_text(dump_config(config))
    shutil.copytree(case.folder / "precomputed", folder / "segmentation")
    with h5py.File(folder / "agglomeration.h5", "w") as file:
        file["base"] = np.array([2**40 + 1], np.uint64)
        file["agglomerated"] = np.array([7], np.uint64)
    return folder
