"""What is not read is called by its name, with what makes of it something that is."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from pipeline.errors import InputError
from pipeline.volumes import open_volume

IMAGE = np.random.default_rng(1).integers(1, 256, (3, 4, 5), dtype=np.uint8)


def error_of(uri: str) -> str:
    with pytest.raises(InputError) as caught:
        open_volume(uri)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("em.mrc", "em.mrc is MRC, which is not read: `import mrcfile, numpy; numpy.save("),
        ("em.rec", "is MRC"),
        ("em.nrrd", "is NRRD"),
        ("em.nii.gz", "is NIfTI"),
        ("em.AM", "is Amira's, which is not read: save it as TIFF, with Fiji"),
        ("em.dm4", "is a microscope's, which is not read: save it as TIFF, with Fiji"),
        ("em.h5.gz", "is packed: unpack it"),
    ],
)
def test_a_file_of_another_format_is_named(name: str, told: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(bytes(100))
    assert told in error_of(str(tmp_path / name))


def test_what_is_said_to_write_it_anew_gives_the_voxels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    scipy.io.savemat("rows.mat", {"em": IMAGE.transpose(1, 2, 0)})  # y, x and pages
    IMAGE.tofile("bytes.raw")
    for name in ("rows.mat", "bytes.raw"):
        said = re.search("`(.*)`", error_of(str(tmp_path / name)))
        assert said is not None
        exec(said[1].replace("NAME", "'em'").replace("TYPE", "'u1'").replace("Z, Y, X", "3, 4, 5"))
        volume = open_volume(f"{Path(name).stem}.npy")
        np.testing.assert_array_equal(volume.read(volume.box), IMAGE)


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("1/header.wkw", "holds webKnossos' WKW: write the layer as OME-Zarr or TIFF"),
        ("color/1/header.wkw", "holds webKnossos' WKW"),
        ("mag1/knossos.conf", "holds KNOSSOS cubes"),
        ("i1.dcm", "holds files of another kind: each is a microscope's, which is not read: save it as TIFF"),
        ("notes/none.txt", "holds no slices"),
    ],
)
def test_a_folder_of_another_format_is_named(file: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "em" / file).parent.mkdir(parents=True)
    (tmp_path / "em" / file).write_bytes(bytes(10))
    assert told in error_of(str(tmp_path / "em"))


def test_an_address_alone_is_told_with_how_precomputed_is_written() -> None:
    for uri in ("s3://bucket/em", "gs://bucket/em", "https://lab.org/em"):
        assert f"write precomputed://{uri} if it is that" in error_of(uri)
