"""HDF5: where a dataset lies, what of it is missing, and why a file cannot be read."""

from __future__ import annotations

import errno
import subprocess
import sys
import tempfile
from itertools import permutations
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.geometry import Box, Triple
from pipeline.volumes import hdf5_file
from pipeline.volumes.choice import Choice
from pipeline.volumes.hdf5 import Hdf5Volume
from tests.pipeline.volumes.small_hdf5 import IMAGE, SHAPE, error_of, held, made
from tests.pipeline.volumes.writers_hdf5 import write_hdf5


def opened(uri: str, choice: Choice | None = None) -> Hdf5Volume:
    path, _, dataset = uri.rpartition(":")
    return Hdf5Volume(Path(path), dataset, choice or Choice())


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


@pytest.mark.parametrize(
    ("labels", "order"),
    [
        (np.array([b"x", b"y", b"z"]), (2, 1, 0)),
        (np.array([b"x", b"z", b"y"], "S8"), (1, 2, 0)),
        ("xyz", (2, 1, 0)),
        (np.array([1, 2, 3]), (0, 1, 2)),
    ],
)
def test_labels_of_dimensions_may_be_text_of_a_fixed_length(
    labels: object, order: tuple[int, int, int], tmp_path: Path
) -> None:
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["raw"] = IMAGE
        file["raw"].attrs["DIMENSION_LABELS"] = labels
    volume = Hdf5Volume(tmp_path / "v.h5", "raw", Choice())
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE.transpose(order))


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
    with pytest.raises(InputError, match=r"has 1 voxel of NaN"):
        volume.read(volume.box)


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


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, 524])
def test_where_the_file_system_has_no_locks_a_file_is_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    path, really_open = made(tmp_path, lambda file: file.update({"raw": IMAGE})), h5py.File

    def refusing(name: Path, mode: str, locking: bool | None = None) -> h5py.File:
        if locking is None:
            raise OSError(code, "Unable to synchronously open file (unable to lock file)")
        return really_open(name, mode, locking=locking)

    monkeypatch.setattr(hdf5_file.h5py, "File", refusing)
    np.testing.assert_array_equal(Hdf5Volume(path, "raw", Choice()).read(Box.of_shape(SHAPE)), IMAGE)


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


@pytest.mark.parametrize("padding", [0, 1])
def test_what_imaris_pads_is_not_taken_for_the_image(padding: int, tmp_path: Path) -> None:
    name = "DataSet/ResolutionLevel 0/TimePoint 0/Channel 0/Data"

    def fill(file: h5py.File) -> None:
        file.create_dataset(name, data=np.pad(IMAGE, [(0, padding)] * 3), chunks=(3, 7, 2))
        for axis, length in zip("ZYX", SHAPE):
            file[name].parent.attrs[f"ImageSize{axis}"] = np.array(list(str(length)), "S1")

    volume = Hdf5Volume(made(tmp_path, fill), name, Choice())
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE)
    assert volume.format == ("HDF5 of Imaris, without its padding" if padding else "HDF5")
    assert volume.missing(volume.box) == []
