"""Segment one tile."""

from __future__ import annotations

from parsl import python_app

from pipeline.geometry import Tile
from pipeline.results.artifacts import Artifact
from pipeline.run_folder import Run


@python_app(executors=["tiles"])
def segment_tile(run: Run, tile: Tile, model: Artifact, after: list[Artifact]) -> Artifact:
    """Flood-fill one tile; the network is loaded once per worker process."""
    from pipeline.inference import segmenter

    return segmenter.segment_tile(run, tile, model)
