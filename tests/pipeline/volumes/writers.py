"""Every format as an independent library writes it: the same voxels, at the same place in the world."""

from __future__ import annotations

import gzip
import json
import struct
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import tensorstore
import tifffile
import zarr
from cloudvolume import CloudVolume
from skimage.io import imsave

from pipeline.geometry import Triple
from pipeline.volumes import VoxelSize

UM = 1e-3
"""Micrometres in a nanometre."""


@dataclass(frozen=True)
class Place:
    """Where a volume is written to lie, and in what chunks: all z, y, x."""

    origin: Triple = (0, 0, 0)
    voxel_size_nm: VoxelSize = (6.0, 5.0, 4.0)
    chunk: Triple = (4, 4, 4)

    @property
    def offset_nm(self) -> list[float]:
        return [o * n for o, n in zip(self.origin, self.voxel_size_nm)]


Write = Callable[[Path, np.ndarray, Place], str]


def hdf5_attributes(place: Place) -> dict[str, Any]:
    return {"resolution": place.voxel_size_nm, "offset": place.offset_nm}


def write_hdf5(folder: Path, array: np.ndarray, place: Place) -> str:
    """As CREMI and gunpowder do."""
    chunks = tuple(min(c, n) for c, n in zip(place.chunk, array.shape))
    with h5py.File(folder / "v.h5", "w") as file:
        stored = file.create_dataset("some/raw", data=array, chunks=chunks, compression="gzip")
        stored.attrs.update(hdf5_attributes(place))
    return f"{folder / 'v.h5'}:some/raw"


def write_hdf5_xyz(folder: Path, array: np.ndarray, place: Place) -> str:
    """As funlib.persistence does, axes named and in another order, units of micrometres."""
    with h5py.File(folder / "v.h5", "w") as file:
        stored = file.create_dataset("raw", data=array.transpose(2, 0, 1))  # x, z, y
        z, y, x = place.voxel_size_nm
        oz, oy, ox = place.offset_nm
        stored.attrs["voxel_size"] = [x * UM, z * UM, y * UM]
        stored.attrs["offset"] = [ox * UM, oz * UM, oy * UM]
        stored.attrs["units"] = ["um", "um", "um"]
        stored.attrs["axis_names"] = ["x", "z", "y"]
    return f"{folder / 'v.h5'}:raw"


def write_zarr(
    folder: Path, array: np.ndarray, place: Place, zarr_format: Literal[2, 3] = 2, **more: Any
) -> str:
    stored = zarr.create_array(
        str(folder / "v.zarr"), shape=array.shape, dtype=array.dtype, chunks=place.chunk,
        zarr_format=zarr_format, **more,
    )  # fmt: skip
    stored[...] = array
    stored.attrs.update(hdf5_attributes(place))
    return str(folder / "v.zarr")


def write_zarr3(folder: Path, array: np.ndarray, place: Place) -> str:
    return write_zarr(folder, array, place, 3, dimension_names=["z", "y", "x"])


def write_sharded_zarr(folder: Path, array: np.ndarray, place: Place) -> str:
    return write_zarr(folder, array, place, 3, shards=tuple(2 * c for c in place.chunk))


def write_zarr_group(folder: Path, array: np.ndarray, place: Place) -> str:
    group = zarr.open_group(str(folder / "group"), mode="w")
    stored = group.create_array("raw", shape=array.shape, dtype=array.dtype, chunks=place.chunk)
    stored[...] = array
    stored.attrs.update(hdf5_attributes(place))
    return f"zarr://{folder / 'group'}:raw"


def write_ome_zarr(folder: Path, array: np.ndarray, place: Place, zarr_format: Literal[2, 3] = 2) -> str:
    """Two levels, five dimensions, micrometres; the coarser level is the mean of pairs, as its place says."""
    group = zarr.open_group(str(folder / "ome"), mode="w", zarr_format=zarr_format)
    levels = []
    for level in range(2):
        part = array[:: 2**level, :: 2**level, :: 2**level][None, None]
        stored = group.create_array(
            str(level), shape=part.shape, dtype=part.dtype, chunks=(1, 1, *place.chunk)
        )
        stored[...] = part
        scale = [n * UM * 2**level for n in place.voxel_size_nm]
        shift = [n * UM * (2**level - 1) / 2 for n in place.voxel_size_nm]
        moved = [o * UM + s for o, s in zip(place.offset_nm, shift)]
        steps = [
            {"type": "scale", "scale": [1.0, 1.0, *scale]},
            {"type": "translation", "translation": [0.0, 0.0, *moved]},
        ]
        levels.append({"path": str(level), "coordinateTransformations": steps})
    axes: list[Any] = [{"name": "t", "type": "time"}, {"name": "c", "type": "channel"}]
    axes += [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    image: Any = {"version": "0.4", "axes": axes, "datasets": levels}
    if zarr_format == 2:
        group.attrs["multiscales"] = [image]
    else:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [image]}
    return str(folder / "ome")


