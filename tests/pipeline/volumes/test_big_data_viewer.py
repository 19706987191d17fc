"""BigDataViewer keeps the size of voxels in an XML file beside its HDF5 or N5."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from writers import write_n5_block_by_block

from pipeline.volumes import Choice, Volume, open_volume

IMAGE = np.ones((4, 6, 8), np.uint8)
FACTORS = [[1, 1, 1], [2, 2, 1]]
"""Of two levels; x, y, z."""


def write_xml(data: Path, sizes: dict[int, str], unit: str = "um", names: str | None = None) -> None:
    setups = "".join(
        f"<ViewSetup><id>{setup}</id><size>8 6 4</size><voxelSize><unit>{unit}</unit><size>{size}</size>"
        "</voxelSize></ViewSetup>"
        for setup, size in sizes.items()
    )
    kind = data.suffix.removeprefix(".").replace("h5", "hdf5")
    data.with_suffix(".xml").write_text(
        f'<SpimData version="0.2"><SequenceDescription><ImageLoader format="bdv.{kind}">'
        f'<{kind} type="relative">{names or data.name}</{kind}></ImageLoader>'
        f"<ViewSetups>{setups}</ViewSetups></SequenceDescription></SpimData>"
    )


def write_hdf5(folder: Path) -> Path:
    with h5py.File(folder / "em.h5", "w") as file:
        for setup in range(2):
            file[f"s{setup:02}/resolutions"] = np.array(FACTORS, float)
            for level, (x, y, z) in enumerate(FACTORS):
                file[f"t00000/s{setup:02}/{level}/cells"] = IMAGE[::z, ::y, ::x]
    return folder / "em.h5"


def write_n5(folder: Path) -> Path:
    for setup in range(2):
        for level, (x, y, z) in enumerate(FACTORS):
            level_folder = folder / "em.n5" / f"setup{setup}" / "timepoint0" / f"s{level}"
            write_n5_block_by_block(level_folder, IMAGE[::z, ::y, ::x], (4, 4, 4), {})
        (folder / "em.n5" / f"setup{setup}" / "attributes.json").write_text(
            json.dumps({"downsamplingFactors": FACTORS})
        )
    return folder / "em.n5"


def volume(data: Path, setup: int, level: int) -> Volume:
    if data.suffix == ".h5":
        return open_volume(f"{data}:t00000/s{setup:02}/{level}/cells")
    return open_volume(f"{data}:setup{setup}/timepoint0", Choice(level=level))


@pytest.mark.parametrize("write", [write_hdf5, write_n5])
def test_the_xml_beside_says_how_large_the_voxels_of_each_setup_and_level_are(
    tmp_path: Path, write: object
) -> None:
    data = write(tmp_path)  # type: ignore[operator]
    assert volume(data, 0, 0).voxel_size_nm is None
    before = volume(data, 0, 0).stamp
    write_xml(data, {0: "0.004 0.005 0.04", 1: "0.008 0.008 0.03"})
    assert volume(data, 0, 0).stamp != before
    assert volume(data, 0, 0).voxel_size_nm == pytest.approx((40, 5, 4))
    assert volume(data, 0, 1).voxel_size_nm == pytest.approx((40, 10, 8))
    assert volume(data, 1, 1).voxel_size_nm == pytest.approx((30, 16, 16))


@pytest.mark.parametrize("write", [write_hdf5, write_n5])
def test_an_xml_that_is_not_about_it_or_has_no_length_says_nothing(tmp_path: Path, write: object) -> None:
    data = write(tmp_path)  # type: ignore[operator]
    for sizes, unit, names in (
        ({0: "4 5 40"}, "nm", f"other{data.suffix}"),
        ({1: "4 5 40"}, "nm", None),
        ({0: "4 5 40"}, "pixel", None),
        ({0: "4 5"}, "nm", None),
        ({0: "4 5 nan"}, "nm", None),
    ):
        write_xml(data, sizes, unit, names)
        assert volume(data, 0, 0).voxel_size_nm is None
    data.with_suffix(".xml").write_text("<SpimData>")
    assert volume(data, 0, 0).voxel_size_nm is None
