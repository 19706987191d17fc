"""Make the embedded default input."""

from __future__ import annotations

from parsl import python_app

from pipeline.results.artifacts import Artifact
from pipeline.run_folder import Run


@python_app(executors=["light"])
def make_phantom(run: Run) -> Artifact:
    """Write the phantom's image and labels."""
    from pipeline import synthetic

    return synthetic.make_phantom(run)
