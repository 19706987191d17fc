"""What costs most run length: each error costs what mending it alone would bring."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.evaluation.lost_runs import LostRun, lost_runs
from pipeline.evaluation.run_length import expected_run_length, merged_segments
from pipeline.evaluation.skeletons import Skeletons

NODES = 12


def lines(many: int) -> Skeletons:
    """Straight skeletons of NODES nodes along x, a nm apart, one below the other; named by their y."""
    x = np.arange(NODES)
    parts = [
        (str(y), np.stack([0 * x, y + 0 * x, x], axis=1), np.stack([x[:-1], x[1:]], axis=1))
        for y in range(many)
    ]
    return Skeletons.of(parts)


def mended(skeletons: Skeletons, segments: np.ndarray, lost: LostRun) -> np.ndarray:
    """The ids at the nodes where this error alone is mended."""
    ids, new, owner = segments.copy(), 1000, skeletons.owner
    _, y, x = lost.point
    if lost.kind == "merger":
        of_it = segments == lost.segments[0]
        ids[of_it] = new + owner[of_it]
        return ids
    ids[(owner == y) & np.isin(segments, lost.segments)] = new
    if lost.kind == "blank":
        for step in (1, -1):
            at = x
            while 0 <= at < NODES and segments[y * NODES + at] == 0:
                ids[y * NODES + at] = new
                at += step
    return ids


@example([0, 1] * (3 * NODES // 2), 0)
@given(st.lists(st.integers(0, 5), min_size=3 * NODES, max_size=3 * NODES), st.integers(0, 3))
def test_an_error_costs_what_mending_it_alone_would_bring(ids: list[int], threshold: int) -> None:
    skeletons, segments = lines(3), np.array(ids, np.uint64)
    now = expected_run_length(skeletons, segments, threshold).erl_nm
    found = lost_runs(skeletons, segments, (1, 1, 1), 1000, threshold)
    for lost in found:
        then = expected_run_length(skeletons, mended(skeletons, segments, lost), threshold).erl_nm
        assert now is not None
        assert then is not None
        assert then - now == pytest.approx(lost.erl_nm, abs=1e-9), lost
    assert [lost.erl_nm for lost in found] == sorted((lost.erl_nm for lost in found), reverse=True)
    perfect = expected_run_length(skeletons, segments, threshold).nerl == 1
    assert not (found and perfect)
    # mergers of single nodes lose run length together of which each alone would bring none
    assert found or perfect or len(merged_segments(skeletons, segments, threshold, ()))


def test_each_kind_is_found_with_a_node_to_look_at() -> None:
    skeletons = lines(3)
    segments = np.array([1] * 6 + [2] * 6 + [3] * 4 + [0] * 3 + [4] * 5 + [5] * 12, np.uint64)
    first, second = lost_runs(skeletons, segments, (1, 1, 1), 10)
    assert (first.kind, first.skeletons, first.segments) == ("blank", ("1",), (3, 4))
    assert first.point == (0, 1, 5)
    assert first.erl_nm == pytest.approx((11**2 - 3**2 - 4**2) / 33)
    assert (second.kind, second.skeletons, second.segments) == ("split", ("0",), (1, 2))
    assert second.point in ((0, 0, 5), (0, 0, 6))
    assert second.erl_nm == pytest.approx((11**2 - 2 * 5**2) / 33)
    segments[-12:] = 1
    merger = lost_runs(skeletons, segments, (1, 1, 1), 1)[0]
    assert (merger.kind, merger.skeletons, merger.segments) == ("merger", ("2", "0"), (1,))
    assert merger.erl_nm == pytest.approx((11**2 + 5**2) / 33)
    assert merger.point[1] == 0


def test_ids_beyond_63_bits_stay_what_they_are() -> None:
    skeletons, top = lines(1), 2**64 - 1
    found = lost_runs(skeletons, np.array([top] * 6 + [top - 1] * 6, np.uint64), (1, 1, 1), 5)
    assert [lost.segments for lost in found] == [(top - 1, top)]
