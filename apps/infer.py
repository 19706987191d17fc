"""Segment one tile, and take of several segmentations what they agree on."""

from __future__ import annotations

from parsl import python_app

from pipeline.geometry import Tile
from pipeline.results.artifacts import Artifact
from pipeline.run_folder import Run


@python_app(executors=["tiles"])
def segment_tile(
    run: Run, tile: Tile, model: Artifact, image: list[Artifact], after: list[Artifact]
) -> Artifact:
    """Flood-fill one tile; the network is loaded once per worker process."""
    from pipeline.inference import segmenter

    return segmenter.segment_tile(run, tile, model, image)


@python_app(executors=["light"])
def find_consensus(run: Run, tile: Tile, passes: list[Artifact]) -> Artifact:
    """Split what not all passes have as one."""
    from pipeline import consensus

    return consensus.find_consensus(run, tile, passes)
