"""What makes one doubt scores: too little that is labelled, or voxels that training saw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.wording import percent

FEW_LABELLED = 0.05
"""A smaller part of what is scored, if only that is labelled, is told."""

MOSTLY_UNLABELLED = 0.5
"""A larger part of what counts, if it is not labelled, is told: two conventions have it as one object."""


def doubts(metrics: Mapping[str, Any]) -> list[str]:
    """Why scores are to be doubted, a line each; none if they are not.

    `metrics` are those of a run's `metrics.json`, or of two volumes, of which no training is known.
    """
    return [*_of_labels(metrics), *_of_training(metrics)]


def doubts_of_run_length(found: Mapping[str, Any]) -> list[str]:
    """As `doubts`, of a run's `run_length.json`, or of what older programs wrote there."""
    seen = found.get("seen_in_training")
    if not seen:
        return []
    return [
        f"{seen:.0%} of the length of the skeletons was seen in training: run length there says little of "
        "tissue that the network has not seen"
    ]


def _of_labels(metrics: Mapping[str, Any]) -> list[str]:
    labelled = metrics["labelled_share"]
    if not labelled:
        return ["no voxel that is scored is labelled: these are no scores"]
    not_left_out = 1 - metrics.get("left_out_share", 0.0)
    share = labelled / not_left_out
    if share < FEW_LABELLED:
        return [
            f"only {percent(share)} of what is to be scored is labelled: these scores say little of the rest"
        ]
    counted = not_left_out - metrics["ignored_share"]
    unlabelled = 1 - labelled / counted
    if unlabelled <= MOSTLY_UNLABELLED:
        return []
    return [
        f"{unlabelled:.0%} of the voxels that count are not labelled: VOI of gt_foreground and filled has "
        "them as one object, which every segment there splits; both_foreground and CREMI leave them out"
    ]


def _of_training(metrics: Mapping[str, Any]) -> list[str]:
    found = []
    if metrics.get("seen_in_training"):
        found.append(
            f"{metrics['seen_in_training']:.0%} of the scored voxels{_of_those_labelled(metrics)} were seen "
            "in training: these scores say little of tissue that the network has not seen"
        )
    if metrics.get("chosen_by"):
        found.append(
            f"{metrics['chosen_by']:.0%} of the scored voxels chose the network: these scores are a little "
            "too good"
        )
    return found


def _of_those_labelled(metrics: Mapping[str, Any]) -> str:
    """Words for it where few voxels are labelled: as a rule training saw just these."""
    not_left_out = 1 - metrics.get("left_out_share", 0.0)
    labelled = metrics["labelled_share"] / not_left_out if not_left_out else 0.0
    if not labelled or labelled > MOSTLY_UNLABELLED:
        return ""
    return f", and up to {min(1.0, metrics['seen_in_training'] / labelled):.0%} of those labelled,"
