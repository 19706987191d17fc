"""Surfaces of segments as CloudVolume reads them: where they lie, how large and whole they are."""

from __future__ import annotations

import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cloudvolume import CloudVolume
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree
from shaped_volume import SIZE_NM, files_of, shape, shape_tasks, shaped_run, written
from skimage.measure import marching_cubes, mesh_surface_area

from pipeline.checkup.shapes import shapes as check
from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.reconciliation import MESHES
from pipeline.reconciliation.shapes import meshes
from pipeline.reconciliation.shapes.cells import CellGrid
from pipeline.reconciliation.shapes.listing import read_told
from pipeline.reconciliation.shapes.meshes import extent, mesh_levels
from pipeline.reconciliation.shapes.pieces import read_pieces
from pipeline.reconciliation.shapes.surface import Lattice, Surface, decoded, encoded, surfaces
from pipeline.results import artifacts
from pipeline.results.artifacts import remove_temporaries
from pipeline.run_folder import Run
from pipeline.viewing import browser
from pipeline.viewing.layers import layers_of_volumes
from pipeline.viewing.run_layers import largest_shaped
from pipeline.volumes import Choice

pytest.importorskip("zmesh", reason="zmesh, of the extra `meshes`, is not installed")

BOX = Box((3, 5, 7), (27, 97, 187))
BLOCK = (8, 32, 64)
CENTRE_NM, RADIUS_NM = np.array([15, 51, 97]) * SIZE_NM, 330.0


def ball() -> np.ndarray:
    """Over BOX a ball in nm, id 1; it goes through 3 x 3 x 3 cells."""
    middles = [(np.arange(a, b) + 0.5) * s for a, b, s in zip(BOX.start, BOX.stop, SIZE_NM)]
    z, y, x = np.meshgrid(*(m - c for m, c in zip(middles, CENTRE_NM)), indexing="ij")
    return (z**2 + y**2 + x**2 < RADIUS_NM**2).astype(np.uint32)


def opened(run: Run) -> CloudVolume:
    return CloudVolume(f"file://{run.segmentation_folder}", progress=False)


