"""Find out the format of a volume from its uri and from what lies there, and open it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import h5py

from pipeline.errors import InputError
from pipeline.machine.s3_host import by_alias
from pipeline.volumes.address import Address, Where, address, look_up
from pipeline.volumes.choice import Choice
from pipeline.volumes.listing import volumes_below, why_absent
from pipeline.volumes.other_formats import other_file
from pipeline.volumes.refusal import refusal
from pipeline.volumes.volume import Volume

FORMATS = (
    "HDF5 (FILE:DATASET), Neuroglancer precomputed (precomputed://...), Zarr and OME-Zarr (zarr://... or a "
    "folder), N5 (n5://... or a folder), TIFF (.tif, .tiff, .btf), NumPy (.npy), a folder of slices or "
    "FOLDER/*.tif"
)
TIFF_SUFFIXES = (".tif", ".tiff", ".btf")
"""The last one is BigTIFF's, as Bio-Formats writes it."""
REMOTE = ("s3", "gs", "https", "http", "middleauth+https", "ngauth+https")
CONTAINERS = (".zarr", ".n5")
PIPED = re.compile(r"(?P<where>.+?)/?\|(?P<format>neuroglancer-precomputed|zarr[23]?|n5):/?(?P<part>[^|]*)")
"""How Neuroglancer writes an address and its format since 2025."""

ZARR = ("zarr", "zarr2", "zarr3")


def open_volume(uri: str, choice: Choice | None = None) -> Volume:
    """Open the volume at `uri` without reading voxels; the package's docstring lists the formats.

    `choice` says what of it is wanted, and what goes before what the file says. Raises InputError when there
    is no volume that can be read.
    """
    choice, uri = choice or Choice(), _unpiped(uri)
    # CloudVolume, zarr and tifffile take up to a second to import: only those who use them wait.
    scheme, separator, rest = split_scheme(uri)
    if not separator:
        return _open_path(uri, choice)
    if scheme == "graphene":
        return _open_precomputed(uri, choice)  # which says what that is
    if scheme == "precomputed" and "://" in rest:
        return _open_precomputed(rest, choice)
    scheme = "zarr" if scheme in ZARR else scheme
    if scheme in REMOTE:
        return _open_path(uri, choice)
    rest = os.path.expanduser(rest)  # which no shell does there
    if scheme == "zarr":
        return _open_zarr(*_container(rest), choice)
    if scheme == "n5":
        return _open_n5(*_container(rest), choice)
    if scheme == "file" and not (Path(rest) / "info").is_file():
        return _open_path(rest, choice)
    if scheme in ("precomputed", "file"):
        return _open_precomputed(f"file://{Path(rest).absolute()}", choice)
    raise InputError(f"volume {uri}: unknown scheme {scheme!r}; expected precomputed, file, zarr or n5")


def split_scheme(uri: str) -> tuple[str, str, str]:
    """As `uri.partition("://")`; of a path it is no matter whether file:// stands before it again."""
    scheme, separator, rest = uri.partition("://")
    return scheme, separator, rest.removeprefix("file://")


def is_address(uri: str) -> bool:
    """Whether it leads elsewhere than to a path."""
    scheme, _, rest = split_scheme(uri)
    return scheme in REMOTE or "://" in rest


def _unpiped(uri: str) -> str:
    """`gs://bucket/em/|zarr2:s0` -> `zarr2://gs://bucket/em:s0`; any other uri as it is, and a path that is
    there."""
    found = PIPED.fullmatch(uri)
    if found is None or split(uri)[0].exists():
        return uri
    format, part = found["format"].removeprefix("neuroglancer-"), found["part"].strip("/")
    return f"{format}://{found['where'].removeprefix(f'{format}://')}" + (f":{part}" if part else "")


def split(location: str) -> tuple[Path, str]:
    """`PATH:PART` -> (PATH, PART); PART is empty when there is none."""
    match = re.fullmatch(r"(.+?):([^:]+)", location)
    if match is None or Path(location).exists():
        return Path(location), ""
    return Path(match[1]), match[2]


def _container(location: str) -> tuple[Where, str]:
    """`split`, also of a path that leads to nothing below a Zarr or N5 folder: its error lists what is there.

    Raises InputError where it leads on below a file; of HDF5 it says how a dataset is written.
    """
    if "://" in location:
        return _elsewhere(location)
    path, part = split(location)
    above = next((folder for folder in path.parents if folder.exists()), path)
    if above.is_file():
        inner = path.relative_to(above).as_posix()
        dataset = f"an HDF5 file; write FILE:DATASET, that is {above}:{inner}"
        what = dataset if h5py.is_hdf5(above) else "a file; nothing lies below it"
        raise InputError(f"{path}: {above} is {what}")
    container = next((folder for folder in (above, *above.parents) if folder.suffix in CONTAINERS), path)
    if path.exists() or part or container == path:
        return path, part
    return container, path.relative_to(container).as_posix()


