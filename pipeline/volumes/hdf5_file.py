"""An HDF5 file opened for reading, and told why where it cannot be."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import h5py

from pipeline.errors import InputError

LISTED = 20
"""So many datasets are named in an error."""

FILTERS = {
    4: "szip",
    32001: "blosc",
    32004: "lz4",
    32008: "bitshuffle",
    32013: "zfp",
    32015: "zstd",
    32026: "blosc2",
}
POINTERS = {
    b"version https://git-lfs": "a Git LFS pointer, not the data: `git lfs pull` fetches them",
    b"/annex/objects/": "a git-annex pointer, not the data: `git annex get` fetches them",
    b"\x1f\x8b": "compressed as a whole by gzip: unpack it with gunzip",
}
HELD = (errno.EAGAIN, errno.EACCES)
"""What locking a file answers where another program holds it; anything else is the file system's doing."""


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open for reading; a file that is unreadable, or proves so while it is read, raises InputError.

    It is locked where the file system has locks: one that another program has open for writing is refused.
    """
    try:
        file = _opened(path)
    except OSError as error:
        raise InputError(_why_not_open(path, error)) from None
    with file:
        try:
            yield file
        except (OSError, RuntimeError) as error:
            raise InputError(
                f"{path} cannot be read, it may be damaged: {_one_line(error)}; copy it again"
            ) from None


def _opened(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except OSError as error:
        if "lock file" not in str(error) or error.errno in HELD:
            raise
    return h5py.File(path, "r", locking=False)


def dataset_in(file: h5py.File, path: Path, name: str) -> h5py.Dataset:
    """The dataset `name`; raises InputError with those there are, or the link that leads nowhere."""
    found = _item(file, name) if name else None
    if isinstance(found, h5py.Dataset):
        return found
    dead = _dead_link(file, name)
    if dead:
        raise InputError(f"{path}:{name}: {dead}, which is not there or cannot be opened")
    missing = f"no dataset {name!r}" if name else "to be given as FILE:DATASET"
    raise InputError(f"{path}: {missing}; its datasets: {_list_datasets(file)}")


def require_filters(dataset: h5py.Dataset, uri: str) -> None:
    """Raise InputError where the dataset is compressed by what is not installed; voxels are not read."""
    properties = dataset.id.get_create_plist()
    filters = [properties.get_filter(i) for i in range(properties.get_nfilters())]
    unknown = [(code, name) for code, _, _, name in filters if not h5py.h5z.filter_avail(code)]
    if not unknown:
        return
    try:
        import hdf5plugin  # noqa: F401 - registers its filters
    except ImportError:
        mend = "`pip install hdf5plugin` adds it"
    else:
        unknown = [(code, name) for code, name in unknown if not h5py.h5z.filter_avail(code)]
        mend = "nor can hdf5plugin: write it anew with gzip (h5repack -f GZIP=4) where it can be read"
    if unknown:
        code, name = unknown[0]
        told = FILTERS.get(code) or name.decode(errors="replace").split(";")[0].strip() or "unknown"
        raise InputError(
            f"{uri} is compressed by {told} (HDF5 filter {code}), which h5py alone cannot read: {mend}"
        )


def _why_not_open(path: Path, error: OSError) -> str:
    words = _one_line(error)
    if isinstance(error, FileNotFoundError):
        return (
            f"{path} is a link to {path.readlink()}, which is not there"
            if path.is_symlink()
            else (f"{path}: no such file")
        )
    if path.is_dir():
        return f"{path} is a folder; expected an HDF5 file"
    if "lock file" in words:
        return (
            f"{path} is held open by another program that may be writing it: close it there, or wait; if "
            "nobody writes it, set the environment variable HDF5_USE_FILE_LOCKING=FALSE"
        )
    if isinstance(error, PermissionError):
        return f"{path}: permission denied; it must be readable by who runs this"
    if "already open for write" in words:
        return (
            f"{path} is marked as open for writing: wait until its writer has closed it; if that has died, "
            f"`h5clear -s {path}` removes the mark"
        )
    return f"{path} {_content(path, words)}"


def _content(path: Path, words: str) -> str:
    """What lies there instead of a whole HDF5 file."""
    with suppress(OSError):
        with open(path, "rb") as file:
            start = file.read(64)
        if not start:
            return "is empty (0 bytes); expected an HDF5 file"
        for beginning, told in POINTERS.items():
            if start.startswith(beginning):
                return f"is {told}"
    cut = re.search(r"truncated file: eof = (\d+), .*stored_eof = (\d+)", words)
    if cut:
        return (
            f"is not a readable HDF5 file: it is cut off, with {cut[1]} of its {cut[2]} bytes; copy it again"
        )
    return f"is not a readable HDF5 file: {words}"


def _item(file: h5py.File, name: str) -> h5py.HLObject | None:
    try:
        return file.get(name)
    except (KeyError, OSError, RuntimeError):  # a link to a file that cannot be opened
        return None


def _dead_link(file: h5py.File, name: str) -> str:
    """The first link on the way to `name` that leads nowhere, in words; nothing if there is none."""
    parts = name.strip("/").split("/")
    for end in range(1, len(parts) + 1):
        at = "/".join(parts[:end])
        if _item(file, at) is not None:
            continue
        link = file.get(at, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            return f"{at} is a link to {link.path} in file {link.filename}"
        return f"{at} is a link to {link.path}" if isinstance(link, h5py.SoftLink) else ""
    return ""


def _list_datasets(file: h5py.File) -> str:
    names: list[str] = []
    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return (", ".join(names[:LISTED]) or "none") + more


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
