"""Ids are not read from what a codec has changed, whatever the format; images are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numcodecs
import numpy as np
import pytest
import tifffile
import zarr
from zarr.codecs import numcodecs as codecs

from pipeline.errors import InputError
from pipeline.volumes import open_volume
from pipeline.volumes.labels import LabelVolume
from pipeline.volumes.lossy import lossy_codec

IDS = np.random.default_rng(1).integers(1, 2**20, (16, 16, 16))


def is_refused(uri: str, told: str) -> bool:
    """Whether labels at `uri` are refused for how they are stored; they can be read as an image."""
    volume = open_volume(uri)
    read = volume.read(volume.box)
    if not told:
        np.testing.assert_array_equal(LabelVolume(volume).read_stored(volume.box), IDS)
        return False
    assert not np.array_equal(read, IDS)
    with pytest.raises(InputError, match="which changes ids: save it losslessly") as caught:
        LabelVolume(volume)
    return f"is stored as {told}, which" in str(caught.value)


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"scaleoffset": 4}, "scale-offset of 4 bits"),
        ({"scaleoffset": True}, ""),  # as many bits as are needed
        ({"scaleoffset": 32}, ""),
        ({"compression": "gzip", "shuffle": True, "fletcher32": True}, ""),
    ],
)
def test_filters_of_hdf5(how: dict[str, Any], told: str, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_dataset("ids", data=IDS.astype("i4"), chunks=(8, 8, 8), **how)
        layout = h5py.VirtualLayout(IDS.shape, "i4")
        layout[:] = h5py.VirtualSource(file["ids"])
        file.create_virtual_dataset("virtual", layout)
    for dataset in ("ids", "virtual"):
        assert is_refused(f"{tmp_path}/v.h5:{dataset}", told) == bool(told)


@pytest.mark.parametrize(
    ("name", "how", "told"),
    [
        ("Zfp", {"reversible": True}, ""),
        ("Zfp", {"rate": 4}, "zfp (not reversible)"),
        ("Zfp", {"precision": 9}, "zfp (not reversible)"),
        ("Zfp", {"accuracy": 100.0}, "zfp (not reversible)"),
        ("SZ3", {"absolute": 100}, "SZ3"),
        ("Bitshuffle", {}, ""),
    ],
)
def test_filters_of_hdf5plugin(name: str, how: dict[str, Any], told: str, tmp_path: Path) -> None:
    hdf5plugin = pytest.importorskip("hdf5plugin", reason="hdf5plugin writes the file of this test")
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_dataset(
            "ids", data=IDS.astype("i4"), chunks=(8, 8, 8), **getattr(hdf5plugin, name)(**how)
        )
    assert is_refused(f"{tmp_path}/v.h5:ids", told) == bool(told)


@pytest.mark.parametrize("is_lossy", [True, False])
def test_codecs_of_zarr_2(is_lossy: bool, tmp_path: Path) -> None:
    packing = (
        numcodecs.FixedScaleOffset(offset=0, scale=0.01, dtype="i4", astype="i4")
        if is_lossy
        else numcodecs.Delta(dtype="i4")
    )
    array = zarr.create_array(
        tmp_path / "v.zarr", shape=IDS.shape, chunks=(8, 8, 8), dtype="i4", zarr_format=2, filters=[packing]
    )
    array[...] = IDS
    told = "fixedscaleoffset" if is_lossy else ""
    assert is_refused(str(tmp_path / "v.zarr"), told) == is_lossy


@pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")
@pytest.mark.parametrize("shards", [None, (16, 16, 16)])
def test_codecs_of_zarr_3_also_in_shards(shards: tuple[int, int, int] | None, tmp_path: Path) -> None:
    array = zarr.create_array(
        tmp_path / "v.zarr", shape=IDS.shape, chunks=(8, 8, 8), shards=shards, dtype="i4",
        filters=[codecs.FixedScaleOffset(offset=0, scale=0.01, dtype="i4", astype="i4")],
    )  # fmt: skip
    array[...] = IDS
    assert is_refused(str(tmp_path / "v.zarr"), "numcodecs.fixedscaleoffset")


@pytest.mark.parametrize(
    ("codec", "is_lossy"),
    [
        ({"id": "zfpy", "mode": 4, "tolerance": 0.5, "rate": -1, "precision": -1}, True),
        ({"id": "zfpy", "mode": 4, "tolerance": -1, "rate": -1, "precision": -1}, False),
        ({"id": "zfpy", "mode": 5}, False),
        ({"id": "quantize", "digits": 2}, True),
        ({"name": "numcodecs.bitround", "configuration": {"keepbits": 4}}, True),
        ({"id": "imagecodecs_jpeg", "level": 99}, True),
        ({"id": "imagecodecs_jpegxl", "level": None, "distance": None, "lossless": None}, False),
        ({"id": "imagecodecs_jpegxl", "level": 90}, True),
        ({"id": "imagecodecs_jpeg2k", "level": 40, "reversible": True}, False),
        ({"id": "zstd", "level": 3}, False),
        ({"name": "bytes"}, False),
    ],
)
def test_a_codecs_parameters_say_whether_it_loses(codec: Mapping[str, Any], is_lossy: bool) -> None:
    assert bool(lossy_codec([codec])) == is_lossy


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"compression": "jpeg2000", "compressionargs": {"level": 30}}, "JPEG 2000"),
        ({"compression": "jpegxl", "compressionargs": {"distance": 2.0}}, "JPEG XL"),
        ({"compression": "jpegxr", "compressionargs": {"level": 50}}, "JPEG XR"),
        ({"compression": "lerc", "compressionargs": {"level": 3.0}}, "LERC"),
        ({"compression": "zstd"}, ""),
        ({"compression": "png"}, ""),
    ],
)
def test_compressions_of_tiff(how: dict[str, Any], told: str, tmp_path: Path) -> None:
    ids = (IDS % 2**16).astype("u2")
    tifffile.imwrite(tmp_path / "v.tif", ids, photometric="minisblack", **how)
    (tmp_path / "slices").mkdir()
    for z, section in enumerate(ids):
        tifffile.imwrite(tmp_path / f"slices/z{z}.tif", section, photometric="minisblack", **how)
    for name in ("v.tif", "slices"):
        volume = open_volume(str(tmp_path / name))
        assert np.array_equal(volume.read(volume.box), ids) == (not told)
        assert volume.lossy == told
