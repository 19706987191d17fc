"""What benchmarks know of an alignment: where the tissue comes to lie, and its labels with it."""

from __future__ import annotations

import numpy as np
from aligned_truth import in_tissue, in_volume, labels_in_volume, looked_up
from taken import SMALL, Taken

from pipeline.geometry import Box

SOMEWHERE = np.array([(y, x) for y in (60.0, 150.5, 240.0) for x in (70.0, 160.0, 250.5)])


def test_where_points_of_the_tissue_come_to_lie_leads_back_to_them(aligned: Taken) -> None:
    for section in aligned.sections.values():
        places = in_volume(aligned.stack, section, aligned.truth, SOMEWHERE)
        seen = np.isfinite(places[:, 0])
        back = in_tissue(aligned.stack, section, aligned.truth, places[seen])
        assert seen.sum() >= 5
        assert np.abs(back - SOMEWHERE[seen]).max() < 0.3


def test_labels_come_along_with_the_tissue(aligned: Taken) -> None:
    columns = np.broadcast_to(np.arange(SMALL.tissue[2], dtype=np.int32), SMALL.tissue)
    box = Box((1, 100, 100), (5, 110, 140))
    found = labels_in_volume(aligned.stack, aligned.sections, aligned.truth, columns, box)
    assert not found[3 - 1].any(), "section 3 is lost"
    there = np.indices(box.shape[1:]).reshape(2, -1).T + np.array(box.start[1:], float)
    expected = in_tissue(aligned.stack, aligned.sections[1], aligned.truth, there)[:, 1]
    assert np.array_equal(found[0].ravel(), np.rint(expected))


def test_tiles_looked_up_where_they_were_taken_show_the_tissue(aligned: Taken) -> None:
    box = Box((0, 100, 100), (2, 180, 180))
    image = SMALL.phantom(5).image(box)
    shown = looked_up(aligned.stack, aligned.sections, aligned.truth, box)
    for one, other in zip(image, shown):
        seen = other > 0
        assert np.corrcoef(one[seen], other[seen])[0, 1] > 0.85
