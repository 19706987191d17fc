"""Two segmentations of one image beside each other, and the points at which they differ most."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.geometry import Box, Triple, triple
from pipeline.viewing.beside import add_run_beside, add_volume_beside
from pipeline.viewing.differing import compare
from pipeline.viewing.layers import Shown, layers_of_volumes
from pipeline.viewing.run_layers import layers_of_run
from pipeline.viewing.scene import scene
from pipeline.volumes import Choice
from tests.pipeline.viewing.placed import OBJECTS, SEGMENTED_BOX, SIZE_NM, Case, ids_in
from tests.pipeline.viewing.test_layers import make_run

LARGE, SMALL = OBJECTS
LEFT, RIGHT = 100, 200
"""Ids of the other one, which has the large object in two, and nothing where the small one is."""
CUT_AT = 350
ALONE = Box((38, 112, 330), (40, 114, 334))
"""What only the other one has, as 300."""


def other_in(box: Box) -> np.ndarray:
    ids = ids_in(box)
    x = np.arange(box.start[2], box.stop[2])
    ids[ids == SMALL] = 0
    ids = np.where(ids == LARGE, np.where(x < CUT_AT, LEFT, RIGHT), 0).astype(np.uint64)
    ids[(ALONE & box).slices(box.start)] = 300
    return ids


def write_ids(path: Path, ids: np.ndarray, start: Triple, size: tuple[float, ...] = SIZE_NM) -> str:
    with h5py.File(path, "w") as file:
        file["ids"] = ids
        file["ids"].attrs["resolution"] = size
        file["ids"].attrs["offset"] = [o * n for o, n in zip(start, size)]
    return f"{path}:ids"


def differences(shown: Shown, box: Box | None = None) -> list[dict[str, Any]]:
    compare(shown, box, list)
    return shown.differ


@pytest.fixture
def shown(case: Case) -> Shown:
    return layers_of_volumes(
        {name: (getattr(case, name), Choice(option=name)) for name in ("image", "segmentation", "truth")}
    )


@pytest.fixture
def other(case: Case) -> str:
    return write_ids(case.folder / "other.h5", other_in(SEGMENTED_BOX), SEGMENTED_BOX.start)


def test_the_points_are_where_one_has_as_one_what_the_other_has_in_parts_or_not_at_all(
    shown: Shown, other: str
) -> None:
    add_volume_beside(shown, other, Choice(option="beside"))
    points = differences(shown)
    found = {tuple(point["segmentation"] + point["beside"]): point for point in points}
    assert set(found) == {(LARGE, RIGHT, LEFT), (SMALL,), (300,)}
    cut = found[LARGE, RIGHT, LEFT]
    z, y, x = cut["point"]
    where = OBJECTS[LARGE]
    assert x in (CUT_AT - 1, CUT_AT)
    assert abs(z - (where.start[0] + where.stop[0]) / 2) <= 1
    assert abs(y - (where.start[1] + where.stop[1]) / 2) <= 1
    assert f"one in segmentation ({LARGE}), cut in beside ({RIGHT} and {LEFT}): " in cut["text"]
    for ids, text, box in (
        ((SMALL,), f"in segmentation ({SMALL}), nothing in beside", OBJECTS[SMALL]),
        ((300,), "in beside (300), nothing in segmentation", ALONE),
    ):
        assert text in found[ids]["text"]
        assert box.contains(Box(found[ids]["point"], tuple(at + 1 for at in found[ids]["point"])))
    left = OBJECTS[LARGE].size * (CUT_AT - where.start[2]) // where.shape[2]
    sizes = [OBJECTS[SMALL].size, left, ALONE.size]
    assert [(point["text"].partition(".")[0], point["text"].rpartition(": ")[2]) for point in points] == [
        (str(rank), f"{voxels:,} voxels") for rank, voxels in enumerate(sizes, 1)
    ]


def test_what_one_has_worse_is_told_by_the_truth(shown: Shown, other: str) -> None:
    add_volume_beside(shown, other, Choice(option="beside"))
    compare(shown, None, list)
    (cut,) = shown.worse  # a blank that is all of one object costs nothing: it is kept apart as well
    assert cut["text"].startswith("1. worse in beside by ")
    assert cut["text"].endswith(f" bits: {LARGE} is cut between {RIGHT} and {LEFT}")
    assert (cut["truth"], sorted(cut["beside"]), cut["segmentation"]) == ([LARGE], [LEFT, RIGHT], [])
    assert OBJECTS[LARGE].contains(Box(cut["point"], tuple(at + 1 for at in cut["point"])))


def test_the_same_under_other_ids_differs_nowhere(shown: Shown, case: Case) -> None:
    uri = write_ids(case.folder / "same.h5", 3 * ids_in(SEGMENTED_BOX), SEGMENTED_BOX.start)
    add_volume_beside(shown, uri, Choice(option="beside"))
    assert differences(shown) == []
    assert shown.lacking == [f"segmentation and beside differ nowhere in {SEGMENTED_BOX}"]


def test_points_are_told_in_voxels_of_the_scene(case: Case) -> None:
    """Both segmentations are of voxels twice as large as the image's."""
    box = Box((26, 110, 320), (42, 170, 440))
    coarse = tuple(2 * n for n in SIZE_NM)
    start = triple([n // 2 for n in box.start])
    uris = [
        write_ids(case.folder / f"{n}.h5", of(box)[::2, ::2, ::2], start, coarse)
        for n, of in enumerate((ids_in, other_in))
    ]
    shown = layers_of_volumes({"image": (case.image, Choice()), "segmentation": (uris[0], Choice())})
    add_volume_beside(shown, uris[1], Choice(option="beside"))
    assert shown.voxel_size_nm == SIZE_NM
    cut = next(point for point in differences(shown) if len(point["beside"]) == 2)
    z, y, x = cut["point"]
    assert abs(x - CUT_AT) <= 2
    assert OBJECTS[LARGE].contains(Box((z, y, x), (z + 1, y + 1, x + 1)))


def test_points_are_the_same_where_coordinates_are_negative(case: Case) -> None:
    found = []
    for moved in (0, 1000):
        start = triple([n - moved for n in SEGMENTED_BOX.start])
        uris = [
            write_ids(case.folder / f"{n}_{moved}.h5", of(SEGMENTED_BOX), start)
            for n, of in enumerate((ids_in, other_in))
        ]
        shown = layers_of_volumes({"segmentation": (uris[0], Choice())})
        add_volume_beside(shown, uris[1], Choice(option="beside"))
        found.append([tuple(at + moved for at in point["point"]) for point in differences(shown)])
    assert found[0] == found[1]


def test_a_box_may_be_chosen_and_what_cannot_be_compared_is_refused(
    shown: Shown, case: Case, other: str
) -> None:
    add_volume_beside(shown, other, Choice(option="beside"))
    left = Box(SEGMENTED_BOX.start, (42, 170, CUT_AT))
    assert all(len(point["beside"]) < 2 for point in differences(shown, left))
    assert shown.lacking == [f"segmentation and beside are compared in {left} alone"]
    with pytest.raises(InputError, match="reaches outside 26:42,110:170,320:440"):
        differences(shown, Box((0, 0, 0), (9, 9, 9)))
    for name, start, size, said in (
        ("far", (90, 90, 90), SIZE_NM, "share no voxel; set --beside-origin"),
        ("large", SEGMENTED_BOX.start, (80, 8, 4), "has voxels of 80 x 8 x 4 nm"),
    ):
        del shown.layers[3:]
        uri = write_ids(case.folder / f"{name}.h5", other_in(SEGMENTED_BOX), start, size)
        add_volume_beside(shown, uri, Choice(option="beside"))
        with pytest.raises(InputError, match=said):
            differences(shown)
    del shown.layers[1]
    with pytest.raises(InputError, match="no segmentation to set it beside"):
        add_volume_beside(shown, other, Choice(option="beside"))


def test_each_has_a_view_of_its_own_with_all_else_and_the_list_is_open(shown: Shown, other: str) -> None:
    add_volume_beside(shown, other, Choice(option="beside"))
    compare(shown, None, list)
    state = scene(shown, dict.fromkeys(("image", "segmentation", "truth", "beside"), "precomputed://there"))
    left, right = state["layout"]["children"]
    assert left["layers"] == ["image", "segmentation", "truth", "differ", "worse"]
    assert right["layers"] == ["image", "truth", "beside", "differ", "worse"]
    points = next(layer for layer in state["layers"] if layer["name"] == "differ")
    assert points["annotationRelationships"] == ["segmentation", "beside"]
    assert len(points["annotations"]) == 3
    z, y, x = shown.differ[0]["point"]
    assert points["annotations"][0]["point"] == [x + 0.5, y + 0.5, z + 0.5]
    assert state["selectedLayer"] == {"layer": "differ", "visible": True}
    sources = dict.fromkeys((layer.name for layer in shown.layers), "precomputed://there")
    assert "selectedLayer" not in scene(shown, sources, is_drawn=True)


def test_a_scene_opens_where_the_smaller_one_lies(shown: Shown, case: Case) -> None:
    far = Box(SEGMENTED_BOX.start, (42, 170, 1440))
    add_volume_beside(
        shown, write_ids(case.folder / "far.h5", ids_in(far), far.start), Choice(option="beside")
    )
    state = scene(shown, dict.fromkeys(("image", "segmentation", "truth", "beside"), "precomputed://there"))
    assert state["position"] == [380.5, 140.5, 34.5]


def test_one_that_does_not_say_where_it_lies_is_put_on_the_first(shown: Shown, case: Case) -> None:
    np.save(case.folder / "other.npy", other_in(SEGMENTED_BOX))
    add_volume_beside(shown, str(case.folder / "other.npy"), Choice(option="beside"))
    assert shown.lacking == [
        "the one beside does not say where it lies: it is shown on the segmentation, whose shape it has"
    ]
    assert len(differences(shown)) == 3


def test_a_run_is_set_beside_itself_under_agglomerated_ids(case: Case) -> None:
    run = make_run(case)
    with pytest.raises(InputError, match="are not yet joined"):
        add_run_beside(layers_of_run(run), run, False)
    (case.folder / "precomputed").rename(run.segmentation_folder)
    with pytest.raises(InputError, match="has no agglomerated ids"):
        add_run_beside(layers_of_run(run), run, True)
    with h5py.File(run.agglomeration_file, "w") as file:
        file["base"], file["agglomerated"] = np.array([SMALL], np.uint64), np.array([LARGE], np.uint64)
    shown = layers_of_run(run)
    add_run_beside(shown, run, False)
    assert differences(shown) == []
    shown = layers_of_run(run)
    add_run_beside(shown, run, True)
    (point,) = differences(shown)
    assert (sorted(point["segmentation"]), point["beside"]) == (sorted(OBJECTS), [LARGE])
    json.dumps(scene(shown, {layer.name: "precomputed://there" for layer in shown.layers}))


def test_what_is_missing_is_blank_and_told(shown: Shown, case: Case, other: str) -> None:
    next((case.folder / "precomputed" / "4_8_40").iterdir()).unlink()
    add_volume_beside(shown, other, Choice(option="beside"))
    differences(shown)
    (line,) = shown.lacking
    assert line.startswith("segmentation is compared as blank where it is not there: 1 of ")
