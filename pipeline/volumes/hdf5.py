"""Hdf5Volume: one dataset of an HDF5 file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pipeline.errors import InputError
from pipeline.geometry import Box, spread
from pipeline.results.artifacts import file_stamp
from pipeline.volumes.address import Where
from pipeline.volumes.attributes import SIZES, stated_by
from pipeline.volumes.big_data_viewer import HDF5_CELLS, size_by_xml, xml_beside
from pipeline.volumes.choice import FIRST_VOXEL, Choice
from pipeline.volumes.hdf5_file import dataset_in, open_hdf5, require_filters
from pipeline.volumes.hdf5_storage import storage_of
from pipeline.volumes.imaris import without_padding
from pipeline.volumes.layout import Layout
from pipeline.volumes.sampled_stamp import SAMPLED, sampled_stamp
from pipeline.volumes.volume import Volume

GEOMETRY = (*SIZES, "offset", "units", "unit")


class Hdf5Volume(Volume):
    """Dataset `dataset` of the HDF5 file at `path`, of any number of axes of which three are z, y and x.

    Voxel size, offset and axes are those of its attributes (see `attributes`); where it has no voxel size
    and no offset, those of its group or of the file count, if all arrays in there have one shape. Names of
    axes may also be the labels of its dimensions. Missing are chunks that were never written, and the parts
    of a virtual dataset whose sources are not there; chunks missing within a source are not seen. Raises
    InputError when the file cannot be read, has no such dataset (the message lists those it has), or is
    compressed by a filter that is not installed.

    BigDataViewer's int16 is read as the uint16 that it means, and what Imaris pads its images with is left
    out; `format` says so. The size of BigDataViewer's voxels is that of the XML beside the file.
    """

    def __init__(self, path: Path, dataset: str, choice: Choice) -> None:
        self.path = path
        self.dataset = dataset
        uri = f"{path}:{dataset}" if dataset else str(path)
        choice.refuse_level(uri)
        with open_hdf5(path) as file:
            found = dataset_in(file, path, dataset)
            if found.shape is None:
                raise InputError(f"{uri} is a dataset without a shape; expected three dimensions z, y, x")
            require_filters(found, uri)
            if "MATLAB_class" in found.attrs and choice.axes is None:
                raise InputError(
                    f"{uri} was written by MATLAB, which stores axes in reverse: "
                    + choice.mend("axes", "set {}, to zxy for an array of rows y, columns x and pages z")
                )
            shape = without_padding(found)
            stated = stated_by(_attributes(found, choice, uri), len(shape), uri, choice)
            self._layout = Layout.of(shape, stated.axes, choice, uri)
            self._storage = storage_of(found, self._layout, uri)
            self.lossy = self._storage.lossy
            others = sorted({*self._storage.files, Path(found.file.filename)} - {path})
            self._others: list[Where] = [*others]
            if HDF5_CELLS.fullmatch(found.name):
                self._others.append(xml_beside(path))
            is_int16 = found.dtype.newbyteorder("=") == np.int16
            is_unsigned = is_int16 and HDF5_CELLS.fullmatch(found.name)
            of_whom = " of BigDataViewer (its int16 taken for uint16)" if is_unsigned else ""
            of_whom += " of Imaris, without its padding" if shape != found.shape else ""
            super().__init__(
                uri,
                f"HDF5{of_whom}",
                self._layout.volume_shape(shape),
                # as which `read` takes what is stored: negative numbers are those above 32767
                np.dtype(np.uint16) if is_unsigned else found.dtype,
                choice.frame(stated, uri),
                self._storage.chunk,
            )

    @property
    def stamp(self) -> str:
        """Of the file and, where voxels lie in others that it names, of a sample of those."""
        own = f"{file_stamp(self.path)} {self.dataset}"
        return f"{own} {sampled_stamp(self.path, (), spread(self._others, SAMPLED))}" if self._others else own

    def _stored(self, chunks: list[Box]) -> list[bool]:
        with open_hdf5(self.path) as file:
            return self._storage.holds(file[self.dataset], [self._inside(chunk) for chunk in chunks])

    def _load(self, box: Box) -> np.ndarray:
        with open_hdf5(self.path) as file:
            return self._layout.turned(self._beside(file)[self._layout.index(box)])

    def _beside(self, file: h5py.File) -> h5py.Dataset:
        """The dataset, whose raw files lie beside its own: HDF5 itself looks for them where it is run."""
        access = h5py.h5p.create(h5py.h5p.DATASET_ACCESS)
        access.set_efile_prefix(b"${ORIGIN}")
        return h5py.Dataset(h5py.h5d.open(file.id, self.dataset.encode(), access))


def _attributes(dataset: h5py.Dataset, choice: Choice, uri: str) -> Mapping[str, Any]:
    """What the run file, the dataset and its group say of it."""
    attributes = _readable(dataset)
    if not any(name in attributes for name in (*SIZES, "offset")):
        attributes |= _by_xml(dataset) or _of_groups(dataset, choice, uri)
    if choice.axes:
        attributes["axes"] = choice.axes
    return attributes


def _by_xml(dataset: h5py.Dataset) -> dict[str, Any]:
    """The voxel size of a level of BigDataViewer's, by the XML beside the file, z, y, x."""
    level = HDF5_CELLS.fullmatch(dataset.name)
    if level is None:
        return {}
    found = size_by_xml(Path(dataset.file.filename), int(level["setup"]))
    coarser, number = dataset.file.get(f"s{level['setup']}/resolutions"), int(level["level"])
    is_table = isinstance(coarser, h5py.Dataset) and coarser.shape[1:] == (3,)
    if found is None or not is_table or number >= len(coarser):
        return {}
    lengths = np.multiply(found.lengths, coarser[number])
    return {"resolution": lengths[::-1].tolist(), "units": found.unit}


def _of_groups(dataset: h5py.Dataset, choice: Choice, uri: str) -> dict[str, Any]:
    """Voxel size and offset as the dataset's group says them, or else the file.

    Raises InputError where it cannot be told whether they are the dataset's, unless the run file sets them.
    """
    for group in (dataset.parent, dataset.file["/"]):
        said = {name: value for name, value in _readable(group).items() if name in GEOMETRY}
        if not any(name in said for name in SIZES):
            continue
        if not _has_other_shapes(group, dataset):
            return said
        if not choice.voxel_size_nm or (np.any(said.get("offset", 0)) and not choice.origin):
            raise InputError(
                f"{uri} states no voxel size; its group {group.name} does, but has arrays of several shapes: "
                f"which it means cannot be told; set {choice.size_setting} and "
                + choice.mend("origin", FIRST_VOXEL)
            )
        return {}
    return {}


def _has_other_shapes(group: h5py.Group, dataset: h5py.Dataset) -> bool:
    def other(_: str, item: h5py.HLObject) -> bool | None:
        array = isinstance(item, h5py.Dataset) and item.ndim >= 3
        return True if array and item.shape != dataset.shape else None

    return bool(group.visititems(other))


def _readable(item: h5py.HLObject) -> dict[str, Any]:
    """The attributes of a type that h5py can read; others are none that count here."""
    found = {}
    for name in item.attrs:
        try:
            found[name] = item.attrs[name]
        except (OSError, TypeError, ValueError):
            continue
    return found
