"""Scores that others published on FIB-25, to be read beside those of a run.

The table of Dong et al. 2019, "Scaling Distributed Training of Flood-Filling Networks on HPC Infrastructure
for Brain Mapping" (arXiv:1905.06236), which does not state its convention: its figures and a run's are to be
compared in their order of magnitude and no further.
"""

from __future__ import annotations

from typing import Any

from pipeline.run_folder import Run

FIB25_IMAGE = "grayscale_maps.h5"
"""The file of the FIB-25 test volume, as its authors named it."""

STUDY = {
    "source": "on FIB-25, by Dong et al. 2019, arXiv:1905.06236; convention not stated",
    "rows": [
        {"name": "MALA", "are": None, "voi": 1.1470},
        {"name": "CELIS-MC", "are": None, "voi": 1.1208},
        {"name": "FFN, original training", "are": 0.0973, "voi": 3.2085},
        {"name": "FFN, distributed training", "are": 0.1074, "voi": 1.9518},
    ],
}

FIB25_SEGMENTATION = {
    "source": "the segmentation published with the network, all 250^3 voxels of the test volume, scored by "
    "this program",
    "coverage": 0.888,
    "rows": [
        {"name": "gt_foreground", "are": 0.157, "voi": 1.817},
        {"name": "filled", "are": 0.105, "voi": 1.703},
        {"name": "both_foreground", "are": 0.056, "voi": 0.876},
    ],
}


def published(run: Run) -> dict[str, Any]:
    """What to show beside the run's scores: the study's table, and on FIB-25 the published segmentation's."""
    is_fib25 = FIB25_IMAGE in run.config.data.image
    return {"study": STUDY, "segmentation": FIB25_SEGMENTATION if is_fib25 else None}
