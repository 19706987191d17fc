"""What rules are tried on: labelled boxes of a finished run, and the edges of its agglomeration graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.agglomeration.graph import read_graph
from pipeline.errors import InputError
from pipeline.evaluation.contingency import ContingencyTable
from pipeline.evaluation.stage import BLOCK, counted_in, open_segmentation
from pipeline.geometry import Box, triple
from pipeline.results.agglomerated_ids import AgglomeratedIds, read_agglomerated_ids
from pipeline.results.artifacts import Artifact
from pipeline.results.kept_apart import read_kept_apart
from pipeline.results.unreadable import is_there
from pipeline.run_folder import Run
from pipeline.volumes import open_labels
from pipeline.wording import counted


@dataclass(frozen=True)
class LabelledBox:
    """A part of what is scored."""

    box: Box
    counts: ContingencyTable
    """Truth against the base segmentation, of what is scored and both labelled and segmented."""
    points: int
    """Decision points in it."""


@dataclass(frozen=True)
class LabelledRun:
    """What is known of a run's labels and decision points."""

    boxes: list[LabelledBox]
    edges: np.ndarray
    """Rows of SCORE, in the whole volume: what joins two segments of a box may lie beside it."""
    apart: np.ndarray
    """uint64 (n, 2), segments that a person has cut apart: no rule joins them."""
    joined: AgglomeratedIds
    """What the run has joined."""


def labelled_run(run: Run, count: int) -> LabelledRun:
    """Cut the run's evaluation box into `count` or more boxes alike, and read what each holds.

    Boxes without a voxel that counts are left out. Raises InputError where nothing is scored or agglomerated,
    or the files cannot be read.
    """
    whole = run.config.evaluation.box
    if whole is None:
        raise InputError(f"{run.folder} scores nothing: evaluation.box names where labels are trusted")
    if not is_there(run.agglomeration_file):
        raise InputError(
            f"{run.agglomeration_file} is missing: give the run's command with agglomeration.enabled set"
        )
    edges = read_graph(Artifact(str(run.agglomeration_file), ""), run.config.agglomeration).edges
    apart = np.zeros((0, 2), np.uint64)
    if run.config.reconciliation.corrections is not None:
        apart = read_kept_apart(Artifact(str(run.corrected_table_file), ""))
    points = np.stack([edges[axis] for axis in "zyx"], axis=1)
    found = []
    for box in cut(whole, count):
        inside = ((points >= box.start) & (points < box.stop)).all(axis=1)
        found.append(LabelledBox(box, _count(run, box), int(np.count_nonzero(inside))))
    boxes = [box for box in found if box.counts.total_voxels]
    return LabelledRun(boxes, edges, apart, read_agglomerated_ids(run.agglomeration_file))


def cut(box: Box, count: int) -> list[Box]:
    """Disjoint boxes that together are `box`: its longest axis is halved, and so on until there are `count`.

    Raises InputError where it has not so many voxels.
    """
    if box.size < count:
        raise InputError(f"{box} cannot be cut into {count} boxes: it has {counted(box.size, 'voxel')}")
    side = list(box.shape)
    while len(box.parts(triple(side))) < count:
        longest = side.index(max(side))
        side[longest] = -(-side[longest] // 2)
    return box.parts(triple(side))


def _count(run: Run, box: Box) -> ContingencyTable:
    truth, segmentation = open_labels(run), open_segmentation(run)

    def tables() -> Iterator[ContingencyTable]:
        for block in box.parts(BLOCK):
            ids, segments, counted = truth.read(block), segmentation.read(block), counted_in(run, block)
            if counted is not None:
                ids = np.where(counted, ids, 0)
            yield ContingencyTable.count(ids, segments).labelled.segmented

    table = ContingencyTable.total(tables())
    return table.where(~truth.is_ignored(table.truth))