def write_ome_zarr_05(folder: Path, array: np.ndarray, place: Place) -> str:
    return write_ome_zarr(folder, array, place, 3)


def write_n5(folder: Path, array: np.ndarray, place: Place) -> str:
    path = folder / "v.n5" / "raw"
    metadata = {
        "dimensions": array.shape[::-1],
        "blockSize": place.chunk[::-1],
        "dataType": array.dtype.name,
        "compression": {"type": "gzip"},
        "resolution": place.voxel_size_nm[::-1],
        "offset": place.offset_nm[::-1],
    }
    path.mkdir(parents=True)
    (path / "attributes.json").write_text(json.dumps(metadata))
    spec = {"driver": "n5", "kvstore": {"driver": "file", "path": f"{path}/"}}
    tensorstore.open(spec, open=True, read=True, write=True).result().write(array.T).result()
    return f"{folder / 'v.n5'}:raw"


def write_n5_block_by_block(folder: Path, array: np.ndarray, chunk: Sequence[int], attributes: Any) -> None:
    """The dataset in `folder` by the letter of N5's specification, without the library that reads it."""
    folder.mkdir(parents=True)
    metadata = {
        "dimensions": array.shape[::-1], "blockSize": chunk[::-1], "dataType": array.dtype.name,
        "compression": {"type": "gzip"}, **attributes,
    }  # fmt: skip
    (folder / "attributes.json").write_text(json.dumps(metadata))
    for index in np.ndindex(*(-(-n // c) for n, c in zip(array.shape, chunk))):
        part = array[tuple(slice(i * c, (i + 1) * c) for i, c in zip(index, chunk))]
        file = folder.joinpath(*(str(i) for i in reversed(index)))
        file.parent.mkdir(parents=True, exist_ok=True)
        header = struct.pack(f">HH{part.ndim}I", 0, part.ndim, *part.shape[::-1])
        file.write_bytes(header + gzip.compress(part.astype(part.dtype.newbyteorder(">")).tobytes()))


def write_n5_cosem(folder: Path, array: np.ndarray, place: Place) -> str:
    """As COSEM does: the transform names z, y, x although dimensions are x, y, z."""
    transform = {
        "axes": list("zyx"), "scale": place.voxel_size_nm, "translate": place.offset_nm, "units": ["nm"] * 3,
    }  # fmt: skip
    write_n5_block_by_block(folder / "v.n5" / "em" / "s0", array, place.chunk, {"transform": transform})
    return f"{folder / 'v.n5'}:em"


def write_n5_yzx(folder: Path, array: np.ndarray, place: Place) -> str:
    """Dimensions y, z, x, as `axes` says, and numbers in that order."""

    def turned(values: Any) -> list[float]:
        z, y, x = values
        return [y, z, x]

    cz, cy, cx = place.chunk
    attributes = {
        "axes": list("yzx"), "resolution": turned(place.voxel_size_nm), "offset": turned(place.offset_nm)
    }  # fmt: skip
    write_n5_block_by_block(folder / "v.n5" / "raw", array.transpose(2, 0, 1), (cx, cz, cy), attributes)
    return f"{folder / 'v.n5'}:raw"


def write_zarr_xzy(folder: Path, array: np.ndarray, place: Place) -> str:
    """Axes x, z, y by their names in Zarr 3, and numbers in that order."""

    def turned(values: Any) -> list[float]:
        z, y, x = values
        return [x, z, y]

    cz, cy, cx = place.chunk
    part = array.transpose(2, 0, 1)
    stored = zarr.create_array(
        str(folder / "v.zarr"), shape=part.shape, dtype=part.dtype, chunks=(cx, cz, cy),
        dimension_names=["x", "z", "y"],
    )  # fmt: skip
    stored[...] = part
    stored.attrs.update(resolution=turned(place.voxel_size_nm), offset=turned(place.offset_nm))
    return str(folder / "v.zarr")


def write_ome_zarr_level(folder: Path, array: np.ndarray, place: Place) -> str:
    """One level, named itself, two folders below the group that says where it lies."""
    group = zarr.open_group(str(folder / "ome"), mode="w", zarr_format=2)
    path = "scale0/image"
    stored = group.create_array(path, shape=array.shape, dtype=array.dtype, chunks=place.chunk)
    stored[...] = array
    steps = [
        {"type": "scale", "scale": list(place.voxel_size_nm)},
        {"type": "translation", "translation": place.offset_nm},
    ]
    axes: list[Any] = [{"name": name, "type": "space", "unit": "nanometer"} for name in "zyx"]
    datasets: list[Any] = [{"path": path, "coordinateTransformations": steps}]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": datasets}]
    return f"{folder / 'ome'}:{path}"


def write_precomputed(folder: Path, array: np.ndarray, place: Place) -> str:
    CloudVolume.from_numpy(
        array.T[..., np.newaxis], f"file://{folder / 'precomputed'}",
        resolution=place.voxel_size_nm[::-1], voxel_offset=place.origin[::-1],
        chunk_size=place.chunk[::-1], layer_type="image", progress=False,
    )  # fmt: skip
    return f"precomputed://{folder / 'precomputed'}"


def write_npy(folder: Path, array: np.ndarray, place: Place) -> str:
    np.save(folder / "v.npy", array)
    return str(folder / "v.npy")


def write_pages(folder: Path, array: np.ndarray, place: Place) -> str:
    tifffile.imwrite(folder / "v.tif", array, photometric="minisblack", compression="zlib")
    return str(folder / "v.tif")


def write_imagej(folder: Path, array: np.ndarray, place: Place) -> str:
    z, y, x = place.voxel_size_nm
    tifffile.imwrite(
        folder / "v.tif", array, imagej=True, resolution=(1 / (x * UM), 1 / (y * UM)),
        metadata={"spacing": z * UM, "unit": "um", "axes": "ZYX"},
    )  # fmt: skip
    return str(folder / "v.tif")


def write_slices(folder: Path, array: np.ndarray, suffix: str) -> str:
    # unpadded numbers, so that the order of the names' text would be wrong
    (folder / "slices").mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "low contrast image"
        for z, image in enumerate(array):
            imsave(folder / "slices" / f"s{z + 5}{suffix}", image, check_contrast=False)
    return str(folder / "slices")


def write_png(folder: Path, array: np.ndarray, place: Place) -> str:
    return write_slices(folder, array, ".png")


def write_tiff_slices(folder: Path, array: np.ndarray, place: Place) -> str:
    return write_slices(folder, array, ".tif")


@dataclass(frozen=True)
class Format:
    """How a format is written, and what of a volume's place it can say."""

    write: Write
    says_origin: bool = True
    says_size: bool = True
    dtypes: str = "u1 u2 u8 f4"


FORMATS = {
    "hdf5": Format(write_hdf5),
    "hdf5 xzy": Format(write_hdf5_xyz),
    "zarr 2": Format(write_zarr),
    "zarr 3": Format(write_zarr3),
    "sharded zarr": Format(write_sharded_zarr),
    "zarr group": Format(write_zarr_group),
    "ome-zarr 0.4": Format(write_ome_zarr),
    "ome-zarr 0.5": Format(write_ome_zarr_05),
    "n5": Format(write_n5),
    "n5 cosem": Format(write_n5_cosem),
    "n5 yzx": Format(write_n5_yzx),
    "zarr 3 xzy": Format(write_zarr_xzy),
    "ome-zarr level": Format(write_ome_zarr_level),
    "precomputed": Format(write_precomputed, dtypes="u1 u2 u8"),
    "npy": Format(write_npy, says_origin=False, says_size=False),
    "tiff": Format(write_pages, says_origin=False, says_size=False),
    "imagej tiff": Format(write_imagej, says_origin=False, dtypes="u1 u2 f4"),
    "png slices": Format(write_png, says_origin=False, says_size=False, dtypes="u1 u2"),
    "tiff slices": Format(write_tiff_slices, says_origin=False, says_size=False, dtypes="u1 u2 u8 f4"),
}
