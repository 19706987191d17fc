"""Decision points of agglomeration as lists to look at: the order, what each says, and what is left out."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from typing import Any

import h5py
import networkx as nx
import numpy as np
import pytest

from pipeline.agglomeration.edges_file import list_edges
from pipeline.agglomeration.graph import RECOVERED, agglomerate
from pipeline.agglomeration.tables import SCORE, write_table
from pipeline.config import Agglomeration
from pipeline.results.artifacts import Artifact, file_sha256
from pipeline.results.kept_apart import write_kept_apart
from pipeline.results.records import record_path
from pipeline.run_folder import Run
from pipeline.settings.corrections import read_corrections
from pipeline.viewing import decisions
from pipeline.viewing.decisions import Decisions
from pipeline.viewing.run_layers import layers_of_run
from pipeline.viewing.scene import scene
from tests.pipeline.viewing.placed import OBJECTS, SIZE_NM, Case
from tests.pipeline.viewing.test_layers import make_run

SMALL, LARGE = sorted(OBJECTS)
GOOD = {"iou": 0.9, "a_from_a": 0.7, "b_from_a": 0.7, "a_from_b": 0.75, "b_from_b": 0.7, "deleted": 0.01}
ONE_SIDE = {"iou": 0, "a_from_b": 0, "b_from_b": 0}


def edge(a: int, b: int, **scores: float) -> dict[str, float]:
    return {"a": a, "b": b, "z": 30, "y": 120, "x": 340, **GOOD, **scores}


def agglomerated(run: Run, edges: list[dict[str, Any]], cuts: list[tuple[int, int]] | None = None) -> None:
    rows = np.zeros(len(edges), SCORE)
    for row, values in zip(rows, edges):
        for name, value in values.items():
            row[name] = value
    scores, corrected = run.folder / "scores.h5", run.folder / "corrected.h5"
    write_table(scores, rows)
    with h5py.File(corrected, "w") as file:
        write_kept_apart(file, np.array(cuts or np.zeros((0, 2)), np.uint64))
    made = agglomerate(run, *([Artifact(str(path), file_sha256(path))] for path in (scores, corrected)))
    list_edges(run, made)
    record_path(run.agglomeration_file).unlink()  # by which it would be known to be of no block of the volume


@pytest.fixture
def run(case: Case) -> Run:
    run = make_run(case)
    (case.folder / "precomputed").rename(run.segmentation_folder)
    return run


def test_the_nearest_misses_and_the_weakest_joins_come_first_and_say_why(run: Run) -> None:
    agglomerated(
        run,
        [
            edge(1, 2, iou=0.82), edge(3, 4, iou=0.81),
            edge(5, 6, iou=0.7), edge(7, 8, iou=0.75), edge(9, 10, deleted=0.04),
            edge(11, 12, **ONE_SIDE, b_from_a=0.57), edge(13, 14, a_from_b=0.25),
        ],
    )  # fmt: skip
    found = Decisions.of(run)
    assert [point["text"] for point in found.joined] == [
        "1. 3 and 4 joined: IoU 0.81, recovered 0.7, deleted 0.01",
        "2. 1 and 2 joined: IoU 0.82, recovered 0.7, deleted 0.01",
    ]
    assert [point["text"] for point in found.not_joined] == [
        "1. 9 and 10 not joined: IoU 0.9, recovered 0.7, deleted 0.04",
        "2. 11 and 12 not joined: recovered 0.57 from one side, deleted 0.01",
        "3. 7 and 8 not joined: IoU 0.75, recovered 0.7, deleted 0.01",
        "4. 5 and 6 not joined: IoU 0.7, recovered 0.7, deleted 0.01",
        "5. 13 and 14 not joined: IoU 0.9, recovered 0.25, deleted 0.01",
    ]
    assert found.joined[0] | {"text": ""} == {
        "point": (30, 120, 340), "text": "", "segmentation": [3, 4], "agglomerated": [3],
    }  # fmt: skip
    assert found.not_joined[0]["agglomerated"] == [9, 10]
    assert found.told == []


def test_what_cuts_keep_apart_says_so_and_what_others_have_joined_is_no_miss(run: Run) -> None:
    edges = [edge(1, 2), edge(3, 4), edge(4, 5), edge(3, 5, iou=0.79)]
    agglomerated(run, edges, [(1, 2)])
    (point,) = Decisions.of(run).not_joined
    assert point["text"].startswith("1. 1 and 2 not joined, for a person's cuts: IoU 0.9, ")


def test_of_many_the_first_are_chosen_as_the_table_of_all_has_them(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against the CSV file, by the definitions alone."""
    monkeypatch.setattr(decisions, "MOST", 30)
    monkeypatch.setattr(decisions, "AT_ONCE", 64)
    random, rules = np.random.default_rng(5), Agglomeration()
    edges = []
    for _ in range(700):
        a, b = sorted(random.choice(2000, 2, replace=False) + 1)
        scores = {name: random.uniform(0.55, 1) for name in RECOVERED}
        scores |= {"iou": random.uniform(0.6, 1), "deleted": random.uniform(0, 0.04)}
        if min(scores["a_from_a"], scores["b_from_a"]) < rules.min_recovered:
            scores |= ONE_SIDE
        edges.append(edge(a, b, **scores))
    agglomerated(run, edges)
    rows = list(csv.DictReader(run.edges_file.read_text().splitlines()))
    graph = nx.Graph((row["a"], row["b"]) for row in rows if row["joins"] == "1")
    graph.add_nodes_from(row[end] for row in rows for end in "ab")
    component = {
        node: number for number, nodes in enumerate(nx.connected_components(graph)) for node in nodes
    }
    joined = [row for row in rows if row["joins"] == "1"]
    missed = [row for row in rows if component[row["a"]] != component[row["b"]]]

    def lacks(row: dict[str, str]) -> float:
        own = {name: float(row[name]) for name in ("iou", "deleted", *RECOVERED)}
        lack = own["deleted"] - rules.max_deleted
        if min(own["a_from_a"], own["b_from_a"]) < rules.min_recovered:
            return max(lack, rules.min_recovered - min(own["a_from_a"], own["b_from_a"]))
        least = min(own[name] for name in RECOVERED)
        return max(lack, rules.min_iou - own["iou"], rules.min_recovered - least)

    found = Decisions.of(run)
    for points, expected in (
        (found.joined, sorted(joined, key=lambda row: float(row["iou"]))),
        (found.not_joined, sorted(missed, key=lacks)),
    ):
        assert 30 < len(expected) < 700
        pairs = [(row["a"], row["b"]) for row in expected[:30]]
        assert [tuple(map(str, point["segmentation"])) for point in points] == pairs
    assert found.told == [
        f"{name}: the first 30 of {len(all_)} points; all are in {run.edges_file}"
        for name, all_ in (("joined", joined), ("not joined", missed))
    ]


