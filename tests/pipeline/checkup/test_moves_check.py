"""Training that turns tissue as it never lies is told of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from as_people_have_them import cells, findings, run_on, write_hdf5

THIN = {"fov": [5, 13, 13], "deltas": [1, 3, 3], "depth": 1, "features": 2}


@pytest.mark.parametrize(
    ("size_nm", "sections", "said"),
    [
        ([40, 8, 8], {}, "examples are turned among z and y and x, and voxels are 40 x 8 x 8 nm"),
        ([40, 8, 8], {"training": {"augmentation": {"turn_z": False}}}, None),
        ([40, 8, 8], {"network": THIN}, None),
        ([8, 8, 40], {"network": THIN}, "examples are turned among y and x, and voxels are 8 x 8 x 40 nm"),
        ([10, 8, 8], {}, None),
    ],
)
def test_examples_that_are_turned_among_unlike_axes_are_told(
    tmp_path: Path, size_nm: list[int], sections: dict[str, Any], said: str | None
) -> None:
    image, labels = cells()
    write_hdf5(tmp_path / "em.h5", image=image, labels=labels)
    data = {"labels": "em.h5:labels", "voxel_size_nm": size_nm}
    found = findings(run_on(tmp_path, data=data, **sections))["moves"]
    assert found.startswith("ok" if said is None else "warn")
    assert (said or "deltas along each axis") in found
