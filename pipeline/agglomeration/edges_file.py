"""The agglomeration graph as CSV, for proofreading systems and people."""

from __future__ import annotations

import csv
from pathlib import Path

from pipeline.agglomeration.graph import RECOVERED, read_graph
from pipeline.results.artifacts import Artifact, Recipe, Target
from pipeline.results.records import make
from pipeline.run_folder import Run

VERSION = 1
COLUMNS = ("a", "b", "z", "y", "x", "gap", "contact", "iou", *RECOVERED, "deleted", "calls")


def edges_target(run: Run, agglomeration: Artifact) -> Target:
    """The run's edges.csv."""
    recipe = Recipe("edges", VERSION, {}, {"agglomeration": agglomeration.sha256})
    return Target(run.edges_file, recipe)


def list_edges(run: Run, agglomeration: Artifact) -> Artifact:
    """Write every edge: the ids of its two segments, the point, the scores, strength and whether it joins.

    Segments that are joined by edges of a strength of t or more are the equivalences at threshold t. Raises
    InputError when the agglomeration cannot be read.
    """

    def write(path: Path) -> None:
        graph = read_graph(agglomeration, run.config.agglomeration)
        with open(path, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([*COLUMNS, "strength", "joins"])
            for row, strength, joins in zip(graph.edges, graph.strength.tolist(), graph.joins.tolist()):
                values = [f"{v:.6g}" if isinstance(v, float) else v for v in (row[n].item() for n in COLUMNS)]
                writer.writerow([*values, f"{strength:.6g}", int(joins)])

    return make(edges_target(run, agglomeration), write)