def test_a_run_shows_them_with_its_agglomeration_and_lines_to_be_drawn(run: Run) -> None:
    agglomerated(run, [edge(SMALL, LARGE, iou=0.79)])
    shown = layers_of_run(run)
    assert list(shown.described())[-1] == "not joined   1 point, the nearest misses first"
    state = scene(shown, {layer.name: "precomputed://there" for layer in shown.layers})
    layers = {layer["name"]: layer for layer in state["layers"]}
    assert list(layers)[-3:] == ["not joined", "joins", "cuts"]
    misses = layers["not joined"]
    assert misses["annotationRelationships"] == ["segmentation", "agglomerated"]
    (point,) = misses["annotations"]
    assert point["point"] == [340.5, 120.5, 30.5]
    assert point["segments"] == [[str(SMALL), str(LARGE)]] * 2
    text, below = point["description"].split("\n")
    assert re.fullmatch(rf"1\. {SMALL} and {LARGE} not joined: IoU 0\.79, .*", text)
    ids = f"{SMALL},{LARGE}"
    assert below == f"z,y,x 30,120,340; segmentation {ids}; agglomerated {ids}"


def test_a_line_that_is_drawn_in_a_scene_is_one_more_correction(run: Run) -> None:
    path = run.folder / "mine.csv"
    path.write_text(
        "kind,z1,y1,x1,z2,y2,x2,note\njoin,31,120,338,40,131,390,one\ncut,28,115,340,30,116,341,\n"
    )
    settings = run.config.reconciliation.model_copy(update={"corrections": str(path)})
    run = replace(run, config=run.config.model_copy(update={"reconciliation": settings}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.viewing.run_layers.MOST_CORRECTIONS", 1)
        told = f"the 2 corrections of the run are too many: joins and cuts lack what {path} has"
        assert told in layers_of_run(run).lacking
    shown = layers_of_run(run)
    state = scene(shown, {layer.name: "precomputed://there" for layer in shown.layers})
    cuts = next(layer for layer in state["layers"] if layer["name"] == "cuts")
    line = {"type": "line", "id": "1", "pointA": [340.5, 120.9, 30.1], "pointB": [345, 121, 31]}
    cuts["annotations"].append(line)
    path = run.folder / "state.json"
    path.write_text(json.dumps(state))
    assert [(each.kind, each.a, each.b, each.note) for each in read_corrections(path, SIZE_NM)] == [
        ("join", (31, 120, 338), (40, 131, 390), "one"),
        ("cut", (28, 115, 340), (30, 116, 341), ""),
        ("cut", (30, 120, 340), (31, 121, 345), ""),
    ]
