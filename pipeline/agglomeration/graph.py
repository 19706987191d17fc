"""The agglomeration graph: every decision point an edge with its scores, and which segments become one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipeline.agglomeration.tables import SCORE, read_table
from pipeline.apart import joins_to_keep
from pipeline.config import Agglomeration
from pipeline.errors import InputError
from pipeline.results.agglomerated_ids import AgglomeratedIds
from pipeline.results.artifacts import Artifact, Recipe, Target, combined
from pipeline.results.hdf5_file import reading_hdf5, write_hdf5
from pipeline.results.kept_apart import read_kept_apart
from pipeline.results.records import make
from pipeline.run_folder import Run

VERSION = 2
RULE = {"min_iou", "min_recovered", "max_deleted"}
RECOVERED = ("a_from_a", "b_from_a", "a_from_b", "b_from_b")


@dataclass(frozen=True)
class Graph:
    """All edges, sorted by their ids and places."""

    edges: np.ndarray
    """Rows of SCORE."""
    strength: np.ndarray
    """float32: the IoU of an edge that fulfils all else that the rule asks for, else 0, as where a person has
    cut what it would join."""
    min_iou: float

    @classmethod
    def of(cls, edges: np.ndarray, rules: Agglomeration) -> Graph:
        """The graph of edges in any order."""
        edges = edges[np.lexsort([edges[name] for name in ("x", "y", "z", "b", "a")])]
        recovered = np.min([edges[name] for name in RECOVERED], axis=0, initial=1.0)
        fulfilled = (recovered >= rules.min_recovered) & (edges["deleted"] <= rules.max_deleted)
        return cls(edges, np.where(fulfilled, edges["iou"], 0).astype(np.float32), rules.min_iou)

    def keeping(self, apart: np.ndarray) -> Graph:
        """The graph that joins no two segments of a pair, (n, 2) uint64, whatever the least strength is.

        The strongest edges come first; one by which two of a pair would be one has the strength 0.
        """
        strong = np.flatnonzero(self.strength)
        ends = self.edges["a"][strong], self.edges["b"][strong]
        known = np.isin(apart, np.concatenate(ends)).all(axis=1)
        if not known.any():
            return self
        strength = self.strength.copy()
        strength[strong[~joins_to_keep(*ends, strength[strong], apart[known])]] = 0
        return replace(self, strength=strength)

    @property
    def joins(self) -> np.ndarray:
        """For every edge whether it joins its two segments."""
        return self.strength >= np.float32(self.min_iou)

    def equivalences(self, least: float) -> AgglomeratedIds:
        """Which segments are one if edges of a strength of `least` or more, which is above 0, join them."""
        made = self.edges[self.strength >= np.float32(least)]
        base, node = np.unique(np.concatenate([made["a"], made["b"]]), return_inverse=True)
        a, b = node[: len(made)], node[len(made) :]
        graph = coo_array((np.ones(len(made), np.int8), (a, b)), shape=(len(base), len(base)))
        _, component = connected_components(graph, directed=False)
        # base ascends, so the first of each component is its smallest
        _, first = np.unique(component, return_index=True)
        return AgglomeratedIds(base, base[first[component]] if len(base) else base)


def agglomerated_target(run: Run, scores: Sequence[Artifact], corrected: Sequence[Artifact]) -> Target:
    """The run's agglomeration; arguments as for `agglomerate`."""
    rule = run.config.agglomeration.model_dump(mode="json", include=RULE)
    inputs = {"scores": combined(scores)} | ({"corrected": combined(corrected)} if corrected else {})
    return Target(run.agglomeration_file, Recipe("agglomerate", VERSION, {"agglomeration": rule}, inputs))


def agglomerate(run: Run, scores: Sequence[Artifact], corrected: Sequence[Artifact]) -> Artifact:
    """Publish the graph of the whole volume and which of its segments are one, from all blocks in any order.

    `corrected` holds the corrected id table, where there is one: what a person has cut stays apart. The HDF5
    file holds `edges`, rows of SCORE, `strength` for each, and the table `base` and `agglomerated` of
    AgglomeratedIds; its attributes are `points`, `joins`, `calls`, `segments_joined`, and `kept_apart`: the
    edges that would join by the rule, were it not for a cut. Equal inputs give equal bytes. Raises
    InputError when a file cannot be read.
    """

    def write(path: Path) -> None:
        edges = np.concatenate([np.zeros(0, SCORE), *(read_table(each, SCORE) for each in scores)])
        by_rule = graph = Graph.of(edges, run.config.agglomeration)
        for each in corrected:
            graph = graph.keeping(read_kept_apart(each))
        table = graph.equivalences(graph.min_iou)

        def fill(file: h5py.File) -> None:
            columns = {"edges": graph.edges, "strength": graph.strength, **vars(table)}
            for name, column in columns.items():
                file.create_dataset(name, data=column, track_times=False)
            file.attrs["points"] = len(graph.edges)
            file.attrs["joins"] = int(np.count_nonzero(graph.joins))
            file.attrs["calls"] = int(graph.edges["calls"].sum())
            file.attrs["segments_joined"] = len(table.base)
            file.attrs["kept_apart"] = int(np.count_nonzero(by_rule.joins & ~graph.joins))

        write_hdf5(path, fill)

    return make(agglomerated_target(run, scores, corrected), write)


def read_graph(agglomeration: Artifact, rules: Agglomeration, part: slice = slice(None)) -> Graph:
    """The graph that `agglomerate` wrote, or a part of it. Raises InputError when it cannot be read."""
    path = Path(agglomeration.path)
    try:
        with reading_hdf5(path) as file:
            return Graph(file["edges"][part], file["strength"][part], rules.min_iou)
    except (OSError, KeyError) as error:
        raise InputError(f"cannot read {path}: {error}; remove it, and the run makes it again") from error
