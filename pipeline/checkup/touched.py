"""Whether the inputs' files are as they were when the run was started last."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pipeline.checkup.finding import Finding, ok, skip, warn
from pipeline.results.unreadable import is_there
from pipeline.run_folder import Run
from pipeline.volumes import Volume, open_image, open_labels, open_mask
from pipeline.volumes.content import share_sampled


def touched(run: Run) -> Finding:
    """Files that are not as they were, though what was read of them is: other edits go unnoticed."""
    if not run.inputs:
        return skip("the run makes its own input")
    if not is_there(run.inputs_file):
        return skip("the first start")
    openers: dict[str, Callable[[], Volume | None]] = {"mask": partial(open_mask, run)}
    for number, one in enumerate(run.trained_on):
        of = f" of training.volumes.{number - 1}" if number else ""
        openers[f"image{of}"] = partial(open_image, one)
        openers[f"labels{of}"] = partial(_stored_labels, one)
        openers[f"loss_mask{of}"] = partial(open_mask, one, "loss_mask")
    doubtful = []
    for name in run.touched:
        volume = openers[name]()
        share = share_sampled(volume) if volume else 1.0
        if share < 1:
            doubtful.append(f"data.{name} ({share:.1%} looked at)")
    if doubtful:
        return warn(
            f"{', '.join(doubtful)} changed on disk since the last start, but not where it was looked at",
            "finished work is kept; if voxels were edited, start in another --run-dir",
        )
    return ok("as at the last start" if not run.touched else "touched, copied or moved, and the same voxels")


def _stored_labels(run: Run) -> Volume:
    return open_labels(run).as_stored
