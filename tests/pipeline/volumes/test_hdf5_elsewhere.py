"""HDF5 datasets whose voxels lie in other files: virtual ones, and raw files beside them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.volumes.choice import Choice
from pipeline.volumes.hdf5 import Hdf5Volume
from tests.pipeline.volumes.small_hdf5 import IMAGE, SHAPE, error_of, held, made


def virtual(folder: Path, edges: list[int], name: str = "s{}.h5") -> Path:
    """A dataset of which each source has the planes between two of `edges`; others are in no source."""
    layout = h5py.VirtualLayout((edges[-1], 4, 4), "u1")
    for i, (start, stop) in enumerate(pairwise(edges)):
        with h5py.File(folder / name.format(i), "w") as file:
            file["d"] = np.full((stop - start, 4, 4), i + 1, np.uint8)
        layout[start:stop] = h5py.VirtualSource(name.format(i), "d", (stop - start, 4, 4))
    return made(folder, lambda file: file.create_virtual_dataset("raw", layout, fillvalue=9) and None)


def test_parts_of_a_virtual_dataset_without_a_source_are_missing(tmp_path: Path) -> None:
    path = virtual(tmp_path, [0, 4, 8, 10])
    volume = Hdf5Volume(path, "raw", Choice())
    assert volume.missing(volume.box) == []
    before = volume.stamp
    (tmp_path / "s1.h5").unlink()
    with h5py.File(tmp_path / "s2.h5", "w") as file:
        file["other"] = IMAGE
    volume = Hdf5Volume(path, "raw", Choice())
    assert volume.chunk == (4, 4, 4)
    assert [(box.start[0], box.stop[0]) for box in volume.missing(volume.box)] == [(4, 8), (8, 10)]
    assert volume.read(volume.box)[:, 0, 0].tolist() == [1] * 4 + [9] * 6
    assert volume.stamp != before


def test_a_source_that_was_written_in_part_is_missing(tmp_path: Path) -> None:
    path = virtual(tmp_path, [0, 4, 8])
    with h5py.File(tmp_path / "s1.h5", "r+") as file:
        shape, (name,) = (4, 4, 4), file
        del file[name]
        file.create_dataset(name, shape, np.uint8, chunks=(2, 4, 4))[:2] = 5
    volume = Hdf5Volume(path, "raw", Choice())
    assert volume.read(volume.box)[:, 0, 0].tolist() == [1] * 4 + [5] * 2 + [0] * 2
    assert [(box.start[0], box.stop[0]) for box in volume.missing(volume.box)] == [(4, 8)]


def test_what_no_source_of_a_virtual_dataset_covers_is_missing(tmp_path: Path) -> None:
    volume = Hdf5Volume(virtual(tmp_path, [5, 26, 47]), "raw", Choice())
    assert volume.chunk == (21, 4, 4)  # no grid of 21 fits these edges: what is doubtful is missing
    assert [box.start[0] for box in volume.missing(volume.box)] == [0]


def test_planes_between_those_of_a_source_are_missing_unless_another_has_them(tmp_path: Path) -> None:
    """As two cameras take turns: each file has every second plane."""
    layout = h5py.VirtualLayout((6, 4, 4), "u1")
    for i in range(2):
        with h5py.File(tmp_path / f"s{i}.h5", "w") as file:
            file["d"] = np.full((3, 4, 4), i + 1, np.uint8)
        layout[i::2] = h5py.VirtualSource(f"s{i}.h5", "d", (3, 4, 4))
    path = made(tmp_path, lambda file: file.create_virtual_dataset("raw", layout) and None)
    volume = Hdf5Volume(path, "raw", Choice())
    assert volume.missing(volume.box) == []
    (tmp_path / "s1.h5").unlink()
    volume = Hdf5Volume(path, "raw", Choice())
    assert [box.start[0] for box in volume.missing(volume.box)] == [1, 3, 5]
    assert volume.read(volume.box)[:, 0, 0].tolist() == [1, 0] * 3


def test_a_source_in_too_many_pieces_is_told(tmp_path: Path) -> None:
    layout = h5py.VirtualLayout((1, 300, 160), "u1")
    layout[:, ::2, ::2] = h5py.VirtualSource("s0.h5", "d", (1, 150, 80))
    path = made(tmp_path, lambda file: file.create_virtual_dataset("raw", layout) and None)
    assert "12,000 pieces of s0.h5" in error_of(path)


def test_a_virtual_source_is_missing_where_its_own_sources_are(tmp_path: Path) -> None:
    virtual(tmp_path, [0, 4, 8]).rename(tmp_path / "inner.h5")
    layout = h5py.VirtualLayout((8, 4, 4), "u1")
    layout[...] = h5py.VirtualSource("inner.h5", "raw", (8, 4, 4))
    path = made(tmp_path, lambda file: file.create_virtual_dataset("raw", layout) and None)
    volume = Hdf5Volume(path, "raw", Choice())
    assert volume.missing(volume.box) == []
    (tmp_path / "s1.h5").unlink()
    volume = Hdf5Volume(path, "raw", Choice())
    assert volume.missing(volume.box) == [volume.box]


def test_a_source_that_another_program_holds_is_missing(tmp_path: Path) -> None:
    path = virtual(tmp_path, [0, 4, 8])
    with held(tmp_path / "s1.h5"):
        volume = Hdf5Volume(path, "raw", Choice())
        assert [box.start[0] for box in volume.missing(volume.box)] == [4]


def test_raw_files_that_are_not_there_or_too_short_are_told(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        parts = [("a.bin", 0, 100), ("b.bin", 8, IMAGE.size - 100)]
        file.create_dataset("raw", data=IMAGE, external=[(str(tmp_path / n), o, s) for n, o, s in parts])

    path = made(tmp_path, fill)
    volume = Hdf5Volume(path, "raw", Choice())
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE)
    whole = (tmp_path / "b.bin").read_bytes()
    (tmp_path / "b.bin").write_bytes(whole[:-1])
    assert f"which has {len(whole) - 1} of {len(whole)} bytes" in error_of(path)
    (tmp_path / "b.bin").unlink()
    assert "b.bin, which is not there" in error_of(path)


def test_raw_files_are_those_beside_the_file_wherever_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HDF5 alone takes the names as those of files where the program was started."""
    path = made(
        tmp_path,
        lambda file: file.create_dataset("a/raw", SHAPE, "u1", external=[("r.bin", 0, 999)]) and None,
    )
    (tmp_path / "r.bin").write_bytes(IMAGE.tobytes())
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    Path("r.bin").write_bytes(bytes(IMAGE.size))
    volume = Hdf5Volume(path, "a/raw", Choice())
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE)
