"""Whether a resolved run's scores will mean something."""

from __future__ import annotations

from pipeline.checkup.finding import Finding, ok, skip, warn
from pipeline.run_folder import Run
from pipeline.settings.scored import share_seen, why_not_scored


def scores(run: Run) -> Finding:
    """Where the segmentation is scored, and whether training saw what is there."""
    nothing = why_not_scored(run)
    if nothing is not None:
        return warn(f"nothing to score: {nothing}", "the run segments all the same")
    evaluation, seen = run.config.evaluation, share_seen(run)
    if evaluation.box is None:
        return skip("there are no labels")
    found = f"in {evaluation.box}" + (f" without {evaluation.exclude}" if evaluation.exclude else "")
    if seen:
        return warn(
            f"{found}: {seen:.0%} of it was seen in training, which makes scores too good",
            "give training.box alone, or an evaluation.box that does not meet it",
        )
    return ok(found)
