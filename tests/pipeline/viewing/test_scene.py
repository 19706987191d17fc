"""The scene as Neuroglancer gets it: in x, y, z, with what is selected and annotated; links to it."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, unquote, urlparse

import pytest

from pipeline.viewing.layers import Shown, layers_of_volumes
from pipeline.viewing.links import PORT, point_link
from pipeline.viewing.scene import BESIDE, Point, fragment, scene
from pipeline.volumes import Choice
from tests.pipeline.viewing.placed import Case
from tests.pipeline.viewing.test_layers import make_run


@pytest.fixture
def shown(case: Case) -> Shown:
    uris = {"image": case.image, "segmentation": case.segmentation, "truth": case.truth}
    return layers_of_volumes({name: (uri, Choice(option=name)) for name, uri in uris.items()})


SOURCES = {name: f"precomputed://{name}" for name in ("image", "segmentation", "truth")}


def test_a_scene_is_in_voxels_of_x_y_z_and_looks_at_the_middle(shown: Shown) -> None:
    state = scene(shown, SOURCES)
    assert list(state["dimensions"]) == ["x", "y", "z"]
    assert [unit for _, unit in state["dimensions"].values()] == ["m", "m", "m"]
    assert [size for size, _ in state["dimensions"].values()] == pytest.approx([4e-9, 8e-9, 40e-9])
    assert state["position"] == [380.5, 140.5, 34.5]
    image, segmentation, truth = state["layers"]
    assert (image["type"], image["source"]) == ("image", "precomputed://image")
    assert "segments" not in segmentation
    assert "visible" not in segmentation
    assert truth["visible"] is False


def test_truth_alone_is_seen(shown: Shown) -> None:
    del shown.layers[1]
    assert "visible" not in scene(shown, SOURCES)["layers"][1]


def test_a_scene_opens_with_what_can_be_drawn_in_three_dimensions_and_a_point_with_its_own(
    shown: Shown,
) -> None:
    shown.in_3d["segmentation"] = [9, 2]
    segmentation = scene(shown, SOURCES)["layers"][1]
    assert (segmentation["segments"], segmentation["notSelectedAlpha"]) == (["9", "2"], BESIDE)
    assert scene(shown, SOURCES, Point((30, 120, 340), (3,)))["layers"][1]["segments"] == ["3"]


def test_a_point_has_its_ids_selected_in_both(shown: Shown) -> None:
    state = scene(shown, SOURCES, Point((30, 120, 340), (2**64 - 1, 3), (7,)))
    assert state["position"] == [340.5, 120.5, 30.5]
    assert state["layers"][1]["segments"] == [str(2**64 - 1), "3"]
    assert state["layers"][2]["segments"] == ["7"]
    assert "visible" not in state["layers"][2]


def test_the_worst_errors_are_points_linked_to_their_segments(shown: Shown) -> None:
    shown.worst = [{"point": (30, 120, 340), "text": "1. it", "segmentation": [2**60], "truth": [7, 9]}]
    layer = scene(shown, SOURCES)["layers"][-1]
    assert (layer["type"], layer["source"]["url"]) == ("annotation", "local://annotations")
    (point,) = layer["annotations"]
    assert (point["point"], point["description"]) == (
        [340.5, 120.5, 30.5],
        f"1. it\nz,y,x 30,120,340; segmentation {2**60}; truth 7,9",
    )
    assert layer["annotationRelationships"] == ["segmentation", "truth"]
    assert point["segments"] == [[str(2**60)], ["7", "9"]]


def test_lost_runs_are_points_of_their_own_beside_the_worst_errors(shown: Shown) -> None:
    point = {"point": (30, 120, 340), "text": "1. it", "segmentation": [3], "truth": []}
    shown.worst, shown.lost_runs = [{**point, "truth": [7]}], [{**point, "text": "1. run"}]
    worst, lost = scene(shown, SOURCES)["layers"][-2:]
    assert (worst["name"], lost["name"]) == ("worst", "run length")
    assert worst["annotationColor"] != lost["annotationColor"]
    assert lost["annotations"][0]["description"] == "1. run\nz,y,x 30,120,340; segmentation 3"
    assert lost["annotations"][0]["segments"] == [["3"], []]


def test_a_fragment_is_the_state_and_safe_in_an_address(shown: Shown) -> None:
    state = scene(shown, SOURCES)
    text = fragment(state)
    assert json.loads(unquote(text.removeprefix("#!"))) == state
    assert not set(text) & set(' "<>\\{}|^`')


def test_a_link_to_a_point_is_the_same_for_equal_settings_and_another_for_others(case: Case) -> None:
    run = make_run(case)
    link = point_link(run, (30, 120, 340), segments=(2**60, 3))
    address = urlparse(link)
    assert (address.netloc, address.path) == (f"127.0.0.1:{PORT}", "/at")
    query = parse_qs(address.query)
    assert (query["point"], query["segments"]) == (["30,120,340"], [f"{2**60},3"])
    assert "truth" not in query
    assert str(case.folder) not in link
    assert point_link(run, (30, 120, 340), segments=(2**60, 3)) == link
    run.config_file.write_text(run.config_file.read_text() + "\n# other")
    assert point_link(run, (30, 120, 340), segments=(2**60, 3)) != link
