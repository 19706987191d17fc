"""Whether training's rounds are long enough for its examples."""

from __future__ import annotations

from pipeline.checkup.finding import Finding, ok, skip, warn
from pipeline.run_folder import Run

LEAST_EXAMPLES = 2
"""One after another in a round: with fewer, most of what is begun is cut off before it is flooded."""


def rounds(run: Run) -> Finding:
    """Whether most examples that are begun in a round of training come to their end in it."""
    training = run.config.training
    if not run.config.trains:
        return skip("nothing is trained")
    fovs = training.checkpoint_every_steps / training.examples_in_turn
    longest = most_fovs(training.fov_moves, training.reach)
    is_cut = training.fovs > training.checkpoint_every_steps * training.ranks * training.batch_size
    if is_cut and fovs < LEAST_EXAMPLES * longest:
        enough = LEAST_EXAMPLES * longest * training.examples_in_turn
        return warn(
            f"each example in turn is given {fovs:,.0f} FOVs a round of training, and may have {longest}: "
            "what is under way at a round's end is cut off",
            f"set training.checkpoint_every_steps to {enough:,} or more; checkpoints are saved by time too",
        )
    return ok(f"{fovs:,.0f} FOVs in turn; an example has at most {longest}")


def most_fovs(policy: str, moves_reach: int) -> int:
    """How many FOVs an example may have by a policy of moves."""
    if policy == "max_pred_moves":
        return (2 * moves_reach + 1) ** 3
    return 7 if policy == "fixed" else 27
