"""The rule that labelled boxes choose, against every rule tried by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.agglomeration.graph import Graph
from pipeline.agglomeration.tables import SCORE
from pipeline.calibration import (
    HeldOut,
    LabelledBox,
    LabelledRun,
    candidates,
    choose,
    cross_validate,
    try_out,
)
from pipeline.calibration.boxes import cut
from pipeline.calibration.choice import variation
from pipeline.config import Agglomeration
from pipeline.errors import InputError
from pipeline.evaluation.contingency import ContingencyTable
from pipeline.geometry import Box

SETTINGS = Agglomeration(min_recovered=0.4)
HERE = Box((0, 0, 0), (1, 1, 8))


def box_of(truth: list[int], segments: list[int]) -> LabelledBox:
    return LabelledBox(HERE, ContingencyTable.count(np.array([truth]), np.array([segments])), 0)


def run_of(
    boxes: list[LabelledBox],
    edges: list[tuple[int, int, float, float]],
    cuts: Sequence[tuple[int, int]] = (),
) -> LabelledRun:
    """Edges are two ids, the IoU and the deleted part; of both everything is recovered."""
    rows = np.zeros(len(edges), SCORE)
    for row, (a, b, iou, deleted) in zip(rows, edges):
        row["a"], row["b"], row["iou"], row["deleted"] = a, b, iou, deleted
        for name in ("a_from_a", "b_from_a", "a_from_b", "b_from_b"):
            row[name] = 1
    apart = np.array(cuts, np.uint64).reshape(-1, 2)
    graph = Graph.of(rows, SETTINGS).keeping(apart)
    return LabelledRun(boxes, rows, apart, graph.equivalences(graph.min_iou))


def splits_and_mergers(*ious: tuple[float, float]) -> LabelledRun:
    """In each box an object is cut in two, and two others touch: an edge of each kind, with these IoUs."""
    boxes, edges = list[LabelledBox](), list[tuple[int, int, float, float]]()
    for number, (true_iou, false_iou) in enumerate(ious):
        a, b, c, d = (10 * number + i for i in range(1, 5))
        boxes.append(box_of([a, a, a, a, c, c, d, d], [a, a, b, b, c, c, d, d]))
        edges += [(a, b, true_iou, 0.0), (c, d, false_iou, 0.0)]
    return run_of(boxes, edges)


def chosen(run: LabelledRun) -> tuple[Agglomeration, list[tuple[float | None, float | None]]]:
    """The rule that all boxes choose, and what it makes of each."""
    voxels = [box.counts.total_voxels for box in run.boxes]
    best = choose(try_out(run, candidates(SETTINGS)), voxels)
    return best.rule, [(voi.split, voi.merge) for voi in best.of_boxes]


def held_out(run: LabelledRun) -> list[HeldOut]:
    return cross_validate(run, try_out(run, candidates(SETTINGS)))


def test_the_choice_takes_the_true_joins_and_leaves_the_false_ones() -> None:
    run = splits_and_mergers((0.72, 0.55), (0.81, 0.65))
    rule, made = chosen(run)
    assert rule.min_iou == 0.7
    assert made == [(0, 0)] * 2
    assert held_out(run)[0].base == (pytest.approx(0.5), 0)


def test_a_box_is_scored_by_the_rule_of_the_others() -> None:
    """The third box contradicts the others: what they choose joins its merger, and it knows nothing of it."""
    held = held_out(splits_and_mergers((0.72, 0.1), (0.72, 0.1), (0.97, 0.85)))
    assert held[2].rule.min_iou == 0.7
    assert held[2].base.merge == 0
    assert held[2].joined == (0, pytest.approx(0.5))
    assert [one.as_run.split for one in held] == [pytest.approx(0.5)] * 2 + [
        0
    ]  # 0.8 is what the run asks for


def test_what_joins_two_segments_of_a_box_may_lie_anywhere() -> None:
    """By way of a third, which no box has: as it does in the run."""
    boxes = [box_of([1, 1, 2, 2], [1, 1, 2, 2]), box_of([7, 7, 7, 7], [7, 7, 8, 8])]
    run = run_of(boxes, [(7, 9, 0.85, 0.0), (8, 9, 0.75, 0.0)])
    rule, made = chosen(run)
    assert rule.min_iou == 0.7
    assert made == [(0, 0)] * 2


def test_what_a_person_has_cut_is_joined_by_no_rule_as_in_the_run() -> None:
    """The false edge is the stronger one: without the cut a rule that makes the true join makes it too."""
    box = box_of([1, 1, 1, 1, 3, 3, 4, 4], [1, 1, 2, 2, 3, 3, 4, 4])
    edges = [(1, 2, 0.72, 0.0), (3, 4, 0.85, 0.0)]
    rule, made = chosen(run_of([box], edges, [(4, 3), (3, 9)]))
    assert rule.min_iou == 0.7
    assert made == [(0, 0)]
    [uncut] = try_out(run_of([box], edges), [rule])
    assert uncut.of_boxes == [(0, pytest.approx(0.5))]


def test_the_strictest_of_equal_rules_is_chosen() -> None:
    rules = candidates(SETTINGS)
    assert chosen(run_of([box_of([1, 1, 2, 2], [1, 1, 2, 2])], []))[0] == rules[0]
    assert (rules[0].min_iou, rules[0].min_recovered, rules[0].max_deleted) == (0.95, 0.9, 0.01)


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(st.integers(1, 9), st.integers(1, 9), *[st.sampled_from([0.3, 0.5, 0.7, 0.8])] * 1,
                  st.sampled_from([0.0, 0.02, 0.15, 0.3])),
        max_size=8,
    ),
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)).filter(lambda p: p[0] != p[1]), max_size=2),
)  # fmt: skip
def test_every_rule_makes_of_a_box_what_a_run_by_it_would(
    edges: list[tuple[int, int, float, float]], cuts: list[tuple[int, int]]
) -> None:
    box = box_of([1, 1, 1, 4, 4, 4], [1, 2, 3, 4, 5, 6])
    run = run_of([box], edges, cuts)
    for one in try_out(run, candidates(SETTINGS)[8::9]):  # the loosest is among them
        ids = Graph.of(run.edges, one.rule).keeping(run.apart).equivalences(one.rule.min_iou)
        assert one.of_boxes == [variation(box, ids)]


def test_no_rule_asks_for_less_than_the_run_looked_at() -> None:
    assert min(rule.min_recovered for rule in candidates(Agglomeration(min_recovered=0.65))) == 0.65


@given(st.tuples(*[st.integers(1, 60)] * 3), st.integers(1, 40), st.tuples(*[st.integers(-5, 5)] * 3))
def test_boxes_are_disjoint_and_together_the_whole(
    shape: tuple[int, int, int], count: int, start: tuple[int, int, int]
) -> None:
    whole = Box.of_shape(shape, start)
    if whole.size < count:
        with pytest.raises(InputError, match="cannot be cut"):
            cut(whole, count)
        return
    boxes = cut(whole, count)
    assert len(boxes) >= count
    assert sum(box.size for box in boxes) == whole.size
    assert all(whole.contains(box) for box in boxes)
    assert all((a & b).is_empty for i, a in enumerate(boxes) for b in boxes[:i])
