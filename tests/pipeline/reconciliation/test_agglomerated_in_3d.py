"""Agglomerated objects in three dimensions: shapes of all their parts, as others read and draw them."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest
from cloudvolume import CloudVolume
from PIL import Image
from shaped_volume import SIZE_NM, shape, shaped_run, written

from pipeline.geometry import Box
from pipeline.run_folder import Run
from pipeline.viewing import browser, shapes
from pipeline.viewing.layers import Shown
from pipeline.viewing.run_layers import layers_of_run

if TYPE_CHECKING:
    from pipeline.viewing.server import ViewServer

pytest.importorskip("zmesh", reason="zmesh, of the extra `meshes`, is not installed")
pytest.importorskip("kimimaro", reason="kimimaro, of the extra `skeletons`, is not installed")
pytest.importorskip("neuroglancer", reason="the extra `view` is not installed")

BOX = Box((3, 5, 7), (27, 97, 187))
BLOCK = (8, 32, 64)
RODS = {
    1: Box((4, 10, 10), (26, 24, 180)),
    2: Box((4, 40, 10), (26, 54, 180)),
    3: Box((4, 60, 10), (5, 61, 20)),
    4: Box((4, 76, 10), (26, 90, 180)),
    5: Box((4, 94, 10), (5, 95, 20)),
}
"""By id, z, y, x; the third and the fifth are too small for a shape."""
OBJECTS = {1: [1, 2, 3], 4: [4], 5: [5]}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = shaped_run(tmp_path_factory.mktemp("rods"), BOX, BLOCK, meshes=True, skeletons=True)
    labels = np.zeros(BOX.shape, np.uint32)
    for i, rod in RODS.items():
        labels[rod.slices(BOX.start)] = i
    written(run, labels)
    shape(run)
    with h5py.File(run.agglomeration_file, "w") as file:
        file["base"], file["agglomerated"] = np.array([[2, 3], [1, 1]], np.uint64)
    return run


@pytest.fixture
def shown(run: Run) -> Shown:
    return layers_of_run(run)


@pytest.fixture
def view(shown: Shown) -> Iterator[ViewServer]:
    from pipeline.viewing.server import ViewServer

    told: list[str] = []
    with ViewServer(shown, 0, told.append) as view:
        yield view
    assert told == []


def served(view: ViewServer) -> CloudVolume:
    address = f"http://127.0.0.1:{view.port}/data/{view.token}/agglomerated"
    return CloudVolume(f"precomputed://{address}", progress=False)


def enclosed(corners: np.ndarray, triangles: np.ndarray) -> float:
    a, b, c = corners[triangles].transpose(1, 0, 2)
    return float((a * np.cross(b, c)).sum() / 6)


def test_a_surface_is_that_of_all_parts_in_their_place_and_size(view: ViewServer) -> None:
    for i, parts in {1: [1, 2], 4: [4]}.items():
        found = served(view).mesh.get(i)
        corners, triangles = found.vertices, found.faces.reshape(-1, 3)
        rods = [RODS[part] for part in parts]
        assert enclosed(corners, triangles) == pytest.approx(
            sum(rod.size for rod in rods) * np.prod(SIZE_NM), rel=0.05
        )
        for of, end in ((np.min, "start"), (np.max, "stop")):
            expected = of([getattr(rod, end) for rod in rods], axis=0) * np.array(SIZE_NM)
            np.testing.assert_allclose(of(corners, axis=0)[::-1], expected, atol=max(SIZE_NM) / 2 + 1)


def test_of_a_large_object_a_coarser_level_is_drawn(
    view: ViewServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fine = served(view).mesh.get(1)
    monkeypatch.setattr(shapes, "MOST_BYTES", 1)
    coarse = served(view).mesh.get(1)
    assert 0 < len(coarse.faces) < len(fine.faces)
    np.testing.assert_allclose(coarse.vertices.max(axis=0), fine.vertices.max(axis=0), atol=4 * max(SIZE_NM))


def test_a_skeleton_has_the_lines_of_all_parts(run: Run, view: ViewServer) -> None:
    found = served(view).skeleton.get(1)
    own = CloudVolume(f"file://{run.segmentation_folder}", progress=False).skeleton
    parts = [own.get(i) for i in (1, 2)]
    assert found.cable_length() == pytest.approx(sum(part.cable_length() for part in parts), rel=1e-5)
    np.testing.assert_array_equal(found.vertices, np.concatenate([part.vertices for part in parts]))
    np.testing.assert_array_equal(found.radii, np.concatenate([part.radii for part in parts]))


def test_what_has_no_shape_has_an_empty_one_and_there_is_nothing_else(view: ViewServer) -> None:
    def asked(name: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", view.port, timeout=60)
        connection.request("GET", f"/data/{view.token}/agglomerated/{name}")
        answer = connection.getresponse()
        return answer.status, answer.read()

    assert asked("mesh/5:0") == (200, b'{"fragments": []}')
    assert asked("skeletons/5") == (200, bytes(8))
    for absent in ("mesh/5", "mesh/x:0", "mesh/", "skeletons/5:0", "skeletons/1_0", "other/1"):
        assert asked(absent)[0] == 404


def test_it_waits_with_the_objects_of_the_largest_segments_selected(shown: Shown) -> None:
    assert shown.in_3d["segmentation"] == [1, 2, 4]
    assert shown.in_3d["agglomerated"] == [1, 4]
    for kind in ("mesh", "skeleton"):
        assert f"of 3 parts of agglomerated objects 1 is too small for a {kind}" in shown.lacking


@pytest.mark.slow
@pytest.mark.skipif(browser.browser() is None, reason=f"none of {', '.join(browser.BROWSERS)} is on PATH")
def test_a_browser_draws_both_parts_in_one_colour_and_does_not_wait_for_what_has_no_shape(
    shown: Shown, tmp_path: Path
) -> None:
    from pipeline.viewing.server import ViewServer

    shown.layers[:] = [replace(one, name="seen") for one in shown.layers if one.name == "agglomerated"]
    shown.in_3d = {"seen": [1, 4, 5]}
    with ViewServer(shown, 0, lambda line: None) as view:
        browser.draw(view, tmp_path / "drawn.png")
    pixels = np.asarray(Image.open(tmp_path / "drawn.png").convert("HSV")).astype(int)
    height, width = pixels.shape[:2]
    hue, saturation, value = np.moveaxis(pixels[height // 2 :, : width // 2], -1, 0)
    found = np.bincount(hue[(saturation > 60) & (value > 60)], minlength=256)
    colours = []
    for _ in range(2):  # light makes a colour darker, and leaves its hue
        around = slice(max(0, int(found.argmax()) - 2), int(found.argmax()) + 3)
        colours.append(found[around].sum())
        found[around] = 0
    two, one = colours
    assert one > 0.01 * hue.size
    assert two > 1.4 * one
