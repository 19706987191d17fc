"""What is not read is called by its name, with what makes of it something that is."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import zarr
from writers_precomputed import write_precomputed

from pipeline.config import RunConfig
from pipeline.errors import InputError
from pipeline.run_folder import Run
from pipeline.volumes import open_image, open_volume
from tests.local_web import local_web

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
        ("j0126.k.toml", "holds KNOSSOS cubes"),
        ("mag1/x0000/y0000/z0000/j0126_mag1_x0000_y0000_z0000.raw", "holds KNOSSOS cubes"),
        ("x0000/y0000/z0000/j0126_mag1_x0000_y0000_z0000.raw", "holds KNOSSOS cubes"),
        ("2-2-1/zarr.json", "name their folder; volumes below it: 2-2-1"),
        ("color/1/.zarray", "name their folder; volumes below it: color/1"),
        ("i1.dcm", "holds files of another kind: each is a microscope's, which is not read: save it as TIFF"),
        ("notes/none.txt", "holds no slices"),
    ],
)
def test_a_folder_of_another_format_is_named(file: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "em" / file).parent.mkdir(parents=True)
    (tmp_path / "em" / file).write_bytes(bytes(10))
    assert told in error_of(str(tmp_path / "em"))


def test_addresses_are_taken_as_neuroglancer_writes_them(tmp_path: Path) -> None:
    image = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(4, 5, 6)
    zarr.save_array(str(tmp_path / "em"), image, zarr_format=2)
    write_precomputed(tmp_path, image)
    for uri in (
        f"{tmp_path}/em/|zarr2:",
        f"file://{tmp_path}/em|zarr:",
        f"zarr2://{tmp_path}/em",
        f"file://{tmp_path}/|zarr2:em/",
        f"file://{tmp_path}/precomputed/|neuroglancer-precomputed:",
        f"file://{tmp_path}/em",
    ):
        volume = open_volume(uri)
        np.testing.assert_array_equal(volume.read(volume.box), image)


def test_a_path_that_looks_like_that_and_is_there_is_a_path(tmp_path: Path) -> None:
    image = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(4, 5, 6)
    (tmp_path / "x|n5:y").mkdir()
    zarr.save_array(str(tmp_path / "x|n5:y" / "em.zarr" / "raw"), image, zarr_format=2)
    for uri in (f"{tmp_path}/x|n5:y/em.zarr/raw", f"{tmp_path}/x|n5:y/em.zarr:raw"):
        volume = open_volume(uri)
        np.testing.assert_array_equal(volume.read(volume.box), image)


@pytest.mark.parametrize("written", ["{}/em", "{}/em/|zarr:"])
def test_an_address_is_looked_up_in_no_folder(written: str, tmp_path: Path) -> None:
    with local_web(tmp_path) as server:
        uri = written.format(server.address)
        run = Run(tmp_path, RunConfig.model_validate({"data": {"folder": str(tmp_path), "image": uri}}))
        with pytest.raises(InputError, match=f"^{server.address}/em is "):
            open_image(run)


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("precomputed://S3://bucket/em", "S3://bucket/em leads nowhere: an address begins with s3://, gs://"),
        ("precomputed://ftp://lab.org/em", "leads nowhere"),
        ("precomputed://s3://", "s3:// is not a precomputed volume: Cloud Path must conform"),
    ],
)
def test_an_address_that_is_none_is_told(uri: str, told: str) -> None:
    assert told in error_of(uri)


def test_a_home_is_known_behind_a_scheme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no shell puts it in."""
    monkeypatch.setenv("HOME", str(tmp_path))
    write_precomputed(tmp_path, IMAGE)
    uri = "precomputed://~/precomputed"
    assert open_volume(uri).shape == IMAGE.shape
    run = Run(tmp_path, RunConfig.model_validate({"data": {"folder": str(tmp_path / "a"), "image": uri}}))
    assert open_image(run).shape == IMAGE.shape


@pytest.mark.parametrize(
    "uri", ["precomputed://~nobody-here/em", "zarr://~nobody-here/em", "~nobody-here/em.h5:raw"]
)
def test_the_home_of_nobody_is_no_such_place(uri: str, tmp_path: Path) -> None:
    assert "~nobody-here/em" in error_of(uri)
    run = Run(tmp_path, RunConfig.model_validate({"data": {"folder": str(tmp_path), "image": uri}}))
    with pytest.raises(InputError, match="~nobody-here/em"):
        open_image(run)
