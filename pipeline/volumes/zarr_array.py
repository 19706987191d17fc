"""ZarrVolume: an array of a Zarr store, on disk or elsewhere: alone, in a group, a level of an OME-Zarr."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr

import pipeline.volumes.whole_blosc  # noqa: F401, for what it does to the library
from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.results.unreadable import came_of_refusal
from pipeline.volumes.address import Address, Where, are_there, look_up
from pipeline.volumes.attributes import SIZES, stated_by
from pipeline.volumes.choice import Choice
from pipeline.volumes.cosem import NAME as TRANSFORM
from pipeline.volumes.cosem import is_cosem
from pipeline.volumes.frame import Stated
from pipeline.volumes.layout import Layout
from pipeline.volumes.listing import UNLISTED, listed, numbered, why_absent
from pipeline.volumes.lossy import lossy_codec
from pipeline.volumes.ome_zarr import Multiscale, read_multiscale
from pipeline.volumes.refusal import asked_how, one_line, refusal, unread
from pipeline.volumes.sampled_stamp import SAMPLED, sampled_stamp
from pipeline.volumes.volume import Volume
from pipeline.volumes.zarr_metadata import METADATA, ArrayMetadata, shape_at, zarr_format


class ZarrVolume(Volume):
    """`array`, found at `folder`; `stated` is what its own attributes or those of `group` say of it.

    Of a sharded array the shards are what may be missing.
    """

    may_be_empty = True

    def __init__(
        self,
        array: zarr.Array,
        folder: Where,
        group: Where,
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
        try:
            self._metadata.refuse_folders(folder, array.shape, self._chunks)
        except OSError as error:
            raise refusal(f"{folder} cannot be opened", error, str(folder)) from None
        self._layout = Layout.of(array.shape, stated.axes, choice, uri)
        self.is_remote = isinstance(folder, Address)
        super().__init__(
            uri,
            format + (asked_how(str(folder)) if self.is_remote else ""),
            self._layout.volume_shape(array.shape),
            np.dtype(array.dtype),
            choice.frame(stated, uri),
            self._layout.volume_shape(self._chunks),
        )

    @property
    def stamp(self) -> str:
        described_by = [folder / name for folder in (self._group, self._folder) for name in METADATA]
        return sampled_stamp(self._folder, described_by, map(self._file, self.chunks(self.box, SAMPLED)))

    def _stored(self, chunks: list[Box]) -> list[bool]:
        return are_there([self._file(chunk) for chunk in chunks])

    def _file(self, chunk: Box) -> Where:
        grid = self._layout.stored_chunk(self._chunk_index(chunk), self._chunks)
        return self._folder / self._metadata.chunk_key(grid)

    def _load(self, box: Box) -> np.ndarray:
        try:
            return self._layout.turned(np.asarray(self._array[self._layout.index(box)]))
        except Exception as error:  # a torn chunk fails in as many ways as there are codecs
            raise unread(self.uri, box.translate(self.frame.origin), error, self._folder) from None


def open_zarr(path: Where, part: str, choice: Choice) -> Volume:
    """The array at `path`, or `part` of the group there; of an OME-Zarr image the level that is chosen.

    Raises InputError when there is no such array; the message lists those of the group.
    """
    if path.suffix == ".zip" or (isinstance(path, Path) and path.is_file()):
        raise InputError(f"{path} is a file; expected a Zarr folder (unpack an archive)")
    if isinstance(path, Path) and not path.is_dir():
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
        if arrays == "none" or (arrays == UNLISTED and not part):
            raise InputError(f"{path} is not readable as Zarr: it holds no array{why_absent(path)}")
        raise InputError(f"{path}: no array {part!r}; its arrays: {arrays}{why_absent(path)}")
    choice.refuse_level(uri)
    return _alone(found, folder, uri, choice)


def _alone(array: zarr.Array, folder: Where, uri: str, choice: Choice) -> Volume:
    """An array that was named itself: a level of an image is still what its group says that it is."""
    parts = folder.absolute().parts
    for above in folder.absolute().parents:  # a level may lie deeper than one folder: scale0/image
        group, path = _open(above), "/".join(parts[len(above.parts) :])
        if group is None and isinstance(above, Address) and "/" in path:
            break  # there the Zarr ends: what lies above it may be another's
        if not isinstance(group, zarr.Group):
            continue
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


def _open(folder: Where) -> zarr.Array | zarr.Group | None:
    """What is at `folder`; None where nothing is. Raises InputError where it cannot be understood, and
    Unreadable where the server does not say what is there."""
    try:
        look_up(folder / name for name in METADATA)
        if not any((folder / name).is_file() for name in METADATA):
            return None
        return zarr.open(_store(folder), mode="r", zarr_format=zarr_format(folder))
    except (FileNotFoundError, KeyError, IndexError):
        return None
    except Exception as error:  # damaged metadata fail in many ways
        if isinstance(folder, Address) and came_of_refusal(error):
            raise refusal(f"{folder} cannot be opened", error, str(folder)) from None
        raise InputError(f"{folder} is not readable as Zarr: {one_line(error)}") from None


def _store(folder: Where) -> Any:
    """What the library takes for a store."""
    if isinstance(folder, Path):
        return str(folder)
    try:
        from pipeline.volumes.zarr_store import ZarrStore
    except ImportError:
        raise InputError(
            f"{folder}: Zarr is read from buckets with version 3 of zarr, here is {zarr.__version__}: "
            "take Python 3.11 or 3.12"
        ) from None
    return ZarrStore(folder)


def _images(folder: Where, choice: Choice) -> list[str]:
    """The images that bioformats2raw and others put side by side in one group, by their numbers."""
    images = numbered(folder)
    look_up(image / name for image in images for name in METADATA)
    found = {image.name: _open(image) for image in images}
    return [
        name
        for name, group in found.items()
        if isinstance(group, zarr.Group) and read_multiscale(dict(group.attrs), str(folder / name), choice)
    ]


def _listed(path: Where) -> str:
    return listed(path, shape_at)
