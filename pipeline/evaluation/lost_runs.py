"""Where run length is lost: the errors along skeletons that cost most, each with a point to look at."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from pipeline.evaluation.run_length import merged_segments
from pipeline.evaluation.skeletons import Skeletons
from pipeline.geometry import Triple, triple
from pipeline.volumes import VoxelSize


@dataclass(frozen=True)
class LostRun:
    """A split, a merger or a blank on the way along skeletons."""

    kind: Literal["split", "merger", "blank"]
    erl_nm: float
    """By so much the expected run length would be longer if this error alone were mended."""
    skeletons: tuple[str, ...]
    """The one that is cut or blank; of a merger the two with most length in it."""
    segments: tuple[int, ...]
    """The segment that merges; the two of a split; those on the sides of a blank."""
    point: Triple
    """A node there: at the cut, in the part of the second skeleton, in the blank; z, y, x in voxels."""

    def as_dict(self) -> dict[str, Any]:
        """As a JSON file holds it."""
        return asdict(self)


def lost_runs(
    skeletons: Skeletons,
    segments: np.ndarray,
    voxel_size_nm: VoxelSize,
    most: int,
    merge_threshold_nodes: int = 0,
    not_allowed: Collection[int] = (),
) -> list[LostRun]:
    """The `most` errors that cost most expected run length, the costliest first; as `expected_run_length`.

    To mend a split is to give both segments one new id along that skeleton; a merger, to give its part of
    each skeleton one of its own; a blank, to give its nodes and the segments beside it one new id.
    """
    total = float(skeletons.lengths_nm.sum())
    if not total:
        return []
    merged = merged_segments(skeletons, segments, merge_threshold_nodes, not_allowed)
    runs = _Runs(skeletons, segments, set(merged.tolist()))
    voxels = skeletons.voxels(voxel_size_nm)
    found = [
        LostRun(kind, gain / total, names, ids, triple(voxels[node].tolist()))
        for kind, gain, names, ids, node in (*runs.mergers(), *runs.splits(), *runs.blanks())
        if gain > 0
    ]
    return sorted(found, key=lambda lost: (-lost.erl_nm, lost.kind, lost.skeletons, lost.segments))[:most]


Found = tuple[Literal["split", "merger", "blank"], float, tuple[str, ...], tuple[int, ...], int]
"""Kind, gain times the length of all, skeletons, segments, and a node."""


class _Runs:
    """The length of every segment along every skeleton, and what goes wrong between them."""

    def __init__(self, skeletons: Skeletons, segments: np.ndarray, merged: set[int]) -> None:
        self.skeletons, self.merged = skeletons, merged
        self.names, self.owner = skeletons.names, skeletons.owner
        self.ids = [int(i) for i in segments.tolist()]
        self.lengths = skeletons.lengths_nm.tolist()
        self.edges = skeletons.edges.tolist()
        self.along: dict[tuple[int, int], float] = {}
        self.cuts: dict[tuple[int, int, int], tuple[float, int]] = {}
        """By skeleton and two segments, the smaller id first: the length of the edges between, and a node."""
        for (a, b), length in zip(self.edges, self.lengths):
            owner, (one, other) = int(self.owner[a]), sorted((self.ids[a], self.ids[b]))
            if one == other != 0:
                self.along[owner, one] = self.along.get((owner, one), 0.0) + length
            elif one and not merged & {one, other}:
                known, node = self.cuts.get((owner, one, other), (0.0, a))
                self.cuts[owner, one, other] = known + length, node

    def mergers(self) -> Iterator[Found]:
        nodes: dict[int, dict[int, list[int]]] = {}
        for node, (segment, owner) in enumerate(zip(self.ids, self.owner.tolist())):
            if segment in self.merged:
                nodes.setdefault(segment, {}).setdefault(owner, []).append(node)
        for segment, parts in nodes.items():
            length = {owner: self.along.get((owner, segment), 0.0) for owner in parts}
            largest = sorted(parts, key=lambda owner: (-length[owner], owner))[:2]
            inside = parts[largest[-1]]
            names = tuple(self.names[owner] for owner in largest)
            yield "merger", sum(n * n for n in length.values()), names, (segment,), inside[len(inside) // 2]

    def splits(self) -> Iterator[Found]:
        for (owner, one, other), (_, node) in self.cuts.items():
            yield "split", self._gain(owner, (one, other)), (self.names[owner],), (one, other), node

    def blanks(self) -> Iterator[Found]:
        blank = np.array([segment == 0 for segment in self.ids], bool)
        edges = self.skeletons.edges
        part = _connected(edges[blank[edges].all(axis=1)], len(blank))
        members: dict[int, list[int]] = {}
        for node in np.flatnonzero(blank).tolist():
            members.setdefault(int(part[node]), []).append(node)
        lengths, beside = dict.fromkeys(members, 0.0), {p: set[int]() for p in members}
        for (a, b), length in zip(self.edges, self.lengths):
            if not (blank[a] or blank[b]):
                continue
            inside, other = (a, b) if blank[a] else (b, a)
            segment = self.ids[other]
            if segment not in self.merged:
                lengths[int(part[inside])] += length
                if segment:
                    beside[int(part[inside])].add(segment)
        for p, nodes in members.items():
            owner, ids = int(self.owner[nodes[0]]), tuple(sorted(beside[p]))
            gain = self._gain(owner, ids, lengths[p])
            yield "blank", gain, (self.names[owner],), ids, nodes[len(nodes) // 2]

    def _gain(self, owner: int, segments: tuple[int, ...], blank: float = 0.0) -> float:
        """What the square of their joint run, over a blank too, is more than the squares of single ones."""
        runs = [self.along.get((owner, segment), 0.0) for segment in segments]
        cuts = sum(self.cuts.get((owner, *pair), (0.0, 0))[0] for pair in combinations(segments, 2))
        return (sum(runs) + cuts + blank) ** 2 - sum(run * run for run in runs)


def _connected(edges: np.ndarray, nodes: int) -> np.ndarray:
    """The number of the part that each node is in, where only these edges join."""
    graph = coo_matrix((np.ones(len(edges), bool), (edges[:, 0], edges[:, 1])), shape=(nodes, nodes))
    return connected_components(graph, directed=False)[1]
