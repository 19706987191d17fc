"""ZarrVolume: one array of a Zarr store on disk, alone, in a group, or as a level of an OME-Zarr image."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import zarr

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.volumes.attributes import SIZES, stated_by
from pipeline.volumes.choice import Choice
from pipeline.volumes.cosem import NAME as TRANSFORM
from pipeline.volumes.cosem import is_cosem
from pipeline.volumes.frame import Stated
from pipeline.volumes.layout import Layout
from pipeline.volumes.listing import listed
from pipeline.volumes.lossy import lossy_codec
from pipeline.volumes.ome_zarr import Multiscale, read_multiscale
from pipeline.volumes.sampled_stamp import SAMPLED, sampled_stamp
from pipeline.volumes.volume import Volume

METADATA = ("zarr.json", ".zarray", ".zattrs", ".zgroup")


@dataclass(frozen=True)
class ArrayMetadata:
    """What the versions of the zarr library say in different ways, from the array's own file."""

    zarr_format: int
    separator: str
    prefix: str
    dimension_names: list[str] | None
    codecs: list[Mapping[str, Any]]
    """Filters and compressors, as they are written there."""

    @classmethod
    def read(cls, folder: Path) -> ArrayMetadata:
        """The metadata of the array in `folder`, which the library could open.

        Raises InputError where chunks would be looked for elsewhere than they lie.
        """
        if _zarr_format(folder) == 2:
            stored = json.loads((folder / ".zarray").read_text())
            separator = stored.get("dimension_separator", ".")
            if separator == "." and (folder / "0").is_dir():  # as older versions of the library left it
                raise InputError(
                    f"{folder}: its chunks lie in folders (0/0/0), and .zarray does not say so: "
                    'put "dimension_separator": "/" into it'
                )
            codecs = [*(stored.get("filters") or []), stored.get("compressor")]
            return cls(2, separator, "", None, list(filter(None, codecs)))
        stored = json.loads((folder / "zarr.json").read_text())
        encoding = stored["chunk_key_encoding"]
        is_default = encoding["name"] == "default"
        separator = encoding.get("configuration", {}).get("separator", "/" if is_default else ".")
        names = stored.get("dimension_names")
        return cls(
            3,
            separator,
            f"c{separator}" if is_default else "",
            names if names and all(names) else None,
            stored["codecs"],
        )

    def chunk_key(self, grid: Sequence[int]) -> str:
        """The file, below the array's folder, of the chunk at a place in the grid."""
        return self.prefix + self.separator.join(str(index) for index in grid)


class ZarrVolume(Volume):
    """`array`, found at `folder`; `stated` is what its own attributes or those of `group` say of it.

    Of a sharded array the shards are what may be missing.
    """

    may_be_empty = True

    def __init__(
        self,
        array: zarr.Array,
        folder: Path,
        group: Path,
        uri: str,
        format: str,
        stated: Stated,
        choice: Choice,
    ) -> None:
        self._array = array
        self._folder = folder
        self._group = group
        self._metadata = ArrayMetadata.read(folder)
        self.lossy = lossy_codec(self._metadata.codecs)
        self._chunks = tuple(getattr(array, "shards", None) or array.chunks)
        self._layout = Layout.of(array.shape, stated.axes, choice, uri)
        super().__init__(
            uri,
            format,
            self._layout.volume_shape(array.shape),
            np.dtype(array.dtype),
            choice.frame(stated, uri),
            self._layout.volume_shape(self._chunks),
        )

    @property
    def stamp(self) -> str:
        described_by = [folder / name for folder in (self._group, self._folder) for name in METADATA]
        chunks = [self._file(chunk) for chunk in self.chunks(self.box, SAMPLED)]
        return sampled_stamp(self._folder, described_by, chunks)

    def _stored(self, chunks: list[Box]) -> list[bool]:
        return [self._file(chunk).exists() for chunk in chunks]

    def _file(self, chunk: Box) -> Path:
        grid = self._layout.stored_chunk(self._chunk_index(chunk), self._chunks)
        return self._folder / self._metadata.chunk_key(grid)

    def _load(self, box: Box) -> np.ndarray:
        try:
            return self._layout.turned(np.asarray(self._array[self._layout.index(box)]))
        except Exception as error:  # a torn chunk fails in as many ways as there are codecs
            raise InputError(
                f"{self.uri}: cannot read box {box}: {_one_line(error)}; copy it again"
            ) from None


