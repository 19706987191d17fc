"""Expected run length: how far one can follow a neurite in a segmentation before an error.

Januszewski et al., "High-precision automated reconstruction of neurons with flood-filling networks",
Nature Methods 15 (2018).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pipeline.evaluation.skeletons import Skeletons


@dataclass(frozen=True)
class RunLength:
    """ERL, and what it takes to read it: conventions differ between programs."""

    erl_nm: float | None
    """None where the skeletons have no length."""
    nerl: float | None
    """ERL as a part of that of a perfect segmentation."""
    perfect_erl_nm: float | None
    merge_threshold_nodes: int
    skeletons: int
    length_nm: float
    edges: int
    splits: int
    """Edges from one segment to another."""
    omitted: int
    """Edges with an end that is not segmented."""
    mergers: int
    """Segments that touch two skeletons or more, or tissue that they may not: they count for nothing."""
    merged_skeletons: int
    """Skeletons of which a part lies in such a segment."""

    def as_dict(self) -> dict[str, Any]:
        """As a report's JSON holds it."""
        return asdict(self)


def expected_run_length(
    skeletons: Skeletons,
    segments: np.ndarray,
    merge_threshold_nodes: int = 0,
    not_allowed: Collection[int] = (),
) -> RunLength:
    """ERL of a segmentation whose id at every node is `segments`, (nodes,) integers, 0 for nothing.

    Sum over skeletons and segments of l^2 over the length of all skeletons, where l is the total length of a
    skeleton's edges with both ends in that segment. A segment that has more than `merge_threshold_nodes`
    nodes in each of two skeletons or more, or is one of `not_allowed`, counts for nothing.
    """
    lengths, ends = skeletons.lengths_nm, segments[skeletons.edges]
    owner = skeletons.owner[skeletons.edges[:, 0]]
    merged = merged_segments(skeletons, segments, merge_threshold_nodes, not_allowed)
    within = (ends[:, 0] == ends[:, 1]) & (ends[:, 0] != 0)
    counted = within & ~np.isin(ends[:, 0], merged)
    runs = _sums(np.stack([owner[counted], _ranked(ends[counted, 0])], axis=1), lengths[counted])
    whole = np.bincount(owner, lengths, minlength=len(skeletons.names))
    total = float(lengths.sum())
    erl = float((runs**2).sum()) / total if total else None
    perfect = float((whole**2).sum()) / total if total else None
    touched = np.isin(segments, merged)
    return RunLength(
        erl_nm=erl,
        nerl=None if erl is None or not perfect else erl / perfect,
        perfect_erl_nm=perfect,
        merge_threshold_nodes=merge_threshold_nodes,
        skeletons=int(np.count_nonzero(whole)),
        length_nm=total,
        edges=len(lengths),
        splits=int(np.count_nonzero(~within & (ends != 0).all(axis=1))),
        omitted=int(np.count_nonzero((ends == 0).any(axis=1))),
        mergers=len(merged),
        merged_skeletons=len(np.unique(skeletons.owner[touched])),
    )


def merged_segments(
    skeletons: Skeletons, segments: np.ndarray, threshold: int, not_allowed: Collection[int]
) -> np.ndarray:
    """Ids of the segments that touch skeletons and count for nothing, ascending."""
    touching = segments != 0
    ids = segments[touching]
    pairs, nodes = np.unique(
        np.stack([_ranked(ids), skeletons.owner[touching]], axis=1), axis=0, return_counts=True
    )
    touched = np.bincount(pairs[nodes > threshold, 0])
    wrong = np.unique(ids)[np.flatnonzero(touched > 1)]
    banned = np.array(sorted(not_allowed), np.uint64).astype(segments.dtype)
    return np.union1d(wrong, np.intersect1d(banned, ids))


def _ranked(ids: np.ndarray) -> np.ndarray:
    """Each id's place among the ids that occur: ids of 64 bits do not fit beside other integers."""
    return np.unique(ids, return_inverse=True)[1].astype(np.int64)


def _sums(keys: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The sum of the values of every key that occurs."""
    _, index = np.unique(keys, axis=0, return_inverse=True)
    return np.bincount(index.reshape(-1), values)
