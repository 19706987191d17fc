"""HDF5: where a dataset lies, what of it is missing, and why a file cannot be read."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from itertools import pairwise, permutations
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.geometry import Box, Triple
from pipeline.volumes.choice import Choice
from pipeline.volumes.hdf5 import Hdf5Volume
from tests.pipeline.volumes.writers_hdf5 import write_hdf5

SHAPE = (6, 7, 8)
IMAGE = np.random.default_rng(1).integers(1, 256, SHAPE, dtype=np.uint8)


def opened(uri: str, choice: Choice | None = None) -> Hdf5Volume:
    path, _, dataset = uri.rpartition(":")
    return Hdf5Volume(Path(path), dataset, choice or Choice())


def made(folder: Path, fill: Callable[[h5py.File], None]) -> Path:
    with h5py.File(folder / "v.h5", "w") as file:
        fill(file)
    return folder / "v.h5"


def error_of(path: Path, dataset: str = "raw", choice: Choice | None = None) -> str:
    with pytest.raises(InputError) as caught:
        Hdf5Volume(path, dataset, choice or Choice())
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


numbers = st.tuples(*[st.integers(-50, 50)] * 3)
sizes = st.tuples(*[st.sampled_from([1, 4, 8.5, 33.3, 40])] * 3)
lengths = st.tuples(*[st.integers(1, 9)] * 3)


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    pairs = [sorted(draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in SHAPE]
    (z0, z1), (y0, y1), (x0, x1) = pairs
    return Box((z0, y0, x0), (z1, y1, x1))


@given(
    origin=numbers,
    size=sizes,
    chunk=st.none() | lengths,
    axes=st.sampled_from(["".join(p) for p in permutations("zyx")]),
    box=boxes(),
)
@settings(max_examples=60)
def test_voxels_lie_where_the_attributes_say(
    origin: Triple, size: Triple, chunk: Triple | None, axes: str, box: Box
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        volume = opened(write_hdf5(Path(folder), IMAGE, origin, size, chunk, axes))
        assert volume.box == Box.of_shape(SHAPE, origin)
        assert volume.voxel_size_nm == pytest.approx(size)
        np.testing.assert_array_equal(volume.read(box.translate(origin)), IMAGE[box.slices()])
        assert volume.missing(volume.box) == []


def test_the_run_files_axes_name_also_the_numbers_of_the_attributes(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        file["raw"] = IMAGE.T
        file["raw"].attrs.update({"resolution": (4, 5, 40), "offset": (8, 15, 80)})

    volume = Hdf5Volume(made(tmp_path, fill), "raw", Choice(axes="xyz"))
    assert volume.voxel_size_nm == (40, 5, 4)
    assert volume.box == Box.of_shape(SHAPE, (2, 3, 2))
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE)


def test_labels_of_dimensions_name_axes_and_a_channel_is_chosen(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        file.create_dataset("raw", data=np.stack([IMAGE.T, IMAGE.T // 2], -1), chunks=(3, 7, 2, 1))
        for dimension, label in zip(file["raw"].dims, "xyzc"):
            dimension.label = label

    path = made(tmp_path, fill)
    assert "2 channels; set data.channel" in error_of(path)
    volume = Hdf5Volume(path, "raw", Choice(channel=1))
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE // 2)
    assert volume.chunk == (2, 7, 3)
    assert volume.missing(volume.box) == []


def test_a_groups_voxel_size_counts_where_all_its_arrays_have_one_shape(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        file["volumes/raw"], file["volumes/labels"] = IMAGE, IMAGE
        file["volumes"].attrs.update({"resolution": (40, 4, 4), "offset": (80, 4, 0)})

    path = made(tmp_path, fill)
    volume = Hdf5Volume(path, "volumes/raw", Choice())
    assert (volume.voxel_size_nm, volume.box.start) == ((40, 4, 4), (2, 1, 0))
    with h5py.File(path, "a") as file:
        file["volumes/crop"] = IMAGE[:2]
    assert "set data.voxel_size_nm and set data.origin" in error_of(path, "volumes/raw")
    chosen = Choice(voxel_size_nm=(9, 9, 9), origin=(1, 2, 3))
    volume = Hdf5Volume(path, "volumes/raw", chosen)
    assert (volume.voxel_size_nm, volume.box.start) == ((9, 9, 9), (1, 2, 3))


def test_big_data_viewers_int16_is_the_uint16_that_it_means(tmp_path: Path) -> None:
    values = np.array([0, 1, 32767, 32768, 40000, 65535], np.uint16).reshape(1, 2, 3)

    def fill(file: h5py.File) -> None:
        file["t00000/s00/0/cells"] = values.view(np.int16)
        file["t00000/s01/0/cells"] = values.view(np.int16).astype(">i2")
        file["t00000/s02/0/cells"] = values
        file["raw"] = values.view(np.int16)

    path = made(tmp_path, fill)
    for setup in range(3):
        volume = Hdf5Volume(path, f"t00000/s{setup:02}/0/cells", Choice())
        assert volume.dtype == np.uint16
        np.testing.assert_array_equal(volume.read(volume.box), values)
        assert ("taken for uint16" in volume.format) == (setup < 2)
    signed = Hdf5Volume(path, "raw", Choice())
    assert (signed.dtype, signed.format) == (np.int16, "HDF5")
    np.testing.assert_array_equal(signed.read(signed.box), values.view(np.int16))


def test_a_level_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path, lambda file: file.create_dataset("raw", data=IMAGE) and None)
    assert "has no levels; data.mip must be 0" in error_of(path, choice=Choice(level=1))


def test_chunks_never_written_are_missing(tmp_path: Path) -> None:
    written = Box((2, 0, 4), (4, 4, 8))

    def fill(file: h5py.File) -> None:
        dataset = file.create_dataset("raw", SHAPE, "u1", chunks=(2, 4, 4))
        dataset[written.slices()] = 5
        dataset.attrs.update({"resolution": (1, 1, 1), "offset": (-3, 10, 0)})
        file.create_dataset("chunks", SHAPE, "u1", chunks=(2, 4, 4))
        file.create_dataset("plain", SHAPE, "u1")

    path = made(tmp_path, fill)
    volume = Hdf5Volume(path, "raw", Choice())
    expected = [box for box in volume.chunks(volume.box) if box != written.translate((-3, 10, 0))]
    assert len(expected) == 3 * 2 * 2 - 1
    assert volume.missing(volume.box) == expected
    assert volume.read(expected[0]).max() == 0
    assert len(Hdf5Volume(path, "chunks", Choice()).missing(Box.of_shape(SHAPE))) == 12
    assert Hdf5Volume(path, "plain", Choice()).missing(Box.of_shape((1, 1, 1))) == [Box.of_shape(SHAPE)]


@pytest.mark.parametrize(("fill", "read_as"), [(0.0, 0.0), (7.0, 7.0), (np.nan, 0.0), (np.inf, 0.0)])
def test_chunks_never_written_are_missing_and_read_whatever_the_fill_value(
    tmp_path: Path, fill: float, read_as: float
) -> None:
    def write(file: h5py.File) -> None:
        dataset = file.create_dataset("raw", SHAPE, "f4", chunks=(2, 4, 4), fillvalue=fill)
        dataset[:2] = IMAGE[:2]
        dataset.attrs.update({"resolution": (1, 1, 1), "offset": (-3, 10, 0)})
        file.create_dataset("plain", SHAPE, "f4", fillvalue=fill)

    path = made(tmp_path, write)
    volume = Hdf5Volume(path, "raw", Choice())
    assert len(volume.missing(volume.box)) == 2 * 2 * 2
    read = volume.read(volume.box)
    np.testing.assert_array_equal(read[:2], IMAGE[:2])
    assert (read[2:] == read_as).all()
    plain = Hdf5Volume(path, "plain", Choice())
    assert (plain.read(plain.box) == read_as).all()
    with h5py.File(path, "a") as file:
        file["raw"][0, 0, 0] = np.nan
    with pytest.raises(InputError, match=r"has 1 voxels .* NaN"):
        volume.read(volume.box)


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


def test_links_that_lead_nowhere_name_their_target(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        file["soft"], file["a/ext"] = h5py.SoftLink("/gone"), h5py.ExternalLink("none.h5", "/d")

    path = made(tmp_path, fill)
    assert "soft is a link to /gone, which is not there" in error_of(path, "soft")
    assert "a/ext is a link to /d in file none.h5" in error_of(path, "a/ext/x")
    assert error_of(path, "nothing").endswith("no dataset 'nothing'; its datasets: none")


def test_a_dataset_behind_an_external_link_has_the_identity_of_its_file(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["d"] = IMAGE
    path = made(tmp_path, lambda file: file.update({"raw": h5py.ExternalLink("data.h5", "/d")}))
    before = Hdf5Volume(path, "raw", Choice()).stamp
    with h5py.File(tmp_path / "data.h5", "a") as file:
        file["more"] = IMAGE
    assert Hdf5Volume(path, "raw", Choice()).stamp != before


@pytest.mark.parametrize(
    ("packing", "name"), [("Bitshuffle", "bitshuffle"), ("Blosc", "blosc"), ("Zstd", "zstd")]
)
def test_filters_of_hdf5plugin(packing: str, name: str, tmp_path: Path) -> None:
    pytest.importorskip("hdf5plugin", reason="hdf5plugin writes the file of this test")
    write = (
        "import sys, h5py, hdf5plugin, numpy as np\n"
        "file, image = h5py.File(sys.argv[1], 'w'), np.load(sys.argv[2])\n"
        f"file.create_dataset('raw', data=image, **hdf5plugin.{packing}())"
    )
    read = (
        "import sys, numpy as np\n"
        "if sys.argv[3] == 'without': sys.modules['hdf5plugin'] = None\n"
        "from pathlib import Path\n"
        "from pipeline.volumes.choice import Choice\n"
        "from pipeline.volumes.hdf5 import Hdf5Volume\n"
        "try: volume = Hdf5Volume(Path(sys.argv[1]), 'raw', Choice())\n"
        "except ValueError as error: print(error)\n"
        "else: print((volume.read(volume.box) == np.load(sys.argv[2])).all())"
    )
    np.save(tmp_path / "a.npy", IMAGE)

    def run(code: str, *extra: str) -> str:
        files = [str(tmp_path / "v.h5"), str(tmp_path / "a.npy")]
        done = subprocess.run([sys.executable, "-c", code, *files, *extra], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    # processes of their own: filters stay registered in one that has imported hdf5plugin
    run(write)
    assert run(read, "with").strip() == "True"
    told = run(read, "without")
    assert f"is compressed by {name} (HDF5 filter" in told
    assert "pip install hdf5plugin" in told


def test_a_file_that_another_program_writes_is_told_as_that(tmp_path: Path) -> None:
    path = made(tmp_path, lambda file: file.update({"raw": IMAGE}))
    with held(path):
        message = error_of(path)
    assert "is held open by another program" in message
    assert "HDF5_USE_FILE_LOCKING=FALSE" in message
    assert "not a readable" not in message
    assert Hdf5Volume(path, "raw", Choice()).shape == SHAPE


class held:  # noqa: N801 - used as a block
    """Another process holds the file open for writing."""

    def __init__(self, path: Path) -> None:
        code = f"import h5py\nfile = h5py.File({str(path)!r}, 'r+')\nprint(1, flush=True)\ninput()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __enter__(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"1\n"

    def __exit__(self, *_: object) -> None:
        self._process.communicate(b"\n")


def test_what_lies_there_instead_of_an_hdf5_file_is_told(tmp_path: Path) -> None:
    path = made(tmp_path, lambda file: file.update({"raw": IMAGE}))
    whole = path.read_bytes()
    for content, told in (
        (whole[:900], f"is cut off, with 900 of its {len(whole)} bytes"),
        (b"", "is empty (0 bytes)"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "is a Git LFS pointer"),
        (b"this is text", "is not a readable HDF5 file"),
    ):
        path.write_bytes(content)
        assert told in error_of(path)
    (tmp_path / "folder.h5").mkdir()
    assert "is a folder" in error_of(tmp_path / "folder.h5")
    (tmp_path / "link.h5").symlink_to("gone.h5")
    assert "is a link to gone.h5, which is not there" in error_of(tmp_path / "link.h5")
    assert error_of(tmp_path / "none.h5").endswith("none.h5: no such file")


def test_no_permission_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(h5py, "File", refuse)  # tests may run as root, whom no mode keeps out
    path = tmp_path / "v.h5"
    path.touch()
    assert "permission denied" in error_of(path)


def test_a_file_that_its_writer_never_closed_is_told(tmp_path: Path) -> None:
    path = tmp_path / "v.h5"
    code = (
        "import sys, os, h5py\n"
        "file = h5py.File(sys.argv[1], 'w', libver='latest')\n"
        "file['raw'] = 1\nfile.flush()\nos._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    assert f"`h5clear -s {path}`" in error_of(path)


def test_read_only_files_are_read(tmp_path: Path) -> None:
    path = made(tmp_path, lambda file: file.update({"raw": IMAGE}))
    path.chmod(0o444)
    volume = Hdf5Volume(path, "raw", Choice())
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE)


def test_a_damaged_chunk_is_an_input_error(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        file.create_dataset("raw", data=IMAGE, chunks=SHAPE, compression="gzip")

    path = made(tmp_path, fill)
    with h5py.File(path) as file:
        chunk = file["raw"].id.get_chunk_info(0)
    with open(path, "r+b") as raw:
        raw.seek(chunk.byte_offset)
        raw.write(bytes(chunk.size))
    volume = Hdf5Volume(path, "raw", Choice())
    with pytest.raises(InputError, match="cannot be read, it may be damaged"):
        volume.read(volume.box)
