"""Show people what a run did."""

from __future__ import annotations

from parsl import python_app

from pipeline.results.artifacts import Artifact
from pipeline.run_folder import Run


@python_app(executors=["head"])
def write_facts(run: Run, model: Artifact, results: list[Artifact]) -> Artifact:
    """Write report.json."""
    from pipeline import report

    return report.write_facts(run, model, results)


@python_app(executors=["head"])
def write_page(run: Run, said: Artifact) -> Artifact:
    """Draw the pictures and write report.html."""
    from pipeline import report

    return report.write_page(run, said)
