"""Decisions: where agglomeration asked whether two segments are one, first what nearly came out otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.agglomeration.graph import RECOVERED, read_graph
from pipeline.agglomeration.tables import SCORE
from pipeline.config import Agglomeration
from pipeline.results.agglomerated_ids import AgglomeratedIds, read_agglomerated_ids, read_summary
from pipeline.results.artifacts import Artifact
from pipeline.run_folder import Run
from pipeline.wording import counted

MOST = 200
"""Points of either kind."""
AT_ONCE = 1 << 20
"""Edges that are in memory together."""

Nearest = tuple[np.ndarray, np.ndarray]
"""Rows of SCORE, and by which number, ascending, they are in order."""


@dataclass(frozen=True)
class Decisions:
    """Points as those of errors: `point` (z, y, x), `text`, and ids in `segmentation` and `agglomerated`."""

    joined: list[dict[str, Any]]
    """What joined two segments, the lowest IoU first."""
    not_joined: list[dict[str, Any]]
    """Of segments that are still two, first what lacked least of what the rule asks for."""
    told: list[str] = field(default_factory=list)
    """A line for each of the two that has not all."""

    @classmethod
    def of(cls, run: Run) -> Decisions:
        """Those of a run whose agglomeration is there. Raises InputError when it cannot be read."""
        path, rules = run.agglomeration_file, run.config.agglomeration
        table, edges = read_agglomerated_ids(path), (read_summary(path) or {}).get("points", 0)
        joined = apart = np.zeros(0, SCORE), np.zeros(0, np.float32)
        counts = {"joined": 0, "not joined": 0}
        for start in range(0, edges, AT_ONCE):
            graph = read_graph(Artifact(str(path), ""), rules, slice(start, start + AT_ONCE))
            one = graph.joins
            two = graph.edges[table.of(graph.edges["a"]) != table.of(graph.edges["b"])]
            joined = _first(joined, graph.edges[one], graph.strength[one])
            apart = _first(apart, two, lacking(two, rules))
            counts["joined"] += int(np.count_nonzero(one))
            counts["not joined"] += len(two)
        told = [
            f"{name}: the first {MOST} of {counted(count, 'point')}; all are in {run.edges_file}"
            for name, count in counts.items()
            if count > MOST
        ]
        return cls(_points(joined, "joined", table, rules), _points(apart, "not joined", table, rules), told)


def lacking(edges: np.ndarray, rules: Agglomeration) -> np.ndarray:
    """How much rows of SCORE lack of what the rule asks for, of the score that lacks most; 0 if nothing.

    Where one side alone was flooded what that recovered is compared, and the IoU, which is not known, is not.
    """
    both = _has_both(edges, rules)
    recovered = np.where(both, _recovered(edges), _from_one(edges))
    lacks = (
        np.where(both, rules.min_iou - edges["iou"], 0),
        rules.min_recovered - recovered,
        edges["deleted"] - rules.max_deleted,
    )
    return np.maximum(np.max(lacks, axis=0), 0)


def _recovered(edges: np.ndarray) -> np.ndarray:
    return np.min([edges[name] for name in RECOVERED], axis=0)


def _from_one(edges: np.ndarray) -> np.ndarray:
    return np.minimum(edges["a_from_a"], edges["b_from_a"])


def _has_both(edges: np.ndarray, rules: Agglomeration) -> np.ndarray:
    """Whether both sides were flooded, which is so where the first recovered enough."""
    return _from_one(edges) >= rules.min_recovered


def _first(found: Nearest, edges: np.ndarray, order: np.ndarray) -> Nearest:
    """The first of those found so far and of more."""
    edges, order = np.concatenate([found[0], edges]), np.concatenate([found[1], order])
    first = np.argsort(order, kind="stable")[:MOST]
    return edges[first], order[first]


def _points(found: Nearest, what: str, table: AgglomeratedIds, rules: Agglomeration) -> list[dict[str, Any]]:
    edges, lacks = found[0], lacking(found[0], rules)
    ids = np.stack([edges["a"], edges["b"]], axis=1)
    rows = zip(edges, ids.tolist(), table.of(ids).tolist(), lacks, _has_both(edges, rules), strict=True)
    return [
        {
            "point": tuple(int(edge[axis]) for axis in "zyx"),
            "text": f"{rank}. {own[0]} and {own[1]} {what}"
            + (", for a person's cuts" if what == "not joined" and not lack else "")
            + f": {_scores(edge, both)}",
            "segmentation": own,
            "agglomerated": sorted(set(objects)),
        }
        for rank, (edge, own, objects, lack, both) in enumerate(rows, 1)
    ]


def _scores(edge: np.void, both: bool) -> str:
    """In the digits of edges.csv."""
    deleted = f"deleted {edge['deleted']:.6g}"
    if not both:
        return f"recovered {min(edge['a_from_a'], edge['b_from_a']):.6g} from one side, {deleted}"
    return f"IoU {edge['iou']:.6g}, recovered {min(edge[name] for name in RECOVERED):.6g}, {deleted}"
