"""Which rule of agglomeration makes the least of splits and mergers together, and what it does elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from pipeline.agglomeration.graph import Graph
from pipeline.calibration.boxes import LabelledBox
from pipeline.config import Agglomeration
from pipeline.evaluation.scores import VariationOfInformation, variation_of_information

IOU = (0.95, 0.9, 0.8, 0.7, 0.6, 0.5)
RECOVERED = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
DELETED = (0.01, 0.02, 0.05, 0.1, 0.2)


@dataclass(frozen=True)
class HeldOut:
    """One box under a rule that was chosen by all others."""

    box: LabelledBox
    rule: Agglomeration
    base: VariationOfInformation
    """Without any joins."""
    joined: VariationOfInformation
    """With those of `rule`."""


def candidates(settings: Agglomeration) -> list[Agglomeration]:
    """Rules to choose from, the strictest first; all else is as in `settings`.

    None asks for less to be recovered than the run did: what recovered less was not flooded from both sides.
    """
    asked = {settings.min_recovered, *(r for r in RECOVERED if r > settings.min_recovered)}
    return [
        settings.model_copy(update={"min_iou": iou, "min_recovered": recovered, "max_deleted": deleted})
        for iou, recovered, deleted in product(IOU, sorted(asked, reverse=True), DELETED)
    ]


def variation(box: LabelledBox, rule: Agglomeration | None) -> VariationOfInformation:
    """VOI in bits of what is both labelled and segmented in a box, with the joins of a rule that a person's
    cuts leave, or with none."""
    if rule is None:
        return variation_of_information(box.counts)
    ids = Graph.of(box.edges, rule).keeping(box.apart).equivalences(rule.min_iou)
    return variation_of_information(box.counts.with_segments(ids.of))


def choose(boxes: Sequence[LabelledBox], rules: Sequence[Agglomeration]) -> Agglomeration:
    """The rule with the least VOI, split and merge together, over all boxes by their voxels; of equal ones
    the first.
    """
    weights = np.array([box.counts.total_voxels for box in boxes], float)
    sums = [float(np.dot(weights, [_bits(variation(box, rule)) for box in boxes])) for rule in rules]
    return rules[int(np.argmin(sums))]


def cross_validate(boxes: Sequence[LabelledBox], rules: Sequence[Agglomeration]) -> list[HeldOut]:
    """Each box, two at least, under the rule that is chosen by the others."""
    held = []
    for box in boxes:
        rule = choose([other for other in boxes if other is not box], rules)
        held.append(HeldOut(box, rule, variation(box, None), variation(box, rule)))
    return held


def _bits(voi: VariationOfInformation) -> float:
    return (voi.split or 0.0) + (voi.merge or 0.0)