def open_zarr(path: Path, part: str, choice: Choice) -> Volume:
    """The array at `path`, or `part` of the group there; of an OME-Zarr image the level that is chosen.

    Raises InputError when there is no such array; the message lists those of the group.
    """
    if path.is_file():
        raise InputError(f"{path} is a file; expected a Zarr folder (unpack an archive)")
    if not path.is_dir():
        raise InputError(f"{path}: no such Zarr folder")
    folder = path / part if part else path
    uri = f"{path}:{part}" if part else str(path)
    found = _open(folder)
    if isinstance(found, zarr.Group):
        image = read_multiscale(dict(found.attrs), uri, choice)
        if image is None:
            images = _images(folder, choice)
            if len(images) == 1:
                return open_zarr(path, f"{part}/{images[0]}".lstrip("/"), choice)
            several = f" or PATH:IMAGE; its images: {', '.join(images)}" if images else ""
            raise InputError(f"{uri}: to be given as PATH:ARRAY{several}; its arrays: {_listed(path)}")
        level = image.levels[choice.level_of([level.stated.size_nm for level in image.levels], uri)]
        array = _open(folder / level.path)
        if not isinstance(array, zarr.Array):
            raise InputError(f"{uri}: its level {level.path} is not there; its arrays: {_listed(path)}")
        many = f", level {level.path} of {len(image.levels)}" if len(image.levels) > 1 else ""
        name = f"{image.format}{many}{image.told}"
        return ZarrVolume(array, folder / level.path, folder, uri, name, level.stated, choice)
    if found is None:
        arrays = _listed(path)
        if arrays == "none":
            raise InputError(f"{path} is not readable as Zarr: it holds no array")
        raise InputError(f"{path}: no array {part!r}; its arrays: {arrays}")
    choice.refuse_level(uri)
    return _alone(found, folder, uri, choice)


def _alone(array: zarr.Array, folder: Path, uri: str, choice: Choice) -> Volume:
    """An array that was named itself: a level of an image is still what its group says that it is."""
    for above in folder.absolute().parents:  # a level may lie deeper than one folder: scale0/image
        group = _open(above)
        if not isinstance(group, zarr.Group):
            continue
        path = folder.absolute().relative_to(above).as_posix()
        image = read_multiscale(dict(group.attrs), uri, choice, path)
        for level in image.levels if image else []:
            if above / level.path == folder.absolute():
                name = image.format if image else ""
                return ZarrVolume(array, folder, above, uri, name, level.stated, choice)
    metadata, attributes = ArrayMetadata.read(folder), dict(array.attrs)
    image = _by_transform(attributes, array.ndim, uri, choice)
    if image:
        return ZarrVolume(array, folder, folder.parent, uri, image.format, image.levels[0].stated, choice)
    if choice.axes:
        attributes["axes"] = choice.axes
    if metadata.dimension_names:
        attributes.setdefault("dimension_names", metadata.dimension_names)
    stated = stated_by(attributes, array.ndim, uri, choice)
    return ZarrVolume(array, folder, folder.parent, uri, f"Zarr {metadata.zarr_format}", stated, choice)


def _by_transform(
    attributes: Mapping[str, Any], dimensions: int, uri: str, choice: Choice
) -> Multiscale | None:
    """An array as a level of its own, where COSEM's transform alone says where it lies."""
    own = {"datasets": [{"path": "", TRANSFORM: attributes.get(TRANSFORM)}]}
    if not is_cosem(own) or any(attributes.get(name) is not None for name in SIZES):
        return None
    is_of_all_axes = len(attributes[TRANSFORM].get("axes") or ()) == dimensions
    return read_multiscale({"multiscales": [own]}, uri, choice) if is_of_all_axes else None


def _zarr_format(folder: Path) -> Literal[2, 3]:
    """That of the array or group in `folder`: where it is described in both, the newer."""
    return 3 if (folder / "zarr.json").is_file() else 2


def _open(folder: Path) -> zarr.Array | zarr.Group | None:
    """What is at `folder`; None where nothing is. Raises InputError where it cannot be understood."""
    if not any((folder / name).is_file() for name in METADATA):
        return None
    try:
        return zarr.open(str(folder), mode="r", zarr_format=_zarr_format(folder))
    except (FileNotFoundError, KeyError, IndexError):
        return None
    except Exception as error:  # damaged metadata fail in many ways
        raise InputError(f"{folder} is not readable as Zarr: {_one_line(error)}") from None


def _images(folder: Path, choice: Choice) -> list[str]:
    """The images that bioformats2raw and others put side by side in one group, by their numbers."""
    numbered = sorted((f for f in folder.iterdir() if f.name.isdigit()), key=lambda f: int(f.name))
    found = {f.name: _open(f) for f in numbered}
    return [
        name
        for name, group in found.items()
        if isinstance(group, zarr.Group) and read_multiscale(dict(group.attrs), str(folder / name), choice)
    ]


def _listed(path: Path) -> str:
    return listed(path, _shape)


def _shape(folder: Path) -> list[int] | None:
    """The shape that the metadata of an array in `folder` state, of either format; None without an array."""
    for name in ("zarr.json", ".zarray"):
        try:
            shape = json.loads((folder / name).read_text()).get("shape")
        except (OSError, ValueError, AttributeError):
            continue
        if isinstance(shape, list):
            return shape
    return None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
