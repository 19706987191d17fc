"""HDF5 as people have it: what was never written, what is elsewhere, what is packed or held by others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.volumes import open_volume

SHAPE = (8, 8, 8)
IMAGE = np.random.default_rng(1).integers(1, 256, SHAPE, dtype=np.uint8)


def missing_of(uri: str) -> list[str]:
    volume = open_volume(uri)
    return [str(box) for box in volume.missing(volume.box)]


def error_of(uri: str) -> str:
    with pytest.raises(InputError) as caught:
        open_volume(uri)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_was_never_written_is_missing(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "v.h5", "w") as file:
        chunked = file.create_dataset("chunked", SHAPE, np.uint8, chunks=(4, 8, 8))
        chunked[:4] = IMAGE[:4]
        file.create_dataset("whole", SHAPE, np.uint8)
        file["written"] = IMAGE
        file["small"] = IMAGE[:2, :2, :2]
    assert missing_of(f"{tmp_path}/v.h5:chunked") == ["4:8,0:8,0:8"]
    assert missing_of(f"{tmp_path}/v.h5:whole") == ["0:8,0:8,0:8"]
    assert missing_of(f"{tmp_path}/v.h5:written") == missing_of(f"{tmp_path}/v.h5:small") == []


def test_sources_of_a_virtual_dataset_that_are_gone_are_missing(tmp_path: Path) -> None:
    layout = h5py.VirtualLayout(SHAPE, np.uint8)
    for part in range(2):
        with h5py.File(tmp_path / f"part{part}.h5", "w") as file:
            file["raw"] = IMAGE[4 * part : 4 * part + 4]
        layout[4 * part : 4 * part + 4] = h5py.VirtualSource(f"part{part}.h5", "raw", (4, 8, 8))
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_virtual_dataset("raw", layout)
    uri = f"{tmp_path}/v.h5:raw"
    volume = open_volume(uri)
    assert volume.missing(volume.box) == []
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE)
    (tmp_path / "part1.h5").unlink()
    assert missing_of(uri) == ["4:8,0:8,0:8"]


def test_a_link_that_leads_nowhere_is_named_with_its_target(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["soft"] = h5py.SoftLink("/volumes/gone")
        file["external"] = h5py.ExternalLink("other.h5", "/raw")
    assert "'soft' is a link to /volumes/gone, which is not there" in error_of(f"{tmp_path}/v.h5:soft")
    assert "other.h5" in error_of(f"{tmp_path}/v.h5:external")


def test_a_filter_that_is_not_installed_is_named(tmp_path: Path) -> None:
    plugin = pytest.importorskip("hdf5plugin", reason="hdf5plugin, which packs the file, is not installed")
    path = tmp_path / "v.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("raw", data=IMAGE, chunks=(4, 4, 4), **plugin.Bitshuffle())
    np.testing.assert_array_equal(open_volume(f"{path}:raw").read(Box.of_shape(SHAPE)), IMAGE)
    without = (
        "import sys; sys.modules['hdf5plugin'] = None\n"
        "from pipeline.volumes import open_volume\n"
        f"open_volume('{path}:raw')"
    )
    ended = subprocess.run([sys.executable, "-c", without], capture_output=True, text=True, check=False)
    assert ended.stderr.splitlines()[-1].endswith(
        "v.h5:raw is packed with HDF5's filter bitshuffle, which is not installed: pip install hdf5plugin"
    )


def test_a_file_that_another_program_writes_is_told_as_that(tmp_path: Path) -> None:
    path = tmp_path / "v.h5"
    with h5py.File(path, "w") as file:
        file["raw"] = IMAGE
    hold = (
        f"import h5py, sys; f = h5py.File({str(path)!r}, 'r+'); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert "v.h5 is open in another program" in error_of(f"{path}:raw")
    assert open_volume(f"{path}:raw").shape == SHAPE


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty: it holds no byte"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a pointer of Git LFS"),
        (b"\x89HDF\r\n\x1a\n" + bytes(9), "is not a readable HDF5 file"),
    ],
)
def test_what_is_no_hdf5_file_is_told_as_what_it_is(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "v.h5").write_bytes(content)
    assert said in error_of(f"{tmp_path}/v.h5:raw")


def test_a_folder_in_the_place_of_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "v.h5").mkdir()
    assert "v.h5" in error_of(f"{tmp_path}/v.h5")
