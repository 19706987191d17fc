"""TiffVolume: one TIFF file of many pages, as microscopes, ImageJ and OME write them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import tifffile
import zarr

from pipeline.errors import InputError
from pipeline.geometry import Box, spread
from pipeline.results.artifacts import file_stamp
from pipeline.volumes.choice import Choice
from pipeline.volumes.frame import AXES, NM_PER_UNIT, Stated
from pipeline.volumes.layout import Index, Layout
from pipeline.volumes.lossy import LOSSY_TIFF
from pipeline.volumes.sampled_stamp import SAMPLED, sampled_stamp
from pipeline.volumes.slice_image import page_values
from pipeline.volumes.tiff_file import files_of, only_series, opened, refuse_sparse
from pipeline.volumes.volume import Volume

AXIS_NAMES = {"Q": "z", "I": "z", "S": "c"}
"""tifffile's letters for an axis without a meaning, for a sequence of images, and for samples of a pixel."""

CREATOR = "ffn-pipeline"
"""What an OME-TIFF that this program wrote says of who made it."""


class TiffVolume(Volume):
    """The first series of pages in the file at `path`; boxes are read page by page, or tile by tile.

    The voxel size is OME's or ImageJ's. Where the first voxel lies is known of files that this program wrote
    alone: the position of a plane is that of a microscope's stage elsewhere. Raises InputError when the file
    cannot be read, or holds colours.
    """

    def __init__(self, path: Path, choice: Choice) -> None:
        choice.refuse_level(str(path))
        self._path = path
        with opened(path) as file:
            series = only_series(file, path)
            page_values(series.keyframe, np.zeros((1, 1), series.dtype), path)
            axes = _axes(series)
            self._files = files_of(series)
            self.lossy = LOSSY_TIFF.get(series.keyframe.compression, "")
            self._left_out = _left_out(axes)
            shape = (*[1] * len(self._left_out), *series.shape)
            axes = axes and (*self._left_out, *axes)
            self._layout = Layout.of(shape, axes, choice, str(path))
            size_nm = _ome_size_nm(file) or _imagej_size_nm(file)
            frame = choice.frame(replace(_own_place(file), voxel_size_nm=size_nm), str(path))
            is_palette = series.keyframe.photometric == tifffile.PHOTOMETRIC.PALETTE
            dtype = np.dtype(np.uint8) if is_palette else series.dtype
            super().__init__(str(path), "TIFF", self._layout.volume_shape(shape), dtype, frame)

    @property
    def stamp(self) -> str:
        if self._files == [self._path]:
            return file_stamp(self._path)
        return sampled_stamp(self._path, [], spread(self._files, SAMPLED))

    def _load(self, box: Box) -> np.ndarray:
        with opened(self._path) as file:
            series = only_series(file, self._path)
            index = self._layout.index(box)[len(self._left_out) :]
            refuse_sparse(_pages(series, index), self._path)
            try:
                with series.aszarr(level=0) as store:
                    stored = np.asarray(zarr.open_array(store, mode="r")[index])
            except Exception as error:  # a torn page fails in as many ways as there are codecs
                reason = " ".join(str(error).split())
                raise InputError(f"{self._path}: cannot read box {box}: {reason}; copy it again") from None
            turned = self._layout.turned(stored.reshape(*[1] * len(self._left_out), *stored.shape))
            return page_values(series.keyframe, turned, self._path)


def _pages(
    series: tifffile.TiffPageSeries, index: Index
) -> list[tifffile.TiffPage | tifffile.TiffFrame | None]:
    """The pages that hold what is at `index` of a series; none where one holds several planes."""
    shape = series.shape[: series.ndim - series.keyframe.ndim]
    if math.prod(shape) != len(series.pages):
        return []
    numbers = np.arange(len(series.pages)).reshape(shape)[index[: len(shape)]]
    return [series.pages[int(number)] for number in np.ravel(numbers)]


def _axes(series: tifffile.TiffPageSeries) -> tuple[str, ...] | None:
    """Names of a series' axes. Three axes without a z are one that was stored as channels or frames, but for
    the samples of a pixel, plane by plane: these are one picture in colour."""
    axes = [AXIS_NAMES.get(axis, axis.lower()) for axis in series.axes]
    if len(axes) == 3 and "z" not in axes and axes[1:] == ["y", "x"] and series.axes[0] != "S":
        axes[0] = "z"
    return tuple(axes) if len(set(axes)) == len(axes) else None


def _left_out(axes: tuple[str, ...] | None) -> tuple[str, ...]:
    """The axes in space that a series does not have since they are of length 1: a plane is a volume too."""
    if axes is None or not set(axes) <= {*AXES, "c"}:
        return ()
    return tuple(axis for axis in AXES if axis not in axes)


def _own_place(file: tifffile.TiffFile) -> Stated:
    """Where the first voxel lies, by a file that this program wrote."""
    ome, plane = _ome_element(file, "OME"), _ome_element(file, "Plane")
    if ome is None or plane is None or ome.get("Creator") != CREATOR:
        return Stated()
    at = {axis.lower(): float(plane.get(f"Position{axis}", 0)) for axis in "XYZ"}
    return Stated(offset_nm=at) if plane.get("PositionXUnit") == "nm" else Stated(origin=at)


def _ome_element(file: tifffile.TiffFile, name: str) -> ElementTree.Element | None:
    """The first element of that name in the file's OME-XML, if it has one."""
    try:
        root = ElementTree.fromstring(file.ome_metadata or "")
    except ElementTree.ParseError:
        return None
    return next((e for e in root.iter() if e.tag.rpartition("}")[2] == name), None)


def _ome_size_nm(file: tifffile.TiffFile) -> Mapping[str, float] | None:
    pixels = _ome_element(file, "Pixels")
    if pixels is None:
        return None
    sizes = {}
    for axis in "XYZ":
        nm = NM_PER_UNIT.get(pixels.get(f"PhysicalSize{axis}Unit", "µm").lower())
        size = pixels.get(f"PhysicalSize{axis}")
        try:
            length = float(size or 0)
        except ValueError:
            continue
        if nm is not None and 0 < length < math.inf:
            sizes[axis.lower()] = length * nm
    return sizes


def _imagej_size_nm(file: tifffile.TiffFile) -> Mapping[str, float] | None:
    """ImageJ counts pixels per unit along x and y, and units per slice along z; units may differ."""
    described = file.imagej_metadata
    if not described:
        return None
    names = {"z": "zunit", "y": "yunit", "x": "unit"}
    units = [str(described.get(name, described.get("unit", ""))) for name in names.values()]
    nm = dict(zip(names, (NM_PER_UNIT.get(unit.replace("\\u00B5", "µ").lower(), 0.0) for unit in units)))
    tags = file.series[0].keyframe.tags
    if (
        not all(nm.values())
        or not float(described.get("spacing", 0)) > 0
        or "XResolution" not in tags
        or "YResolution" not in tags
    ):
        return None
    sizes = {"z": float(described["spacing"]) * nm["z"]}
    for axis, name in (("y", "YResolution"), ("x", "XResolution")):
        pixels, lengths = tags[name].value
        if not pixels:
            return None
        sizes[axis] = lengths / pixels * nm[axis]
    return sizes
