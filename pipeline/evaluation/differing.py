"""Where two segmentations of one box differ: true objects that one of them has better than the other."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.contingency import ContingencyTable
from pipeline.evaluation.worst import Wrong, totals

ROUNDED = 1e-9
"""Costs that differ by a smaller part are the same: by other ids they are added up in another order."""


@dataclass(frozen=True)
class Differing:
    """A true object, and what is wrong with it in the segmentation that has it worse."""

    truth: int
    bits_in_first: float
    """What its voxels cost of the variation of information of the labelled voxels."""
    bits: float
    """The same in the other one."""
    wrong: Wrong
    """Where it costs more, the split, the merger or the blank of this object that costs most more."""

    @property
    def is_worse_in_first(self) -> bool:
        return self.bits_in_first > self.bits


def differing(first: ContingencyTable, other: ContingencyTable, most: int) -> list[Differing]:
    """The `most` objects whose cost differs most, the largest difference first, of two tables of one truth.

    An object costs the sum, over its parts in segments, of p(t, s) log2(p(t) / p(t, s)) and p(t, s)
    log2(p(s) / p(t, s)), where what is not segmented is one segment: all objects together cost the VOI of the
    labelled voxels. Ties are in order of ids. Sums that differ by how they were rounded are the same cost.
    """
    tables = first.labelled, other.labelled
    (ids, a), (_, b) = (_costs(table) for table in tables)
    order = np.lexsort((ids, -np.abs(b - a)))[:most]
    found = []
    for truth, one, two in zip(ids[order].tolist(), a[order].tolist(), b[order].tolist()):
        if not math.isclose(one, two, rel_tol=ROUNDED):
            worse, better = tables[one < two], tables[one >= two]
            known = {wrong.kind: wrong.bits for wrong in _errors_of(better, truth)}
            errors = _errors_of(worse, truth)
            wrong = max(errors, key=lambda each: each.bits - known.get(each.kind, 0.0))
            found.append(Differing(truth, one, two, wrong))
    return found


def _costs(labelled: ContingencyTable) -> tuple[np.ndarray, np.ndarray]:
    """The objects of a table, ascending, and what each costs in bits."""
    ids, of = np.unique(labelled.truth, return_inverse=True)
    bits = _bits(labelled.voxels, totals(labelled.truth, labelled.voxels))
    bits += _bits(labelled.voxels, totals(labelled.segmentation, labelled.voxels))
    return ids, np.bincount(of, bits, len(ids)) / max(1, labelled.total_voxels)


def _errors_of(labelled: ContingencyTable, truth: int) -> list[Wrong]:
    """What is wrong with an object: it is cut, joined with others, not segmented; one of each at most."""
    n, own = labelled.total_voxels, labelled.where(labelled.truth == np.uint64(truth))
    covered, missing = own.segmented, own.blank.total_voxels
    there = covered.total_voxels
    met = labelled.where(np.isin(labelled.segmentation, covered.segmentation))
    joined = _bits(covered.voxels, totals(met.segmentation, met.voxels)[met.truth == np.uint64(truth)])
    found = []
    if missing:
        blank = labelled.blank.total_voxels
        bits = _bits(np.array([missing, there, missing]), np.array([missing + there] * 2 + [blank])).sum()
        found.append(Wrong("blank", float(bits) / n, (truth,), (), missing))
    if len(covered.voxels) > 1:
        larger, smaller = np.argsort(-covered.voxels, kind="stable")[:2]
        segments = int(covered.segmentation[larger]), int(covered.segmentation[smaller])
        bits = _bits(covered.voxels, np.array(there)).sum()
        found.append(Wrong("split", float(bits) / n, (truth,), segments, int(covered.voxels[smaller])))
    if joined.any():
        segment = int(covered.segmentation[joined.argmax()])
        others = met.where((met.segmentation == np.uint64(segment)) & (met.truth != np.uint64(truth)))
        largest = int(others.voxels.argmax())
        both = [
            (int(covered.voxels[joined.argmax()]), truth),
            (int(others.voxels[largest]), int(others.truth[largest])),
        ]
        (_, one), (voxels, another) = sorted(both, reverse=True)
        found.append(Wrong("merger", float(joined.sum()) / n, (one, another), (segment,), voxels))
    return found


def _bits(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part * log2(whole / part), 0 where there is no part."""
    return part * np.log2(whole / np.maximum(part, 1), where=part > 0, out=np.zeros(part.shape))
