"""`export RUN_OR_VOLUME BOX segments.csv`: the table of segments, beside what scikit-image and NumPy find."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, label
from skimage.measure import regionprops

from pipeline.export import part
from pipeline.geometry import Box
from tests.commands import said
from tests.pipeline.viewing.placed import SIZE_NM, ids_in, write_case
from tests.workflows.exported_run import write_run
from workflows.export import main

Export = Callable[..., tuple[int, str]]
SHAPE = (20, 40, 50)
ORIGIN = (-3, 100, 7)


@pytest.fixture
def export(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Export:
    def exported(*arguments: object) -> tuple[int, str]:
        return said(main, list(map(str, arguments)), monkeypatch, capsys)

    return exported


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part, "BLOCK", (8, 16, 16))


def blobs(seed: int) -> np.ndarray:
    """Objects of all kinds of shapes under ids of 64 bits, in no order; uint64 (z, y, x)."""
    rng = np.random.default_rng(seed)
    found, count = label(gaussian_filter(rng.random(SHAPE), 1.5) > 0.52)
    names = rng.choice(2**40, count, replace=False).astype(np.uint64) + np.uint64(1)
    return np.concatenate([np.zeros(1, np.uint64), names])[found]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def whole(row: dict[str, str], *names: str) -> tuple[int, ...]:
    return tuple(int(row[name]) for name in names)


@pytest.mark.usefixtures("small_blocks")
def test_segments_are_measured_as_scikit_image_measures_them(tmp_path: Path, export: Export) -> None:
    ids, out = blobs(1), tmp_path / "segments.csv"
    np.save(tmp_path / "ids.npy", ids)
    origin = ",".join(map(str, ORIGIN))
    code, shown = export(
        tmp_path / "ids.npy", "all", out, f"--volume-origin={origin}", "--voxel-size", "40,8,4"
    )
    assert code == 0, shown
    dense, names = np.unique(ids), dict(enumerate(np.unique(ids).tolist()))
    expected = {names[of.label]: of for of in regionprops(np.searchsorted(dense, ids))}
    found = rows(out)
    assert f"{out}: CSV, {len(expected)} segments in -3:17,100:140,7:57 (z, y, x), 40 x 8 x 4 nm\n" in shown
    assert [int(row["id"]) for row in found] == sorted(expected, key=lambda i: (-expected[i].num_pixels, i))
    for row in found:
        i, of = int(row["id"]), expected[int(row["id"])]
        start, stop = np.array(of.bbox[:3]), np.array(of.bbox[3:])
        assert int(row["voxels"]) == of.num_pixels
        assert float(row["volume_um3"]) == pytest.approx(of.num_pixels * 40 * 8 * 4 / 1e9, rel=1e-8)
        assert whole(row, "z_start", "y_start", "x_start") == tuple(start + ORIGIN)
        assert whole(row, "z_stop", "y_stop", "x_stop") == tuple(stop + ORIGIN)
        assert row["at_border"] == str(bool(((start == 0) | (stop == SHAPE)).any())).lower()
        point = np.subtract(whole(row, "z", "y", "x"), ORIGIN)
        assert ids[tuple(point)] == i
        for axis, size, at, a, b in zip("zyx", SIZE_NM, point + ORIGIN, start + ORIGIN, stop + ORIGIN):
            assert float(row[f"{axis}_nm"]) == (at + 0.5) * size
            assert float(row[f"{axis}_start_nm"]) == a * size
            assert float(row[f"{axis}_stop_nm"]) == b * size


def test_the_point_of_a_segment_is_deep_in_it(tmp_path: Path, export: Export) -> None:
    z, y, x = np.ogrid[:30, :40, :60]
    ids = np.zeros((30, 40, 60), np.uint8)
    ids[:, 30:, :] = 9
    ids[(z - 15) ** 2 + (y - 14) ** 2 + (x - 20) ** 2 < 100] = 3
    ids[13:18, 12:17, 20:59] = 3  # its tail
    np.save(tmp_path / "ids.npy", ids)
    code, shown = export(tmp_path / "ids.npy", "all", tmp_path / "out.csv")
    assert code == 0, shown
    nine, three = rows(tmp_path / "out.csv")
    assert whole(three, "z", "y", "x") == (15, 14, 20)
    assert whole(nine, "z", "y", "x")[1] in (34, 35)
    assert "does not say how large its voxels are" in shown
    assert [name for name in three if "nm" in name or "um" in name] == []


def test_no_segments_are_a_table_without_rows(tmp_path: Path, export: Export) -> None:
    np.save(tmp_path / "ids.npy", np.zeros((3, 4, 5), np.uint8))
    code, shown = export(tmp_path / "ids.npy", "all", tmp_path / "out.csv", "--truth", tmp_path / "ids.npy")
    assert (code, "CSV, 0 segments in 0:3,0:4,0:5" in shown) == (0, True), shown
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("id,voxels,z,y,x,z_start,z_stop")


def test_a_run_has_the_objects_that_agglomeration_makes_of_segments(tmp_path: Path, export: Export) -> None:
    run, out = write_run(write_case(tmp_path)), tmp_path / "out.csv"
    code, shown = export(run, "all", out)
    assert code == 0, shown
    assert [whole(row, "id", "agglomerated_id", "voxels") for row in rows(out)] == [
        (7, 7, 6 * 36 * 50),
        (2**40 + 1, 7, 5 * 36 * 44),
    ]
    code, shown = export(run, "all", tmp_path / "joined.csv", "--agglomerated")
    assert code == 0, shown
    assert "CSV, 1 segment in " in shown
    [row] = rows(tmp_path / "joined.csv")
    assert whole(row, "id", "voxels") == (7, 6 * 36 * 50 + 5 * 36 * 44)
    assert "agglomerated_id" not in row
    code, shown = export(run, "30:44,114:150,330:390", tmp_path / "some.csv", "--segments", "7,8")
    assert code == 1
    assert "reaches outside" in shown
    code, shown = export(run, "30:42,114:150,330:390", tmp_path / "some.csv", "--segments", "7,8")
    assert (code, "segments 8\n" in shown) == (0, True), shown
    [row] = rows(tmp_path / "some.csv")
    assert (*whole(row, "id", "voxels", "z_start"), row["at_border"]) == (7, 4 * 36 * 50, 30, "true")


@pytest.mark.usefixtures("small_blocks")
def test_the_true_object_of_a_segment_is_that_with_most_of_its_voxels(tmp_path: Path, export: Export) -> None:
    ids, truth, out = blobs(1), blobs(2)[2:, :30], tmp_path / "out.csv"
    truth[:4, :10] = 2**64 - 1  # nobody knows
    np.save(tmp_path / "ids.npy", ids)
    np.save(tmp_path / "truth.npy", truth)
    options = ["--truth", tmp_path / "truth.npy", "--truth-origin", "2,10,0"]
    code, shown = export(tmp_path / "ids.npy", "all", out, *options)
    assert code == 0, shown
    there = np.zeros(SHAPE, np.uint64)
    there[2:, 10:] = np.where(truth == 2**64 - 1, 0, truth)
    for row in rows(out):
        within = ids == np.uint64(row["id"])
        objects, counts = np.unique(there[within & (there != 0)], return_counts=True)
        if len(objects):
            most = counts.argmax()  # of equals the first, which has the smallest id
            assert whole(row, "truth_id", "truth_voxels") == (objects[most], counts[most])
            assert float(row["truth_share"]) == pytest.approx(counts[most] / within.sum(), rel=1e-8)
        else:
            assert (row["truth_id"], row["truth_voxels"], row["truth_share"]) == ("", "", "")


def test_a_truth_lies_where_its_file_says_or_is_refused(tmp_path: Path, export: Export) -> None:
    case = write_case(tmp_path)
    code, shown = export(case.segmentation, "all", tmp_path / "out.csv", "--truth", case.truth)
    assert code == 0, shown
    assert [row["truth_id"] for row in rows(tmp_path / "out.csv")] == ["7", str(2**40 + 1)]
    assert [row["truth_share"] for row in rows(tmp_path / "out.csv")] == ["1.0", "1.0"]
    np.save(tmp_path / "small.npy", np.ones((3, 4, 5), np.uint8))
    options = ["--truth", tmp_path / "small.npy", "--truth-origin", "500,0,0"]
    code, shown = export(case.segmentation, "all", tmp_path / "other.csv", *options)
    assert (code, "small.npy lies at 500:503,0:4,0:5, and what is written at" in shown) == (1, True), shown
    assert not (tmp_path / "other.csv").exists()
    options = ["--truth", tmp_path / "small.npy"]
    code, shown = export(case.segmentation, "all", tmp_path / "other.csv", *options)
    assert (code, "set --volume-origin or --truth-origin" in shown) == (1, True), shown
    with h5py.File(case.folder / "em.h5", "a") as file:
        file["coarse"] = ids_in(Box((13, 50, 160), (22, 90, 230))).astype(np.uint32)
        file["coarse"].attrs["resolution"], file["coarse"].attrs["offset"] = (80, 16, 8), (1040, 800, 1280)
    options = ["--truth", f"{case.folder / 'em.h5'}:coarse"]
    code, shown = export(case.segmentation, "all", tmp_path / "other.csv", *options)
    assert (code, "levels of one size with --volume-mip\n" in shown) == (1, True), shown


def test_what_is_no_table_or_of_no_ids_is_refused_and_large_ids_are_told(
    tmp_path: Path, export: Export
) -> None:
    ids = tmp_path / "ids.npy"
    np.save(ids, np.array([[[-5, 0, 2**60 + 1, 2**60 + 1]]]))
    for out, options, expected in (
        ("a.h5", ["--truth", ids], "--truth is for tables of segments (.csv)"),
        ("a.obj", ["--truth", ids], "--truth is for tables of segments (.csv)"),
        ("a.csv", ["--truth-origin", "0,0,0"], "--truth-origin"),
        ("a.csv", ["--dtype", "uint32"], "--dtype is for voxels"),
    ):
        code, shown = export(ids, "all", tmp_path / out, *options)
        assert (code, expected in shown) == (1, True), shown
    for name, array in (("grey", np.ones((2, 3, 4), np.float32)), ("mask", np.ones((2, 3, 4), bool))):
        np.save(tmp_path / f"{name}.npy", array)
        code, shown = export(tmp_path / f"{name}.npy", "all", tmp_path / "a.csv")
        assert (code, f"volume {tmp_path / name}.npy holds" in shown) == (1, True), shown
    assert list(tmp_path.glob("a.*")) == []
    rng = np.random.default_rng(1)
    for name, array, expected in (
        (
            "image",
            rng.integers(0, 255, (9, 20, 20), np.uint8),
            "change with almost every voxel: is it an image",
        ),
        (
            "one",
            (rng.random((9, 20, 20)) > 0.5).astype(np.uint8),
            "has one id in its middle, 1: this looks",
        ),
        ("negative", np.repeat(np.arange(-9, 9), 400).reshape(18, 20, 20), "of the volume has negative ids"),
    ):
        np.save(tmp_path / f"{name}.npy", array)
        code, shown = export(tmp_path / f"{name}.npy", "all", tmp_path / f"{name}.csv")
        assert (code, expected in shown) == (0, True), shown
    code, shown = export(ids, "all", tmp_path / "a.csv")
    assert code == 0
    assert f"WARNING: the largest id is {2**60 + 1}, and spreadsheets round" in shown
    assert [whole(row, "id", "voxels") for row in rows(tmp_path / "a.csv")] == [(2**60 + 1, 2)]
    code, shown = export(ids, "all", tmp_path / "a.csv")
    assert (code, "is there already" in shown) == (1, True)
