"""The FIB-25 sample (Drosophila medulla, FIB-SEM, voxels of 10 nm) and the network published for it.

Image and truth are by FlyEM, Janelia Research Campus (github.com/janelia-flyem/neuroproof_examples, with its
licence); the network is google/ffn's (github.com/google/ffn, Apache 2.0), by Januszewski et al. 2018.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable
from pathlib import Path

import h5py
import numpy as np

from pipeline.downloads.fetch import Download
from pipeline.errors import InputError
from pipeline.results.artifacts import Artifact, Recipe, Target
from pipeline.results.hdf5_file import write_hdf5
from pipeline.results.records import discard, inspect, make
from pipeline.volumes import open_volume

SAMPLE = "https://raw.githubusercontent.com/janelia-flyem/neuroproof_examples/master/training_sample2"
NETWORK = "https://raw.githubusercontent.com/google/ffn/master/models/fib25"
CHECKPOINT = "model.ckpt-27465036"

IMAGE = Download(
    "image",
    {f"grayscale_maps/iso.{n}.png": f"{SAMPLE}/grayscale_maps/iso.{n}.png" for n in range(2600, 2850)},
    "db6a4d0b9f3eb66cee808399bdba8d9421c8b3c01bf5c3030242a1df291eeb4c",
)
TRUTH = Download(
    "truth",
    {"groundtruth.h5.gz": f"{SAMPLE}/groundtruth.h5.gz"},
    "0cf869f51c49653d6ae4219ece2bcc20bea6026d1544108eeb5a9cfdd2b9f17a",
)
WEIGHTS = Download(
    "network, weights",
    {
        f"checkpoint/{CHECKPOINT}.data-00000-of-00001": f"{NETWORK}/{CHECKPOINT}.data-00000-of-00001",
    },
    "a2910768255bbb1dc5be27a947e4107dd29ccd221646b676ec225981af5526f1",
)
INDEX = Download(
    "network, index",
    {f"checkpoint/{CHECKPOINT}.index": f"{NETWORK}/{CHECKPOINT}.index"},
    "6c7b66baa8dae766907f86ca068517fedcfdd85fb7e322d05cd2401ab7b252cc",
)
DOWNLOADS = (IMAGE, TRUTH, WEIGHTS, INDEX)

VOXEL_SIZE_NM = (10.0, 10.0, 10.0)
SCORED_SLICES = 125
"""Of the truth, the first half: configs/fib25.yaml scores it."""

Make = Callable[[Path, Path], None]
"""Given the folder of the data set and a temporary file to write to."""


def convert(folder: Path, downloads: Iterable[Download] = DOWNLOADS) -> list[Path]:
    """Make of what was fetched the HDF5 files that configs/fib25.yaml names; returns those made now.

    One that is there as it was made is left alone. Raises InputError when what was fetched is not of the form
    that is expected, or the disk refuses.
    """
    sha256 = {download.what: download.sha256 for download in downloads}
    steps: tuple[tuple[str, str, Make], ...] = (
        ("grayscale_maps.h5", "image", _stack),
        ("groundtruth.h5", "truth", _unpack),
        (f"groundtruth_z000_{SCORED_SLICES}.h5", "truth", _cut),
    )
    made = []
    for name, source, write in steps:
        target = Target(folder / name, Recipe("fib25", 1, {"file": name}, {source: sha256[source]}))
        if isinstance(inspect(target, verify=True), Artifact):
            continue
        discard(target)
        make(target, lambda temporary, write=write: write(folder, temporary))  # type: ignore[misc]
        made.append(target.path)
    return made


def _stack(folder: Path, temporary: Path) -> None:
    """The slices as one dataset `raw`, (z, y, x) uint8."""
    slices = open_volume(str(folder / "grayscale_maps" / "iso.*.png"))
    image = slices.read(slices.box)

    def fill(file: h5py.File) -> None:
        _dataset(file, "raw", image)

    write_hdf5(temporary, fill)


def _unpack(folder: Path, temporary: Path) -> None:
    temporary.write_bytes(gzip.decompress((folder / "groundtruth.h5.gz").read_bytes()))


def _cut(folder: Path, temporary: Path) -> None:
    """Supervoxels `stack` of the first slices, (z, y, x), and `transforms`, the body of each supervoxel."""
    path = folder / "groundtruth.h5"
    with h5py.File(path, "r", locking=False) as whole:
        if not {"stack", "transforms"} <= set(whole) or whole["stack"].ndim != 3:
            raise InputError(
                f"{path} holds {', '.join(whole)}; expected stack, of three dimensions, and transforms: "
                "it is another file upstream by now; a newer version of this program may know it"
            )
        stack, transforms = whole["stack"][:SCORED_SLICES], whole["transforms"][()]

    def fill(file: h5py.File) -> None:
        _dataset(file, "stack", stack)
        file.create_dataset("transforms", data=transforms, track_times=False)

    write_hdf5(temporary, fill)


def _dataset(file: h5py.File, name: str, voxels: np.ndarray) -> None:
    chunks = tuple(min(64, length) for length in voxels.shape)
    dataset = file.create_dataset(name, data=voxels, chunks=chunks, compression="gzip", track_times=False)
    dataset.attrs["resolution"] = VOXEL_SIZE_NM
