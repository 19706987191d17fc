"""Scores of hardly anything say so themselves."""

from __future__ import annotations

import pytest

from pipeline.evaluation.trust import doubts

GOOD = {"labelled_share": 0.9, "ignored_share": 0.0, "left_out_share": 0.0, "seen_in_training": 0.0}


@pytest.mark.parametrize(
    ("metrics", "told"),
    [
        ({"labelled_share": 0.0}, "no voxel that is scored is labelled"),
        ({"labelled_share": 0.0, "ignored_share": 1.0}, "no voxel that is scored is labelled"),
        ({"labelled_share": 0.01, "ignored_share": 0.9}, "only 1.00% of what is to be scored is labelled"),
        ({"labelled_share": 0.3}, "70% of the voxels that count are not labelled: VOI of gt_foreground"),
        ({"seen_in_training": 0.5}, "50% of the scored voxels were seen in training"),
        ({"chosen_by": 0.25}, "25% of the scored voxels chose the network"),
    ],
)
def test_each_reason_to_doubt_scores_is_told(metrics: dict[str, float], told: str) -> None:
    [found] = doubts({**GOOD, **metrics})
    assert found.startswith(told)


def test_where_few_voxels_are_labelled_it_is_told_of_those_how_many_training_saw() -> None:
    found = doubts({**GOOD, "labelled_share": 0.2, "seen_in_training": 0.15})
    assert "15% of the scored voxels, and up to 75% of those labelled, were seen in training" in found[1]


def test_scores_of_what_is_labelled_or_is_known_to_be_unknown_are_not_doubted() -> None:
    assert not doubts(GOOD)
    assert not doubts({**GOOD, "labelled_share": 0.2, "ignored_share": 0.5, "left_out_share": 0.2})
    assert not doubts({**GOOD, "labelled_share": 0.03, "left_out_share": 0.96}), "most is left out on purpose"
