"""Which rule of agglomeration makes the least of splits and mergers together, and what it does elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from pipeline.agglomeration.graph import Graph
from pipeline.calibration.boxes import LabelledBox, LabelledRun
from pipeline.config import Agglomeration
from pipeline.evaluation.scores import VariationOfInformation, variation_of_information
from pipeline.results.agglomerated_ids import AgglomeratedIds

IOU = (0.95, 0.9, 0.8, 0.7, 0.6, 0.5)
RECOVERED = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
DELETED = (0.01, 0.02, 0.05, 0.1, 0.2)


@dataclass(frozen=True)
class Tried:
    """A rule, and what its joins make of each box."""

    rule: Agglomeration
    of_boxes: list[VariationOfInformation]


@dataclass(frozen=True)
class HeldOut:
    """One box under a rule that was chosen by all others."""

    box: LabelledBox
    rule: Agglomeration
    base: VariationOfInformation
    """Without any joins."""
    as_run: VariationOfInformation
    """With those that the run has made."""
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


def variation(box: LabelledBox, ids: AgglomeratedIds | None = None) -> VariationOfInformation:
    """VOI in bits of what is both labelled and segmented in a box, of base segments or of what is one by
    `ids`."""
    return variation_of_information(box.counts if ids is None else box.counts.with_segments(ids.of))


def try_out(run: LabelledRun, rules: Sequence[Agglomeration]) -> list[Tried]:
    """What each of `candidates` makes of each box, by the joins of the whole volume that a person's cuts
    leave."""
    edges = _that_matter(run, rules[-1])
    found = []
    for rule in rules:
        ids = Graph.of(edges, rule).keeping(run.apart).equivalences(rule.min_iou)
        found.append(Tried(rule, [variation(box, ids) for box in run.boxes]))
    return found


def _that_matter(run: LabelledRun, loosest: Agglomeration) -> np.ndarray:
    """The edges that a rule may join and that lead to a segment of a box: of a large volume few do."""
    graph = Graph.of(run.edges, loosest)
    ids = graph.equivalences(graph.min_iou)
    of_boxes = np.concatenate([box.counts.segmentation for box in run.boxes])
    return graph.edges[graph.joins & np.isin(ids.of(graph.edges["a"]), ids.of(of_boxes))]


def choose(tried: Sequence[Tried], voxels: Sequence[int]) -> Tried:
    """The rule with the least VOI, split and merge together, over boxes by so many voxels of each; of equal
    ones the first.
    """
    sums = [float(np.dot(voxels, [_bits(voi) for voi in each.of_boxes])) for each in tried]
    return tried[int(np.argmin(sums))]


def cross_validate(run: LabelledRun, tried: Sequence[Tried]) -> list[HeldOut]:
    """Each box, of two at least, under the rule that is chosen by the others."""
    held = []
    for number, box in enumerate(run.boxes):
        others = [0 if other is box else other.counts.total_voxels for other in run.boxes]
        chosen = choose(tried, others)
        as_run = variation(box, run.joined)
        held.append(HeldOut(box, chosen.rule, variation(box), as_run, chosen.of_boxes[number]))
    return held


def _bits(voi: VariationOfInformation) -> float:
    return (voi.split or 0.0) + (voi.merge or 0.0)
