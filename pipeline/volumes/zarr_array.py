"""ZarrVolume: one array of a Zarr store on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import zarr

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.volumes.folder_identity import folder_identity
from pipeline.volumes.volume import Volume, parse_resolution


class ZarrVolume(Volume):
    """The array at `path`, or the one named `array` in the group at `path`.

    Its voxel size is the attribute `resolution` (z, y, x in nm), if it has one. Raises InputError
    when there is no such array; the message lists those of the group.
    """

    def __init__(self, path: Path, array: str = "") -> None:
        if not path.is_dir():
            raise InputError(f"{path}: no such Zarr folder")
        try:
            found = zarr.open(str(path / array), mode="r")
        except (OSError, ValueError, KeyError, IndexError) as error:
            names = _list_arrays(path)
            if names:
                raise InputError(f"{path}: no array {array!r}; its arrays: {', '.join(names)}") from None
            raise InputError(f"{path} is not readable as Zarr: {' '.join(str(error).split())}") from None
        if not isinstance(found, zarr.Array):
            raise InputError(
                f"{path}: to be given as PATH:ARRAY; its arrays: {', '.join(_list_arrays(path))}"
            )
        self._array = found
        self._folder = path / array
        uri = f"{path}:{array}" if array else str(path)
        resolution = parse_resolution(found.attrs.get("resolution"), uri)
        super().__init__(uri, found.shape, np.dtype(found.dtype), resolution)

    @property
    def identity(self) -> str:
        return folder_identity(self._folder)

    def _load(self, box: Box) -> np.ndarray:
        try:
            return np.asarray(self._array[box.slices()])
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(f"{self.uri}: cannot read box {box}: {' '.join(str(error).split())}") from None


def _list_arrays(path: Path) -> list[str]:
    """Names of the arrays below `path`, of either format's metadata files."""
    metadata = [*path.rglob(".zarray"), *path.rglob("zarr.json")]
    folders = {file.parent.relative_to(path).as_posix() for file in metadata if _describes_array(file)}
    return sorted(folders)


def _describes_array(metadata: Path) -> bool:
    return metadata.name == ".zarray" or '"array"' in metadata.read_text()
