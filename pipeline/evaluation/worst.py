"""What is wrong in a segmentation: the objects that cost most."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from pipeline.evaluation.contingency import ContingencyTable
from pipeline.geometry import Triple


@dataclass(frozen=True)
class Wrong:
    """A split, a merger, or a blank in one object; what it costs and where it is."""

    kind: Literal["split", "merger", "blank"]
    bits: float
    """Its part of the variation of information of the labelled voxels."""
    truth: tuple[int, ...]
    """The true object that is split or blank; of a merger the two with most voxels."""
    segments: tuple[int, ...]
    """The segment that merges; of a split the two with most voxels; none of a blank."""
    voxels: int
    """Those that lie in the smaller one of the two, or in the blank."""
    point: Triple | None = None
    """In the middle of the seam between the two where they touch, else inside the smaller one; z, y, x."""

    def as_dict(self) -> dict[str, Any]:
        """As a JSON file holds it."""
        return {**asdict(self), "what": self.what}

    @property
    def what(self) -> str:
        """The error in words; no other one of the same two volumes has the same."""
        objects, segments = (" and ".join(map(str, ids)) for ids in (self.truth, self.segments))
        return {
            "split": f"{objects} is cut between {segments}",
            "merger": f"{segments} joins {objects}",
            "blank": f"part of {objects} is not segmented",
        }[self.kind]

    @property
    def parts(self) -> list[tuple[int, int]]:
        """The larger and the smaller of what it is between, as (truth, segment); of a blank that alone."""
        if self.kind == "blank":
            return [(self.truth[0], 0)]
        return [(t, s) for t in self.truth for s in self.segments]


def worst(table: ContingencyTable, most: int) -> list[Wrong]:
    """The `most` costliest errors in the labelled voxels of a table, the costliest first.

    All errors together cost their variation of information, where what is not segmented is one segment. A
    split costs p(t, s) log2(p(t) / p(t, s)) over the segments s in what is segmented of the object t, a
    merger p(t, s) log2(p(s) / p(t, s)) over the objects in s, and the blank of an object the rest: that it is
    parted from the segmented voxels and joined with all other blank ones. Ties are in order of ids.
    """
    splits, mergers, blanks = _errors(table.labelled)
    found = [Wrong("split", bits, (t,), (a, b), n) for t, bits, a, b, n in splits.costliest(most)]
    found += [Wrong("merger", bits, (a, b), (s,), n) for s, bits, a, b, n in mergers.costliest(most)]
    found += [Wrong("blank", bits, (t,), (), n) for t, bits, _, _, n in blanks.costliest(most)]
    found.sort(key=lambda wrong: (-wrong.bits, wrong.kind, wrong.truth, wrong.segments))
    return found[:most]


def count_errors(table: ContingencyTable) -> int:
    """How many errors there are in the labelled voxels of a table."""
    return sum(len(errors.ids) for errors in _errors(table.labelled))


class _Errors(NamedTuple):
    """Errors of one kind, columns of equal length: in volumes with very many, objects would take too much."""

    ids: np.ndarray
    bits: np.ndarray
    larger: np.ndarray
    smaller: np.ndarray
    voxels: np.ndarray
    """Of the smaller one, or of the blank."""

    def costliest(self, most: int) -> list[tuple[int, float, int, int, int]]:
        """The rows of at least the `most` costliest."""
        if len(self.bits) > most > 0:
            least = np.partition(self.bits, -most)[-most]
            return list(zip(*(column[self.bits >= least].tolist() for column in self)))
        return list(zip(*(column.tolist() for column in self)))


def _errors(labelled: ContingencyTable) -> tuple[_Errors, _Errors, _Errors]:
    """Splits, mergers and blanks."""
    covered, n = labelled.segmented, max(1, labelled.total_voxels)
    return (
        _groups(covered.truth, covered.segmentation, covered.voxels, n),
        _groups(covered.segmentation, covered.truth, covered.voxels, n),
        _blanks(labelled.blank, covered, n),
    )


def _blanks(blank: ContingencyTable, covered: ContingencyTable, n: int) -> _Errors:
    """What is not segmented of each true object."""
    ids, missing = blank.truth, blank.voxels
    there = np.zeros(len(ids))
    objects, sizes = np.unique(covered.truth), covered.truth_sizes
    known = np.isin(ids, objects)
    there[known] = sizes[np.searchsorted(objects, ids[known])]
    apart = missing * np.log2((missing + there) / missing)
    apart += there * np.log2((missing + there) / np.maximum(there, 1))
    joined = missing * np.log2(blank.total_voxels / missing)
    return _Errors(ids, (apart + joined) / n, ids, ids, missing)


def _groups(of: np.ndarray, parts: np.ndarray, voxels: np.ndarray, n: int) -> _Errors:
    """Of each id that has more than one part: its bits, the two largest parts, and voxels of the second."""
    order = np.lexsort((parts, -voxels, of))
    of, parts, voxels = of[order], parts[order], voxels[order]
    bits = voxels / n * np.log2(totals(of, voxels) / voxels)
    ids, first, count = np.unique(of, return_index=True, return_counts=True)
    sums = np.add.reduceat(bits, first) if len(first) else bits
    many = count > 1
    first = first[many]
    return _Errors(ids[many], sums[many], parts[first], parts[first + 1], voxels[first + 1])


def totals(ids: np.ndarray, voxels: np.ndarray) -> np.ndarray:
    """For each row the voxels of all rows with its id, float64."""
    _, index = np.unique(ids, return_inverse=True)
    return np.bincount(index, voxels)[index]
