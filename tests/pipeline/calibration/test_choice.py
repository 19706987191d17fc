"""The rule that labelled boxes choose, against every rule tried by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.agglomeration.tables import SCORE
from pipeline.calibration import LabelledBox, candidates, choose, cross_validate, variation
from pipeline.calibration.boxes import cut
from pipeline.config import Agglomeration
from pipeline.errors import InputError
from pipeline.evaluation.contingency import ContingencyTable
from pipeline.geometry import Box

SETTINGS = Agglomeration(min_recovered=0.4)
HERE = Box((0, 0, 0), (1, 1, 8))


def box_of(
    truth: list[int],
    segments: list[int],
    edges: list[tuple[int, int, float, float]],
    cuts: Sequence[tuple[int, int]] = (),
) -> LabelledBox:
    """Edges are two ids, the IoU and the deleted part; of both everything is recovered."""
    rows = np.zeros(len(edges), SCORE)
    for row, (a, b, iou, deleted) in zip(rows, edges):
        row["a"], row["b"], row["iou"], row["deleted"] = a, b, iou, deleted
        for name in ("a_from_a", "b_from_a", "a_from_b", "b_from_b"):
            row[name] = 1
    counts = ContingencyTable.count(np.array([truth]), np.array([segments]))
    return LabelledBox(HERE, counts, rows, np.array(cuts, np.uint64).reshape(-1, 2))


def split_and_merger(true_iou: float, false_iou: float) -> LabelledBox:
    """Object 1 is cut in two, 3 and 4 touch: an edge of each kind."""
    edges = [(1, 2, true_iou, 0.0), (3, 4, false_iou, 0.0)]
    return box_of([1, 1, 1, 1, 3, 3, 4, 4], [1, 1, 2, 2, 3, 3, 4, 4], edges)


def test_the_choice_takes_the_true_joins_and_leaves_the_false_ones() -> None:
    boxes = [split_and_merger(0.72, 0.55), split_and_merger(0.81, 0.65)]
    chosen = choose(boxes, candidates(SETTINGS))
    assert chosen.min_iou == 0.7
    assert [variation(box, chosen) for box in boxes] == [(0, 0)] * 2
    assert variation(boxes[0], None) == (pytest.approx(0.5), 0)


def test_a_box_is_scored_by_the_rule_of_the_others() -> None:
    """The third box contradicts the others: what they choose joins its merger, and it knows nothing of it."""
    boxes = [split_and_merger(0.72, 0.1), split_and_merger(0.72, 0.1), split_and_merger(0.97, 0.85)]
    held = cross_validate(boxes, candidates(SETTINGS))
    assert held[2].rule.min_iou == 0.7
    assert held[2].base.merge == 0
    assert held[2].joined == (0, pytest.approx(0.5))


def test_what_a_person_has_cut_is_joined_by_no_rule_as_in_the_run() -> None:
    """The false edge is the stronger one: without the cut a rule that makes the true join makes it too."""
    edges = [(1, 2, 0.72, 0.0), (3, 4, 0.85, 0.0)]
    labels = [1, 1, 1, 1, 3, 3, 4, 4], [1, 1, 2, 2, 3, 3, 4, 4]
    uncut, cut_apart = box_of(*labels, edges), box_of(*labels, edges, [(4, 3), (3, 9)])
    rule = choose([cut_apart], candidates(SETTINGS))
    assert rule.min_iou == 0.7
    assert variation(cut_apart, rule) == (0, 0)
    assert variation(uncut, rule) == (0, pytest.approx(0.5))


def test_the_strictest_of_equal_rules_is_chosen() -> None:
    nothing_to_join = box_of([1, 1, 2, 2], [1, 1, 2, 2], [])
    rules = candidates(SETTINGS)
    assert choose([nothing_to_join], rules) == rules[0]
    assert (rules[0].min_iou, rules[0].min_recovered, rules[0].max_deleted) == (0.95, 0.9, 0.01)


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
