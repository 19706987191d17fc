"""`ffn export` of surfaces and skeletons: what programs for drawing and for neurons read of OBJ and SWC."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from cloudvolume import CloudVolume
from shaped_volume import SIZE_NM, shape, shaped_run, written

from pipeline.evaluation.skeleton_files import read_skeletons
from pipeline.geometry import Box
from pipeline.run_folder import Run
from pipeline.settings.run_file import dump_config
from tests.commands import said
from workflows.export import main

pytest.importorskip("zmesh", reason="zmesh, of the extra `meshes`, is not installed")
pytest.importorskip("kimimaro", reason="kimimaro, of the extra `skeletons`, is not installed")

BOX = Box((3, 5, 7), (19, 69, 167))
BLOCK = (16, 32, 80)
SHAPED = ("cable_nm", "mesh_area_nm2", "mesh_volume_um3")
Export = Callable[..., tuple[int, str]]
RODS = {
    1: Box((8, 15, 17), (13, 31, 150)),
    2: Box((9, 45, 7), (13, 61, 167)),
    3: Box((18, 65, 7), (19, 66, 27)),
}
"""By id, z, y, x; the last is too small for either shape."""


def labels() -> np.ndarray:
    ids = np.zeros(BOX.shape, np.uint32)
    for i, rod in RODS.items():
        ids[rod.slices(BOX.start)] = i
    return ids


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = shaped_run(tmp_path_factory.mktemp("rods"), BOX, BLOCK, meshes=True, skeletons=True)
    written(run, labels())
    shape(run)
    with h5py.File(run.folder / "image.h5", "w") as file:
        file["raw"] = np.random.default_rng(1).integers(0, 255, BOX.stop, dtype=np.uint8)
    network = run.config.network.model_copy(update={"checkpoint": "ffn.h5"})
    run = replace(run, config=run.config.model_copy(update={"network": network}))
    run.config_file.write_text(dump_config(run.config))
    with h5py.File(run.agglomeration_file, "w") as file:
        file["base"], file["agglomerated"] = np.array([[2, 3], [1, 1]], np.uint64)
    return run


@pytest.fixture
def export(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Export:
    def exported(name: str, *how: str) -> tuple[int, str]:
        return said(main, [str(run.folder), "all", str(tmp_path / name), *how], monkeypatch, capsys)

    return exported


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def read_obj(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Corners and triangles, from 0 on, of each object of the file."""
    corners: list[list[float]] = []
    objects: dict[str, list[list[int]]] = {}
    for line in path.read_text().splitlines():
        what, *values = line.split()
        if what == "o":
            objects[values[0]] = []
        elif what == "v":
            corners.append([float(v) for v in values])
        elif what == "f":
            list(objects.values())[-1].append([int(v) - 1 for v in values])
    return {name: (np.array(corners), np.array(triangles)) for name, triangles in objects.items()}


def test_surfaces_are_objects_of_one_file_in_their_place_and_size(export: Export, tmp_path: Path) -> None:
    code, shown = export("rods.obj", "--segments", "2,1")
    assert code == 0, shown
    # what is to be doubted goes to standard error, which comes second here
    assert "rods.obj: mesh of 2, 1, in nm, of voxels of 40 x 8 x 4 nm\nWARNING: run " in shown
    found = read_obj(tmp_path / "rods.obj")
    assert list(found) == ["segment_2", "segment_1"]
    for name, (corners, triangles) in found.items():
        rod = RODS[int(name.removeprefix("segment_"))]
        own = corners[np.unique(triangles)]
        for end, limit in ((own.min(axis=0), rod.start), (own.max(axis=0), rod.stop)):
            np.testing.assert_allclose(end, (np.array(limit) * SIZE_NM)[::-1], atol=max(SIZE_NM) / 2 + 1)
        a, b, c = corners[triangles].transpose(1, 0, 2)
        enclosed = (a * np.cross(b, c)).sum() / 6
        assert enclosed == pytest.approx(rod.size * np.prod(SIZE_NM), rel=0.1)


def test_a_skeleton_is_a_tree_of_nodes_within_the_segment(run: Run, export: Export, tmp_path: Path) -> None:
    code, shown = export("one.swc", "--segments", "1")
    assert code == 0, shown
    rows = np.loadtxt(tmp_path / "one.swc")
    np.testing.assert_array_equal(rows[:, 0], np.arange(1, 1 + len(rows)))
    assert rows[0, 6] == -1
    assert (rows[1:, 6] < rows[1:, 0]).all()
    assert (rows[1:, 6] > 0).all()
    voxels = np.floor(rows[:, 4:1:-1] / SIZE_NM).astype(int)
    assert (labels()[tuple((voxels - BOX.start).T)] == 1).all()
    length = np.linalg.norm(rows[1:, 2:5] - rows[rows[1:, 6].astype(int) - 1, 2:5], axis=1).sum()
    stored = CloudVolume(f"file://{run.segmentation_folder}", progress=False).skeleton.get(1)
    assert length == pytest.approx(stored.cable_length(), rel=1e-3)
    assert rows[:, 5].max() == pytest.approx(8 * SIZE_NM[1], rel=0.5)


