"""Show people what a run did."""

from __future__ import annotations

from parsl import python_app

from pipeline.results.artifacts import Artifact
from pipeline.run_folder import Run


@python_app(executors=["head"])
def write_report(run: Run, model: Artifact, results: list[Artifact]) -> Artifact:
    """Write report.html and report.json."""
    from pipeline import report

    return report.write_report(run, model, results)
