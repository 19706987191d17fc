"""What a user wants to know of a training the morning after, in the summary of a run."""

from __future__ import annotations

from pipeline.report.training import training
from pipeline.results.unreadable import Look
from pipeline.run_folder import Run
from workflows.watching.long_tasks import duration


def training_lines(run: Run, look: Look) -> list[str]:
    """How much was seen and how fast, what it came to, where the network is, and how that behaves in floods.

    None where nothing was trained, or its log is gone.
    """
    found = training(run, look, is_trained=True)
    if found is None:
        return []
    waited, f1, shares = found["input_wait_share"], found["f1_of_last_tenth"], found["shares"]
    lines = [
        f"trained       {found['fovs']:,} FOVs in {duration(found['seconds'])}, {found['fovs_per_s']:,.1f} "
        "FOV/s"
        + ("" if waited is None else f", {waited:.1%} of it waiting for input")
        + ("" if f1 is None else f"; F1 {f1:.3f} over the last tenth")
        + (f"; {max(shares)} to {min(shares)} FOVs of a step a rank" if shares else "")
        + f": {run.model_file}"
    ]
    lines += [f"WARNING       {doubt}" for doubt in found["doubts"]]
    rehearsal = found["rehearsal"]
    if rehearsal:
        lines.append(f"tried         {rehearsal['says']}")
        if rehearsal["has_grown"]:
            lines.append(
                "WARNING       the network's logits grow where it is shown its own POM again, and inference "
                f"may refuse it; what helps: {rehearsal['what_helps']}"
            )
    return lines