def _elsewhere(location: str) -> tuple[Address, str]:
    """The same of an address. Raises InputError where it is none."""
    from cloudfiles.paths import get_protocol

    found = address(location)
    if found is None or get_protocol(by_alias(location)) is None:
        raise InputError(
            f"{location} leads nowhere: an address is s3://BUCKET/FOLDER, s3://https://HOST/BUCKET/FOLDER, "
            "gs://BUCKET/FOLDER, https://HOST/FOLDER or http://HOST/FOLDER, with :PART behind it for a part"
        )
    path, part = found
    for container in (path, *path.parents):
        if container.suffix in CONTAINERS:
            inner = path.relative_to(container) / part
            return container, "/".join(inner.parts)
    return path, part


def _open_path(location: str, choice: Choice) -> Volume:
    path, part = _container(location)
    for pattern, opener in ((r"\.zarr(\.zip)?(/|$)", _open_zarr), (r"\.n5(/|$)", _open_n5)):
        if re.search(pattern, str(path)):
            return opener(path, part, choice)
    if isinstance(path, Address) or path.is_dir():
        return _open_folder(path, part, choice)
    if "*" in path.name and not path.exists():
        return _open_slices(path.parent, path.name, choice)
    if path.suffix.lower() in TIFF_SUFFIXES:
        from pipeline.volumes.tiff import TiffVolume

        return TiffVolume(path, choice)
    if path.suffix.lower() == ".npz":
        raise InputError(f"{path} holds several arrays; save the volume alone, with numpy.save, as .npy")
    if path.suffix.lower() == ".npy":
        from pipeline.volumes.npy import NpyVolume

        return NpyVolume(path, choice)
    return _open_hdf5(path, part, choice)


def _open_folder(path: Where, part: str, choice: Choice) -> Volume:
    """Folders are told apart by the files that describe their data. Raises InputError."""
    inner = path / part if part else path
    formats = ((("zarr.json", ".zarray", ".zgroup", ".zattrs"), _open_zarr), (("attributes.json",), _open_n5))
    try:
        look_up(
            [inner / "info", *(f / name for names, _ in formats for name in names for f in (path, inner))]
        )
        if (inner / "info").is_file():
            here = isinstance(inner, Path)
            return _open_precomputed(f"file://{inner.absolute()}" if here else str(inner), choice)
        for names, opener in formats:
            if any((folder / name).is_file() for folder in (path, inner) for name in names):
                return opener(path, part, choice)
    except OSError as error:
        raise refusal(f"{inner} cannot be opened", error, str(inner)) from None
    if isinstance(inner, Address):
        raise InputError(
            f"{inner} is no volume that is read from there: it has neither info (Neuroglancer precomputed), "
            "zarr.json, .zarray, .zgroup or .zattrs (Zarr), nor attributes.json (N5)"
            + (volumes_below(inner) or why_absent(inner))
        )
    return _open_slices(inner, "*", choice)


def _open_precomputed(cloudpath: str, choice: Choice) -> Volume:
    from pipeline.volumes.precomputed import PrecomputedVolume

    return PrecomputedVolume(cloudpath, choice)


def _open_zarr(path: Where, part: str, choice: Choice) -> Volume:
    from pipeline.volumes.zarr_array import open_zarr

    return open_zarr(path, part, choice)


def _open_n5(path: Where, part: str, choice: Choice) -> Volume:
    from pipeline.volumes.n5 import open_n5

    return open_n5(path, part, choice)


def _open_slices(folder: Path, pattern: str, choice: Choice) -> Volume:
    from pipeline.volumes.slice_folder import SliceVolume
    from pipeline.volumes.slice_names import visible_files
    from pipeline.volumes.tiff import TiffVolume
    from pipeline.volumes.tiff_file import has_pages

    files = visible_files(folder, pattern)
    if len(files) == 1 and files[0].suffix.lower() in TIFF_SUFFIXES and has_pages(files[0]):
        return TiffVolume(files[0], choice)
    return SliceVolume(folder, choice, pattern)


def _open_hdf5(path: Path, part: str, choice: Choice) -> Volume:
    from pipeline.volumes.hdf5 import Hdf5Volume
    from pipeline.volumes.neuroproof import NeuroproofVolume

    part = part.strip("/")  # to HDF5 /stack and stack are one
    if path.is_file() and not h5py.is_hdf5(path) and path.suffix.lower() not in (".h5", ".hdf5", ".hdf"):
        other = other_file(path)
        raise InputError(
            f"{path} is {other}" if other else f"{path} is of no known format; these are read: {FORMATS}"
        )
    if part == "stack" and path.exists() and NeuroproofVolume.is_at(path):
        return NeuroproofVolume(path, choice)
    return Hdf5Volume(path, part, choice)
