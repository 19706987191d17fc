"""Find out the format of a volume from its uri, and open it."""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.errors import InputError
from pipeline.volumes.hdf5 import Hdf5Volume
from pipeline.volumes.neuroproof import NeuroproofVolume
from pipeline.volumes.volume import Volume, VoxelSize


def open_volume(uri: str, voxel_size_nm: VoxelSize | None = None) -> Volume:
    """Open the volume at `uri` without reading voxels; the package's docstring lists the formats.

    `voxel_size_nm` (z, y, x) takes the place of what the file says. Raises InputError when there
    is no volume that can be read.
    """
    volume = _open(uri)
    if voxel_size_nm is not None:
        volume.voxel_size_nm = voxel_size_nm
    return volume


def _open(uri: str) -> Volume:
    # CloudVolume, zarr and scikit-image take a second to import: only those who use them wait.
    scheme, separator, rest = uri.partition("://")
    if separator and scheme in ("precomputed", "file"):
        from pipeline.volumes.precomputed import PrecomputedVolume

        remote = scheme == "precomputed" and "://" in rest
        return PrecomputedVolume(rest if remote else f"file://{Path(rest).absolute()}")
    if separator and scheme != "zarr":
        raise InputError(f"volume {uri}: unknown scheme {scheme!r}; expected precomputed, file or zarr")
    path, part = _split(rest if separator else uri)
    if separator or re.search(r"\.zarr(/|$)", str(path)):
        from pipeline.volumes.zarr_array import ZarrVolume

        return ZarrVolume(path, part)
    if path.is_dir():
        from pipeline.volumes.slice_folder import SliceVolume

        return SliceVolume(path)
    if part == "stack" and path.exists() and NeuroproofVolume.is_at(path):
        return NeuroproofVolume(path)
    return Hdf5Volume(path, part)


def _split(location: str) -> tuple[Path, str]:
    """`PATH:PART` -> (PATH, PART); PART is empty when there is none."""
    match = re.fullmatch(r"(.+?):([^:]+)", location)
    if match is None or Path(location).exists():
        return Path(location), ""
    return Path(match[1]), match[2]
