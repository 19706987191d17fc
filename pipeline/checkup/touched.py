"""Whether the inputs' files are as they were when the run was started last."""

from __future__ import annotations

from pipeline.checkup.finding import Finding, ok, skip, warn
from pipeline.run_folder import Run
from pipeline.volumes import open_image, open_labels, open_mask
from pipeline.volumes.content import share_sampled


def touched(run: Run) -> Finding:
    """Files that are not as they were, though what was read of them is: other edits go unnoticed."""
    if not run.inputs:
        return skip("the run makes its own input")
    if not run.inputs_file.exists():
        return skip("the first start")
    openers = {"image": open_image, "labels": lambda run: open_labels(run).source, "mask": open_mask}
    doubtful = []
    for name in run.touched:
        volume = openers[name](run)
        share = share_sampled(volume) if volume else 1.0
        if share < 1:
            doubtful.append(f"data.{name} ({share:.1%} looked at)")
    if doubtful:
        return warn(
            f"{', '.join(doubtful)} changed on disk since the last start, but not where it was looked at",
            "finished work is kept; if voxels were edited, start in another --run-dir",
        )
    return ok("as at the last start" if not run.touched else "touched, copied or moved, and the same voxels")