def test_a_table_has_what_skeletons_and_surfaces_measure(run: Run, export: Export, tmp_path: Path) -> None:
    code, shown = export("all.csv")
    assert (code, "without" in shown) == (0, False), shown
    cloud = CloudVolume(f"file://{run.segmentation_folder}", progress=False)
    found = {int(row["id"]): row for row in rows(tmp_path / "all.csv")}
    for i, rod in RODS.items():
        if i == 3:
            assert [found[i][name] for name in SHAPED] == ["", "", ""]
            continue
        cable, area, volume = (float(found[i][name]) for name in SHAPED)
        assert cable == pytest.approx(cloud.skeleton.get(i).cable_length(), rel=1e-4)
        sides = np.multiply(rod.shape, SIZE_NM)
        assert area == pytest.approx(2 * (sides * np.roll(sides, 1)).sum(), rel=0.1)
        assert volume == pytest.approx(sides.prod() / 1e9, rel=0.1)
        assert volume == pytest.approx(float(found[i]["volume_um3"]), rel=0.1)
    code, shown = export("joined.csv", "--agglomerated")
    [row] = rows(tmp_path / "joined.csv")
    for name in SHAPED:
        parts = float(found[1][name]) + float(found[2][name])
        assert float(row[name]) == pytest.approx(parts, rel=1e-8)


def test_columns_that_a_table_has_not_are_told_with_why(
    run: Run, export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, out = "3:19,5:69,7:100", str(tmp_path / "part.csv")
    for words, why in (
        ([str(run.folder), part, out], "these are of whole segments, and BOX is not `all`"),
        ([str(run.folder), "all", out, "--voxel-size", "40,8,4"], "by the run's own voxel size"),
        ([str(run.folder), "all", out, "--fill", "distance"], "of segments as they are, without --fill"),
    ):
        Path(out).unlink(missing_ok=True)
        monkeypatch.setattr("sys.argv", ["export", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
        assert set(SHAPED).isdisjoint(rows(Path(out))[0]), why
    settings = run.config.reconciliation.model_copy(update={"skeletons": False})
    without = replace(run, config=run.config.model_copy(update={"reconciliation": settings}))
    run.config_file.write_text(dump_config(without.config))
    try:
        code, shown = export("some.csv")
    finally:
        run.config_file.write_text(dump_config(run.config))
    assert (code, "\nwithout cable_nm: reconciliation.skeletons is false\n" in shown) == (0, True), shown
    assert "mesh_area_nm2" in rows(tmp_path / "some.csv")[0]


def test_skeletons_of_several_segments_are_a_folder_by_which_a_run_can_be_scored(
    export: Export, tmp_path: Path
) -> None:
    code, shown = export("all.swc", "--segments", "1,2")
    assert code == 0, shown
    assert sorted(path.name for path in (tmp_path / "all.swc").iterdir()) == ["1.swc", "2.swc"]
    read = read_skeletons(tmp_path / "all.swc")
    assert read.names == ("1", "2")


def test_agglomerated_segments_have_the_shapes_of_all_their_parts(export: Export, tmp_path: Path) -> None:
    code, shown = export("one.obj", "--segments", "1", "--agglomerated")
    assert code == 0, shown
    assert "; 1 of their parts are too small to have one\n" in shown
    [(corners, triangles)] = read_obj(tmp_path / "one.obj").values()
    assert np.ptp(corners[np.unique(triangles), 1]) == pytest.approx((61 - 15) * SIZE_NM[1], abs=SIZE_NM[1])
    code, shown = export("one.swc", "--segments", "1", "--agglomerated")
    assert code == 0, shown
    assert (np.loadtxt(tmp_path / "one.swc")[:, 6] == -1).sum() == 2


def test_of_shapes_that_are_there_nothing_else_is_needed(run: Run, export: Export, tmp_path: Path) -> None:
    """Voxels are as large as the volume says, whose image may be gone."""
    of_image = run.config.data.model_copy(update={"voxel_size_nm": None})
    run.config_file.write_text(dump_config(run.config.model_copy(update={"data": of_image})))
    image = run.folder / "image.h5"
    kept = image.rename(tmp_path / "kept.h5")
    try:
        code, shown = export("one.obj", "--segments", "1")
        assert (code, "of voxels of 40 x 8 x 4 nm\n" in shown) == (0, True), shown
    finally:
        kept.rename(image)
        run.config_file.write_text(dump_config(run.config))


@pytest.mark.parametrize(
    ("how", "said_of_it"),
    [
        (["a.obj"], "--segments is not set: name the ids"),
        (["a.obj", "--segments", "3"], "the run has no mesh of 3: no segment of its volume, or one"),
        (["a.swc", "--segments", "1,99"], "the run has no skeletons of 99"),
        (["a.obj", "--segments", "2", "--agglomerated"], "segment 2 is a part of 1 once agglomerated"),
        (["a.obj", "--segments", "1", "--voxel-size", "4,4,4"], "a.obj holds no voxels: BOX is `all`"),
        (["a.obj", "--segments", "one"], "--segments 'one': expected ids, such as 12,57"),
        (["a.obj", "--segments", "0"], "--segments '0': expected ids"),
        (["a.obj", "--segments", f"{2**64}"], f"--segments '{2**64}': expected ids"),
    ],
)
def test_what_has_no_shape_is_one_line(
    export: Export, tmp_path: Path, how: list[str], said_of_it: str
) -> None:
    code, shown = export(*how)
    assert (code, shown.count("\n")) == (1, 1), shown
    assert said_of_it in shown
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("missing", ["mesh.h5", "agglomeration.h5"])
def test_what_the_run_has_yet_to_make_is_said(run: Run, export: Export, tmp_path: Path, missing: str) -> None:
    (path,) = run.folder.rglob(missing)
    path.rename(path.with_suffix(".away"))
    try:
        code, shown = export("a.obj", "--segments", "1", "--agglomerated")
    finally:
        path.with_suffix(".away").rename(path)
    assert (code, shown.count("\n")) == (1, 1), shown
    told = {"mesh.h5": "has no mesh yet: `ffn status`", "agglomeration.h5": "has no agglomerated ids: set"}
    assert f"error: run {run.folder} {told[missing]}" in shown
