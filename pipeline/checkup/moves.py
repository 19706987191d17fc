"""Whether a training goes on by moves that are no default any more."""

from __future__ import annotations

from pipeline.checkup.finding import Finding, ok, skip, warn
from pipeline.config import Training
from pipeline.run_folder import Run


def moves(run: Run) -> Finding:
    """Where the FOV goes in training, and whether only because an earlier version began it so."""
    training = run.config.training
    if not run.config.trains:
        return skip("nothing is trained")
    if run.keeps_moves:
        return warn(
            f"the training in {run.folder} was begun with training.fov_moves {training.fov_moves} and a "
            f"moves_reach of {training.reach}, once the defaults, and goes on so",
            f"write both into the run file, or training.fov_moves: {Training().fov_moves} to train anew",
        )
    return ok(f"{training.fov_moves}, {training.reach} deltas along each axis")
