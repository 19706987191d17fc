"""Join segments that the network floods alike from both sides."""

from __future__ import annotations

from parsl import python_app

from pipeline.geometry import Box
from pipeline.results.artifacts import Artifact
from pipeline.run_folder import Run


@python_app(executors=["light"])
def find_points(run: Run, block: Box, segmentation: list[Artifact]) -> Artifact:
    """Find where segments come close in one block."""
    from pipeline.agglomeration import points

    return points.find_points(run, block, segmentation)


@python_app(executors=["tiles"])
def resegment(
    run: Run,
    block: Box,
    points: Artifact,
    model: Artifact,
    segmentation: list[Artifact],
    image: list[Artifact],
) -> Artifact:
    """Flood around every decision point of one block from both sides."""
    from pipeline.agglomeration import resegment

    return resegment.resegment(run, block, points, model, segmentation, image)


@python_app(executors=["light"])
def agglomerate(run: Run, scores: list[Artifact], corrected: list[Artifact]) -> Artifact:
    """Decide which segments are one, and keep apart what a person has cut."""
    from pipeline.agglomeration import graph

    return graph.agglomerate(run, scores, corrected)


@python_app(executors=["light"])
def list_edges(run: Run, agglomerated: Artifact) -> Artifact:
    """Write the agglomeration graph as CSV."""
    from pipeline.agglomeration import edges_file

    return edges_file.list_edges(run, agglomerated)
