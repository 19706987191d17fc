"""The segments of a part as a table: how large each is, where it lies, a point in it, and its true object."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import edt
import fastremap
import numpy as np

from pipeline.evaluation.contingency import ContingencyTable, TableSum
from pipeline.export.part import Part
from pipeline.export.shape_sizes import ShapeSizes
from pipeline.geometry import Box, Triple
from pipeline.reconciliation.segments import Segments, measure, together
from pipeline.results.agglomerated_ids import AgglomeratedIds
from pipeline.volumes import VoxelSize
from pipeline.volumes.frame import AXES
from pipeline.volumes.labels import LabelVolume

ROWS_AT_A_TIME = 1 << 20
"""Rows that may wait to be put together, if there are not more already."""
NM3_PER_UM3 = 1e9
UNKNOWN: VoxelSize = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Found:
    """Segments, and of each the voxel, int64 (n, 3), z, y, x, around which there is the largest ball of it
    that lies in one block; `depths`, float32, is how large."""

    segments: Segments
    points: np.ndarray
    depths: np.ndarray


NOTHING = Found(
    Segments(np.zeros(0, np.uint64), *np.zeros((1, 0), np.int64), *np.zeros((2, 0, 3), np.int64)),
    np.zeros((0, 3), np.int64),
    np.zeros(0, np.float32),
)


@dataclass
class SegmentTable:
    """Writes the segments of a part, uint64, as CSV, the largest first."""

    agglomerated: AgglomeratedIds | None = None
    """Gives each a column for the id of the object that it is a part of."""
    truth: LabelVolume | None = None
    """Gives each columns for the true object that most of its voxels are of."""
    shapes: ShapeSizes | None = None
    """Gives each columns for how large its skeleton and its surface are."""
    lacking: list[str] = field(default_factory=list)
    """Columns that are not there, and why."""
    made_by: set[str] = field(default_factory=set)
    """The stages of a run that made what has columns here, beside the volume itself."""
    count: int = 0
    """How many there are, once the table is written."""
    largest_id: int = 0

    def write(self, part: Part, path: Path) -> Iterator[int]:
        """Write the file; says of each block how many voxels it had. Lengths are in nm, volumes in um^3, and
        left out where the voxel size is unknown. Raises OSError where the file system refuses."""
        waiting, rows, overlaps = [NOTHING], 0, TableSum()
        for block, ids in part.blocks():
            here = block.translate(part.box.start)
            waiting.append(_found(ids, here.start, part.voxel_size_nm or UNKNOWN))
            rows += len(waiting[-1].depths)
            if rows > max(ROWS_AT_A_TIME, len(waiting[0].depths)):
                waiting, rows = [_together(waiting)], 0
            if self.truth is not None:
                overlaps.add(_overlaps(ids, here, self.truth))
            yield block.size
        found = _together(waiting)
        ids = found.segments.ids
        columns = _columns(found, part)
        if self.agglomerated is not None:
            columns = {"id": ids, "agglomerated_id": self.agglomerated.of(ids), **columns}
        if self.truth is not None:
            columns |= _truths(found.segments, overlaps.table())
        if self.shapes is not None:
            shaped = self.shapes.columns(ids)
            columns |= {name: _rounded(column) for name, column in shaped.items()}
        order = np.lexsort((ids, -found.segments.voxels))
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(zip(*(column[order].tolist() for column in columns.values())))
        self.count, self.largest_id = len(ids), int(ids.max(initial=0))


def _found(ids: np.ndarray, start: Triple, size: VoxelSize) -> Found:
    """The segments of a block of ids, uint64 (z, y, x), whose first voxel is `start`; 0 is none."""
    segments = measure(ids, start)
    dense, names = fastremap.renumber(ids, preserve_zero=True)
    depths = edt.edt(dense, anisotropy=size, black_border=True, parallel=1).reshape(-1)
    voxels = np.argsort(dense.reshape(-1), kind="stable")
    first = np.searchsorted(dense.reshape(-1)[voxels], np.arange(1, 1 + int(dense.max()), dtype=dense.dtype))
    if not len(first):
        return NOTHING
    depths = depths[voxels]
    deepest = np.maximum.reduceat(depths, first)
    is_deepest = np.flatnonzero(depths[first[0] :] == np.repeat(deepest, np.diff(first, append=len(voxels))))
    chosen = voxels[first[0] + is_deepest[np.searchsorted(is_deepest, first - first[0])]]
    points = np.stack(np.unravel_index(chosen, ids.shape), axis=1) + start
    dense_ids = np.zeros(1 + len(first), np.uint64)
    dense_ids[list(names.values())] = list(names)
    order = np.argsort(dense_ids[1:])
    return Found(segments, points[order], deepest[order])


def _together(parts: Sequence[Found]) -> Found:
    """What disjoint blocks hold together; of equally deep voxels the first in z, y, x."""
    ids = np.concatenate([part.segments.ids for part in parts])
    points = np.concatenate([part.points for part in parts])
    depths = np.concatenate([part.depths for part in parts])
    order = np.lexsort((*points.T[::-1], -depths, ids))
    chosen = order[np.unique(ids[order], return_index=True)[1]]
    return Found(together([part.segments for part in parts]), points[chosen], depths[chosen])


def _columns(found: Found, part: Part) -> dict[str, np.ndarray]:
    """What is known of every segment, in the order of the ids."""
    segments, size, box = found.segments, part.voxel_size_nm, part.box
    ends = {"start": segments.start, "stop": segments.stop}
    columns = {"id": segments.ids, "voxels": segments.voxels}
    if size is not None:
        columns["volume_um3"] = _rounded(segments.voxels * np.prod(size) / NM3_PER_UM3)
    columns |= {axis: found.points[:, i] for i, axis in enumerate(AXES)}
    columns |= {f"{axis}_{end}": at[:, i] for i, axis in enumerate(AXES) for end, at in ends.items()}
    if size is not None:
        middle = (found.points + 0.5) * size
        columns |= {f"{axis}_nm": _rounded(middle[:, i]) for i, axis in enumerate(AXES)}
        columns |= {
            f"{axis}_{end}_nm": _rounded(at[:, i] * size[i])
            for i, axis in enumerate(AXES)
            for end, at in ends.items()
        }
    at_border = (segments.start == box.start).any(axis=1) | (segments.stop == box.stop).any(axis=1)
    return {**columns, "at_border": np.where(at_border, "true", "false")}


def _overlaps(ids: np.ndarray, here: Box, truth: LabelVolume) -> ContingencyTable:
    """How many voxels of a block each segment shares with each true object."""
    labelled = here & truth.box
    labels = truth.read(labelled)
    return ContingencyTable.count(labels, ids[labelled.slices(here.start)]).labelled.segmented


def _truths(segments: Segments, overlaps: ContingencyTable) -> dict[str, np.ndarray]:
    """Of every segment the true object with most voxels of it, of equals that with the smallest id; how many
    these are, and their share of all of the segment. Empty where nothing of it is labelled."""
    order = np.lexsort((overlaps.truth, -overlaps.voxels, overlaps.segmentation))
    ids, first = np.unique(overlaps.segmentation[order], return_index=True)
    chosen, rows = order[first], np.searchsorted(segments.ids, ids)
    voxels = overlaps.voxels[chosen]
    shares = _rounded(voxels / segments.voxels[rows])
    columns = {}
    for name, values in (("id", overlaps.truth[chosen]), ("voxels", voxels), ("share", shares)):
        column = np.full(len(segments.ids), "", object)
        column[rows] = values.tolist()
        columns[f"truth_{name}"] = column
    return columns


def _rounded(values: np.ndarray) -> np.ndarray:
    """Values as nine digits say them; what is no number stays."""
    rounded = [value if isinstance(value, str) else float(f"{value:.9g}") for value in values.tolist()]
    return np.array(rounded, values.dtype if values.dtype == object else float)
