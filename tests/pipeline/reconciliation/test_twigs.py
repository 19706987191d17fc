"""Twigs of lines: which go, and which are branches that stay."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from pipeline.reconciliation.shapes.twigs import without_twigs


@pytest.mark.parametrize(("length_nm", "stays"), [(180, False), (220, True), (400, True)])
def test_what_ends_further_away_than_the_object_is_thick_is_a_branch(length_nm: int, stays: bool) -> None:
    """kimimaro itself takes for near what ends in 1.5 radii and 300 nm, here 450."""
    line = np.array([(0, 0, x) for x in range(0, 3000, 20)], np.float32)
    side = np.array([(0, y, 1500) for y in range(20, length_nm + 1, 20)], np.float32)
    nodes = np.concatenate([line, side])
    joints = [75, *range(len(line), len(nodes))]
    edges = np.array([*pairwise(range(150)), *pairwise(joints)], np.uint32)
    left = without_twigs(nodes, edges, np.full(len(nodes), 100, np.float32))
    assert len(left) == (len(edges) if stays else len(line) - 1)


def test_a_second_line_of_the_same_object_goes_and_another_part_stays() -> None:
    line = np.array([(0, 0, x) for x in range(0, 2000, 10)], np.float32)
    second, apart = line[50:150] + np.array((0, 60, 0)), line + np.array((0, 120, 0))
    nodes = np.concatenate([line, second, apart])
    links = [(i, i + 1) for i in range(len(nodes) - 1) if i not in (199, 299)]
    left = without_twigs(nodes, np.array([*links, (100, 250)], np.uint32), np.full(500, 50, np.float32))
    assert left.tolist() == [list(link) for link in links if not 200 <= link[0] < 300]
