"""What the last start of a run settled that its run file leaves open."""

from __future__ import annotations

from dataclasses import replace

from pipeline.config import RunConfig, Training
from pipeline.errors import InputError, Unreadable
from pipeline.results.unreadable import is_there
from pipeline.run_folder import Run
from pipeline.settings.run_file import read_config

MOVES = ("fov_moves", "moves_reach")


def settings_of_last_start(run: Run) -> RunConfig | None:
    """The settings in the run folder, resolved; None where there are none, or another version's.

    Raises Unreadable.
    """
    try:
        return read_config(run.config_file)
    except Unreadable:
        raise
    except InputError:
        return None


def with_moves_as_begun(run: Run) -> Run:
    """The run with the moves by which its training was begun, where it leaves them open and they were the
    default of an earlier version: with the present ones all that was trained would be lost.

    Raises Unreadable.
    """
    training = run.config.training
    given = [name for name in MOVES if name in training.model_fields_set]
    if not run.config.trains or len(given) == len(MOVES) or not has_trained(run):
        return run
    last = settings_of_last_start(run)
    # an earlier version wrote a number; this one writes none, unless the run file has one
    if last is None or last.training.moves_reach is None:
        return run
    if any(getattr(last.training, name) != getattr(training, name) for name in given):
        return run
    kept = training.model_copy(update={name: getattr(last.training, name) for name in MOVES})
    if _moves(kept) == _moves(training):
        return run
    return replace(run, config=run.config.model_copy(update={"training": kept}), keeps_moves=True)


def has_trained(run: Run) -> bool:
    """Whether a training has begun in the run's folder."""
    return is_there(run.checkpoint_file) or is_there(run.model_file)


def _moves(training: Training) -> tuple[str, int]:
    return training.fov_moves, training.reach
