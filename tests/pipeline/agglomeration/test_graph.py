"""The agglomeration graph: which edges join, and what is one by them."""

from __future__ import annotations

import csv
from pathlib import Path
from random import Random

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.agglomeration.edges_file import list_edges
from pipeline.agglomeration.graph import Graph, agglomerate
from pipeline.agglomeration.tables import SCORE, write_table
from pipeline.config import Agglomeration, RunConfig
from pipeline.results.agglomerated_ids import read_agglomerated_ids, read_summary
from pipeline.results.artifacts import Artifact, file_sha256
from pipeline.results.kept_apart import write_kept_apart
from pipeline.run_folder import Run
from workflows.running.summary import agglomeration_line

RULES = Agglomeration()
GOOD = {"iou": 0.9, "a_from_a": 0.7, "b_from_a": 0.7, "a_from_b": 0.7, "b_from_b": 0.7, "deleted": 0.01}


def edge(a: int, b: int, z: float = 0, **scores: float) -> np.ndarray:
    row = np.zeros(1, SCORE)
    for name, value in {"a": a, "b": b, "z": z, **GOOD, **scores}.items():
        row[name] = value
    return row


@pytest.mark.parametrize(
    ("scores", "joins"),
    [
        ({}, True),
        ({"iou": 0.79}, False),
        ({"deleted": 0.03}, False),
        *(({name: 0.5}, False) for name in ("a_from_a", "b_from_a", "a_from_b", "b_from_b")),
    ],
)
def test_an_edge_joins_where_every_score_is_good(scores: dict[str, float], joins: bool) -> None:
    graph = Graph.of(edge(3, 5, **scores), RULES)
    assert graph.joins.tolist() == [joins]
    table = graph.equivalences(RULES.min_iou)
    assert table.of(np.array([[0, 3], [5, 9]])).tolist() == ([[0, 3], [3, 9]] if joins else [[0, 3], [5, 9]])


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9), st.floats(0.1, 1)), max_size=12),
    st.sampled_from([0.3, 0.5, 0.8]),
    st.randoms(use_true_random=False),
)
def test_equivalences_are_the_components_of_the_strong_edges(
    edges: list[tuple[int, int, float]], least: float, random: Random
) -> None:
    rows = [edge(a, b, number, iou=iou) for number, (a, b, iou) in enumerate(edges)]
    random.shuffle(rows)
    graph = Graph.of(np.concatenate([np.zeros(0, SCORE), *rows]), RULES)
    group = {n: {n} for n in range(10)}
    for a, b, iou in edges:
        if np.float32(iou) >= np.float32(least):
            union = group[a] | group[b]
            group.update(dict.fromkeys(union, union))
    assert graph.equivalences(least).of(np.arange(10)).tolist() == [min(group[n]) for n in range(10)]


def test_the_graph_and_its_csv_hold_every_edge_whatever_the_order_of_the_blocks(tmp_path: Path) -> None:
    run = Run(tmp_path, RunConfig())
    parts = []
    for number, rows in enumerate((edge(2, 9), edge(4, 2, iou=0.2), np.zeros(0, SCORE))):
        path = tmp_path / f"{number}.h5"
        write_table(path, rows)
        parts.append(Artifact(str(path), file_sha256(path)))
    made = agglomerate(run, parts, [])
    content = Path(made.path).read_bytes()
    Path(made.path).unlink()
    assert Path(agglomerate(run, parts[::-1], []).path).read_bytes() == content
    assert read_agglomerated_ids(run.agglomeration_file).of(np.array([2, 4, 9])).tolist() == [2, 4, 2]
    listed = list(csv.DictReader(Path(list_edges(run, made).path).read_text().splitlines()))
    assert [(row["a"], row["b"], row["iou"], row["joins"]) for row in listed] == [
        ("2", "9", "0.9", "1"),
        ("4", "2", "0.2", "0"),
    ]


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9), st.floats(0.1, 1)), max_size=14),
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)).filter(lambda p: p[0] != p[1]), max_size=4),
    st.sampled_from([0.3, 0.5, 0.8]),
)
def test_what_a_person_has_cut_is_joined_at_no_strength_and_nothing_else_is_lost(
    edges: list[tuple[int, int, float]], cuts: list[tuple[int, int]], least: float
) -> None:
    rows = [edge(a, b, number, iou=iou) for number, (a, b, iou) in enumerate(edges)]
    apart = np.array(cuts, np.uint64).reshape(-1, 2)
    by_rule = Graph.of(np.concatenate([np.zeros(0, SCORE), *rows]), RULES)
    graph = by_rule.keeping(apart)
    after = graph.equivalences(least).of(np.arange(10))
    assert all(after[a] != after[b] for a, b in cuts)
    for left_out in np.flatnonzero(by_rule.strength != graph.strength):
        together = graph.strength >= by_rule.strength[left_out]
        together[left_out] = True
        joined = Graph(graph.edges, np.where(together, 1, 0).astype(np.float32), 1.0)
        ids = joined.equivalences(1.0).of(np.arange(10))
        assert any(ids[a] == ids[b] for a, b in cuts)  # there was a reason


def test_cuts_are_read_from_the_corrected_table_and_what_gave_way_is_counted(tmp_path: Path) -> None:
    run = Run(tmp_path, RunConfig())
    path, table = tmp_path / "scores.h5", tmp_path / "corrected.h5"
    write_table(path, np.concatenate([edge(2, 9, iou=0.95), edge(4, 9, iou=0.9), edge(5, 4)]))
    with h5py.File(table, "w") as file:
        write_kept_apart(file, np.array([[4, 2]]))
    scores, corrected = (Artifact(str(each), file_sha256(each)) for each in (path, table))
    agglomerate(run, [scores], [corrected])
    assert read_agglomerated_ids(run.agglomeration_file).of(np.array([2, 4, 5, 9])).tolist() == [2, 4, 4, 2]
    counts = read_summary(run.agglomeration_file)
    assert counts is not None
    assert (counts["joins"], counts["kept_apart"]) == (2, 1)
    line = agglomeration_line(run)
    assert line is not None
    assert "1 more would, but for a person's cuts" in line