def drawn(run: Run, segment: int, level: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Corners in nm, x, y, z, each place once, and the triangles of a segment."""
    found = opened(run).mesh.get(segment, lod=level)[segment]
    corners, same = np.unique(np.round(found.vertices, 2), axis=0, return_inverse=True)
    return corners, same.reshape(-1)[found.faces]


def volume(corners: np.ndarray, triangles: np.ndarray) -> float:
    """What a closed surface encloses; positive where triangles turn counter-clockwise, seen from outside."""
    a, b, c = corners[triangles].transpose(1, 0, 2)
    return float((a * np.cross(b, c)).sum() / 6)


def is_closed(triangles: np.ndarray) -> bool:
    """Whether as many triangles pass each edge in one direction as in the other."""
    edges = Counter(map(tuple, np.concatenate([np.roll(triangles, n, axis=1)[:, :2] for n in range(3)])))
    return all(edges[a, b] == edges[b, a] for a, b in edges)


@pytest.fixture(scope="module")
def of_ball(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = shaped_run(tmp_path_factory.mktemp("ball"), BOX, BLOCK, meshes=True)
    written(run, ball())
    shape(run)
    return run


def test_the_info_names_the_meshes_and_all_levels_are_there(of_ball: Run) -> None:
    assert opened(of_ball).info["mesh"] == "mesh"
    assert CellGrid.of(of_ball).shape() == (3, 3, 3)
    assert mesh_levels(of_ball) == 3
    assert opened(of_ball).mesh.get_manifest(1).num_lods == 3


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_ball_over_many_cells_is_one_closed_surface_in_its_place(of_ball: Run, level: int) -> None:
    corners, triangles = drawn(of_ball, 1, level)
    assert is_closed(triangles[(triangles != np.roll(triangles, 1, axis=1)).all(axis=1)])
    # an independent surface of the same voxels; the first of them begins at BOX.start
    reference, faces, _, _ = marching_cubes(np.pad(ball(), 1).astype(float), 0.5, spacing=SIZE_NM)
    reference = reference[:, ::-1] + (np.array(BOX.start) - 0.5)[::-1] * SIZE_NM[::-1]
    assert volume(corners, triangles) == pytest.approx(volume(reference, faces), rel=0.02 * 2**level)
    assert mesh_surface_area(corners, triangles) == pytest.approx(
        mesh_surface_area(reference, faces), rel=0.1
    )
    np.testing.assert_allclose(corners.min(axis=0), reference.min(axis=0), atol=10 * 2**level)
    np.testing.assert_allclose(corners.max(axis=0), reference.max(axis=0), atol=10 * 2**level)
    away, _ = cKDTree(reference).query(corners)
    assert away.max() < max(SIZE_NM)


def test_every_level_has_fewer_triangles(of_ball: Run) -> None:
    counts = [len(drawn(of_ball, 1, level)[1]) for level in range(3)]
    assert counts[0] > counts[1] > counts[2] > 50


def test_no_triangle_of_a_larger_cell_is_in_two_of_its_parts(of_ball: Run) -> None:
    """As Neuroglancer wants it, which draws the parts of a cell at different levels."""
    looked_at = 0
    for file in sorted((of_ball.reconciliation_folder / "meshes").glob("[12]/*/*/*.h5")):
        level = int(file.parts[-4])
        for (fragment,) in read_pieces(file, ["fragment"]).values():
            found = decoded(fragment.tobytes(), extent(of_ball, level))
            side = np.sign(found.corners - extent(of_ball, level - 1))[found.triangles]
            assert (np.abs(side.max(axis=1) - side.min(axis=1)) < 2).all()
            looked_at += len(side)
    assert looked_at


@pytest.mark.parametrize(
    ("size_nm", "side", "seed"), [((8, 8, 8), 31, 9), ((40, 4, 4), 31, 8), ((40, 4, 4), 15, 0)]
)
def test_no_corner_lies_beyond_its_cell(size_nm: tuple[int, int, int], side: int, seed: int) -> None:
    """Of rough objects zmesh puts some there, before the cell's first step or behind its last."""
    grey = gaussian_filter(np.random.default_rng(seed).random([side + 1] * 3), 1.2)
    lattice = Lattice.of((side,) * 3, size_nm)
    for _, surface in surfaces(np.digitize(grey, (0.47, 0.5, 0.53)).astype(np.uint64), lattice):
        assert (surface.corners >= 0).all()
        assert (surface.corners <= lattice.cell).all()
        found = decoded(encoded(surface, np.array(lattice.cell)), np.array(lattice.cell))
        assert len(found.triangles) == len(surface.triangles)


def test_a_browser_gets_them_from_the_viewer(of_ball: Run) -> None:
    pytest.importorskip("neuroglancer", reason="the extra `view` is not installed")
    from pipeline.viewing.server import ViewServer

    uri, told = f"precomputed://{of_ball.segmentation_folder}", list[str]()
    with ViewServer(layers_of_volumes({"segmentation": (uri, Choice())}), 0, told.append) as view:
        address = f"http://127.0.0.1:{view.port}/data/{view.token}/segmentation"
        found = CloudVolume(f"precomputed://{address}", progress=False).mesh.get(1, lod=1)[1]
    expected = opened(of_ball).mesh.get(1, lod=1)[1]
    np.testing.assert_array_equal(found.vertices, expected.vertices)
    np.testing.assert_array_equal(found.faces, expected.faces)
    assert told == []


def test_parts_of_a_segment_that_nothing_joins_are_there_at_all_levels(tmp_path: Path) -> None:
    run = shaped_run(tmp_path, BOX, BLOCK, meshes=True)
    labels = np.zeros(BOX.shape, np.uint32)
    labels[2:6, 8:20, 20:40] = labels[18:22, 70:82, 140:160] = 1  # each within a cell
    labels[1:23, 40:50, 60:70] = 2
    written(run, labels)
    shape(run)
    for level in range(opened(run).mesh.get_manifest(1).num_lods):
        corners, triangles = drawn(run, 1, level)
        start, stop = np.add(BOX.start, (2, 8, 20)), np.add(BOX.start, (22, 82, 160))
        np.testing.assert_allclose(corners.min(axis=0)[::-1], start * SIZE_NM, atol=5)
        np.testing.assert_allclose(corners.max(axis=0)[::-1], stop * SIZE_NM, atol=5)
        assert volume(corners, triangles) == pytest.approx(2 * 4 * 12 * 20 * np.prod(SIZE_NM), rel=0.1)
    assert opened(run).mesh.get_manifest(1).num_lods > 1


def test_a_segment_at_the_edge_of_the_volume_is_closed_there(tmp_path: Path) -> None:
    run = shaped_run(tmp_path, BOX, BLOCK, meshes=True)
    written(run, np.ones(BOX.shape, np.uint32))
    shape(run)
    corners, triangles = drawn(run, 1)
    assert is_closed(triangles)
    assert volume(corners, triangles) == pytest.approx(BOX.size * np.prod(SIZE_NM), rel=0.01)
    np.testing.assert_allclose(corners.min(axis=0)[::-1], np.multiply(BOX.start, SIZE_NM), atol=1)
    np.testing.assert_allclose(corners.max(axis=0)[::-1], np.multiply(BOX.stop, SIZE_NM), atol=1)


def test_what_is_too_small_is_counted_and_has_no_mesh(tmp_path: Path) -> None:
    run = shaped_run(tmp_path, BOX, BLOCK, meshes=True)
    labels = np.zeros(BOX.shape, np.uint32)
    labels[0:4, 0:5, 0:5] = 1  # 100 voxels: the least
    labels[10:14, 50:55, 60:65] = 2
    labels[10, 50, 60] = 0  # 99, in two cells
    written(run, labels)
    shape(run)
    told = read_told(run, MESHES)
    assert told is not None
    assert (told.segments, told.small, told.small_voxels, told.empty) == (1, 1, 99, 0)
    found = opened(run).mesh.get([1, 2], allow_missing=True)
    assert list(found) == [1]
    assert largest_shaped(run) == [1]


def test_what_zmesh_cannot_make_simple_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = shaped_run(tmp_path, BOX, BLOCK, meshes=True)
    labels = np.zeros(BOX.shape, np.uint32)
    labels[2:22, 20:70, 40:140], labels[0, 0:9, 0:9] = 1, 2
    written(run, labels)

    def failing(ids: np.ndarray, lattice: Lattice) -> Iterator[tuple[int, Surface]]:
        for i, surface in surfaces(ids, lattice):
            yield i, replace(surface, is_full=True)

    monkeypatch.setattr(meshes, "surfaces", failing)
    shape(run)
    told = read_told(run, MESHES)
    assert told is not None
    assert (told.segments, told.small, told.full) == (1, 1, 1)
    assert told.text(MESHES).endswith("have none; 1 could not be made as simple everywhere as they should")


@pytest.mark.slow
@pytest.mark.skipif(browser.browser() is None, reason=f"none of {', '.join(browser.BROWSERS)} is on PATH")
def test_a_browser_draws_a_scene_of_the_largest_that_have_meshes_and_skeletons(tmp_path: Path) -> None:
    """It would wait without end for those of a segment that has none."""
    pytest.importorskip("neuroglancer", reason="the extra `view` is not installed")
    from pipeline.viewing.server import ViewServer

    run = shaped_run(tmp_path, BOX, BLOCK, meshes=True, skeletons=True)
    labels = np.zeros(BOX.shape, np.uint32)
    labels[2:22, 20:70, 40:140] = 1
    labels[0, 0:9, 0:9] = 2
    written(run, labels)
    shape(run)
    shown = layers_of_volumes({"segmentation": (f"precomputed://{run.segmentation_folder}", Choice())})
    shown.in_3d["segmentation"] = largest_shaped(run)
    assert shown.in_3d["segmentation"] == [1]
    with ViewServer(shown, 0, lambda line: None) as view:
        browser.draw(view, tmp_path / "drawn.png")
    pixels = np.asarray(Image.open(tmp_path / "drawn.png").convert("RGB")).astype(int)
    height, width = pixels.shape[:2]
    panel = pixels[height // 2 :, : width // 2]
    coloured = panel.max(axis=-1) - panel.min(axis=-1) > 60
    assert coloured.mean() > 0.02


SMALL = Box((3, 5, 7), (19, 45, 87))


def shaped_small(folder: Path) -> Run:
    """A volume over SMALL of 2 x 3 x 3 cells that is full of segments of all sizes."""
    run = shaped_run(folder, SMALL, (8, 16, 32), meshes=True)
    points = np.random.default_rng(1).uniform(0, 1, (20, 3)) * SMALL.shape
    voxels = np.stack(np.meshgrid(*map(np.arange, SMALL.shape), indexing="ij"), axis=-1)
    nearest = cKDTree(points * SIZE_NM).query(voxels * SIZE_NM)[1]
    written(run, np.unique(nearest, return_inverse=True)[1].reshape(SMALL.shape) + 1)
    return run


def test_the_order_of_tasks_does_not_matter(tmp_path: Path) -> None:
    found = []
    for i in range(2):
        run = shaped_small(tmp_path / str(i))
        shape(run, random.Random(i))
        found.append(files_of(run, MESHES))
    assert found[0] == found[1]
    assert sum(name.endswith(".shard") for name in found[0]) == 4


def test_killed_in_the_middle_the_next_attempt_ends_in_the_same_bytes(tmp_path: Path) -> None:
    undisturbed, run = (shaped_small(tmp_path / name) for name in "ab")
    shape(undisturbed)
    for at in (2, 9, 12, 4):
        assert killed_at(run, at) == -signal.SIGKILL
        remove_temporaries(run.folder)  # as the next attempt does when it starts
    shape(run)
    assert files_of(run, MESHES) == files_of(undisturbed, MESHES)


def killed_at(run: Run, at: int) -> int:
    """Make what is left of the shapes in a process that is killed as it is to name one more file than `at`;
    how it ended."""
    child = os.fork()
    if not child:
        plain = artifacts.install

        def install(files: Any, mode: int = 0o666) -> None:
            nonlocal at
            at -= 1
            if at < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            plain(files, mode)

        for module in [m for m in sys.modules.values() if getattr(m, "install", None) is plain]:
            module.install = install  # type: ignore[attr-defined]
        list(shape_tasks(run))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_without_the_library_a_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "zmesh", None)
    run = shaped_run(tmp_path, BOX, BLOCK, meshes=True)
    with pytest.raises(InputError, match=r"reconciliation.meshes is true, .* pip install 'zmesh>=1.15'"):
        check(run)
    assert check(shaped_run(tmp_path, BOX, BLOCK)).state == "skip"
