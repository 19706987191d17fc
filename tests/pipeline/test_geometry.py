"""The laws of boxes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.geometry import Box, Triple, triple

any_case = settings(deadline=None)


def triples(low: int, high: int) -> st.SearchStrategy[Triple]:
    number = st.integers(low, high)
    return st.tuples(number, number, number)


@st.composite
def boxes(draw: st.DrawFn, least: int = 1) -> Box:
    """Boxes of `least` to 12 voxels a side, with corners on both sides of the origin."""
    return Box.of_shape(draw(triples(least, 12)), draw(triples(-20, 20)))


def count(parts: list[Box], whole: Box) -> np.ndarray:
    """How many of the parts hold each voxel of the whole."""
    counts = np.zeros(whole.shape, int)
    for part in parts:
        counts[(part & whole).slices(whole.start)] += 1
    return counts


def voxels(box: Box) -> set[Triple]:
    """The voxels of a box, as a set of positions."""
    (z0, y0, x0), (z1, y1, x1) = box.start, box.stop
    return {(z, y, x) for z in range(z0, z1) for y in range(y0, y1) for x in range(x0, x1)}


@any_case
@given(boxes())
def test_a_box_is_what_its_text_says(box: Box) -> None:
    assert Box.parse(str(box)) == box


@pytest.mark.parametrize(
    "text", ["", "1:2,3:4", "1:2,3:4,5:6,7:8", "1:2,3:4,5", "a:b,c:d,e:f", "1:2:3,4:5,6:7"]
)
def test_text_that_is_no_box_is_refused_with_the_form_expected(text: str) -> None:
    with pytest.raises(ValueError, match="is not of the form z0:z1,y0:y1,x0:x1"):
        Box.parse(text)


@pytest.mark.parametrize("text", ["0:0,0:5,0:5", "0:5,3:2,0:5"])
def test_an_empty_box_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is empty"):
        Box.parse(text)


@pytest.mark.parametrize("value", [(1, 2), (1, 2, 3, 4), 5, "123"])
def test_a_triple_is_three_numbers(value: object) -> None:
    with pytest.raises(ValueError, match="expected three numbers z, y, x"):
        triple(value)


@any_case
@given(boxes(least=0), boxes(least=0))
def test_intersection_and_containment_are_those_of_sets_of_voxels(a: Box, b: Box) -> None:
    assert voxels(a & b) == voxels(a) & voxels(b)
    assert a.contains(b) == (voxels(b) <= voxels(a))
    assert a.size == len(voxels(a))
    assert a.is_empty == (not voxels(a))


@any_case
@given(boxes(), triples(-9, 9), triples(0, 5))
def test_moving_back_and_shrinking_again_give_the_box(box: Box, offset: Triple, margin: Triple) -> None:
    back = triple([-n for n in offset])
    assert box.translate(offset).translate(back) == box
    assert box.translate(offset).shape == box.shape
    grown = box.grow(margin)
    assert grown.contains(box)
    assert grown.grow(triple([-n for n in margin])) == box


@any_case
@given(boxes(), boxes())
def test_slices_pick_the_box_out_of_an_array(whole: Box, other: Box) -> None:
    part = whole & other
    coordinates = np.stack(np.meshgrid(*map(np.arange, whole.start, whole.stop), indexing="ij"), axis=-1)
    picked = coordinates[part.slices(whole.start)]
    assert picked.size == 3 * part.size
    if not part.is_empty:
        assert picked.shape[:3] == part.shape
        assert tuple(picked[0, 0, 0]) == part.start


@any_case
@given(boxes(), triples(1, 7))
def test_blocks_partition_the_box_and_are_aligned_to_the_origin(box: Box, shape: Triple) -> None:
    blocks = box.blocks(shape)
    assert (count(blocks, box) == 1).all()
    assert sum(block.size for block in blocks) == box.size
    for block in blocks:
        for a, b, s, first, end in zip(block.start, block.stop, shape, box.start, box.stop):
            assert a % s == 0 or a == first
            assert b % s == 0 or b == end
            assert b - a <= s
