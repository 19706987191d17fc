"""The formats by the endings of names, and a name that is given to a finished file alone."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import InputError
from pipeline.export.part import Part
from pipeline.results.artifacts import TEMPORARY, install_first, temporary_for
from pipeline.results.unreadable import is_there, mend_write

if TYPE_CHECKING:
    from pipeline.export.segment_table import SegmentTable

DATASET = "volume"
"""Of an HDF5 file, where its name says no other."""

Write = Callable[[Part, Path], Iterator[int]]
"""Writes a part block by block to a path, and says of each how many voxels it had."""


@dataclass(frozen=True)
class Output:
    """What is to be written: its format, where, and its name as a volume."""

    format: str
    path: Path
    uri: str
    fit: Callable[[Part], Part]
    """The part as the format can hold it; raises InputError where it cannot."""
    write: Write
    is_folder: bool = False
    table: SegmentTable | None = None
    """What writes a table of segments; None of what holds voxels."""

    def written(self, part: Part) -> Iterator[int]:
        """Write `part`; says of each step how many voxels it had. The file is there after the last.

        Raises InputError where something of this name is there already, where the file system refuses, and
        as `Part.read` does; then nothing was written.
        """
        self.refuse_present()
        with (new_folder if self.is_folder else new_file)(self.path) as temporary:
            yield from self.write(part, temporary)

    def refuse_present(self) -> None:
        """Raise InputError where something of this name is there."""
        refuse_present(self.path)


def written_by(location: str) -> Output:
    """What writes to `location`, by its ending; `FILE.h5:DATASET` names the dataset. Raises InputError."""
    if "://" in location:
        raise InputError(
            f"{location}: only files and folders are written; expected a path; copy from there what "
            "is to lie elsewhere"
        )
    # each imports its library, which takes half a second
    named = re.fullmatch(r"(.+\.(?:h5|hdf5|hdf)):([^:]+)", location, re.IGNORECASE)
    path = Path(named[1] if named else location)
    ending = path.suffix.lower()
    if ending in (".h5", ".hdf5", ".hdf"):
        from pipeline.export.hdf5 import write_hdf5

        dataset = named[2] if named else DATASET
        if dataset in ("/", "."):  # which are there already
            raise InputError(
                f"{location}: {dataset!r} is no name of a dataset; expected such as {path}:{DATASET}"
            )
        write = partial(write_hdf5, dataset=dataset)
        return Output("HDF5", path, f"{path}:{dataset}", _as_it_is, write)
    if ending == ".zarr":
        from pipeline.export.ome_zarr import write_ome_zarr

        return Output("OME-Zarr 0.4", path, str(path), _as_it_is, write_ome_zarr, is_folder=True)
    if ending in (".tif", ".tiff"):
        from pipeline.export.tiff import as_tiff, write_tiff

        return Output("OME-TIFF", path, str(path), as_tiff, write_tiff)
    if ending == ".csv":
        from pipeline.export.segment_table import SegmentTable

        table = SegmentTable()
        return Output("CSV", path, str(path), _as_it_is, table.write, table=table)
    raise InputError(
        f"{location}: a file of this ending is not written; expected .h5 (HDF5), .zarr (OME-Zarr), .tif, "
        ".csv (a table of segments), .obj (surfaces) or .swc (skeletons)"
    )


def _as_it_is(part: Part) -> Part:
    return part


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A name to write to, which becomes `path` at the end. Raises InputError where that is there already."""
    with temporary_for(path) as temporary:
        yield temporary
        if not install_first(temporary, path):
            raise _present(path)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which then gets its name. Raises InputError."""
    aside = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=TEMPORARY, dir=path.parent))
        within = aside / path.name  # which others may read, unlike the temporary folder
        within.mkdir()
        yield within
        os.rename(within, path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}; {mend_write(error)}") from error
    finally:
        if aside is not None:
            with suppress(OSError):
                shutil.rmtree(aside)


def refuse_present(path: Path) -> None:
    """Raise InputError where something of this name is there."""
    if is_there(path):
        raise _present(path)


def _present(path: Path) -> InputError:
    return InputError(f"{path} is there already, and is not overwritten: name another, or remove it")
