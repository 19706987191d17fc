"""What more ranks are worth: FOV/s and efficiency foretold by the scaling model from a measured training."""

from __future__ import annotations

from pipeline.run_folder import Run
from pipeline.training.scaling_model import (
    ScalingModel,
    Setup,
    best_backups,
    gradient_bytes,
    what_reaches,
)
from workflows.planning.rates import TrainingRate

GOOD = 0.9
"""Below this efficiency it is told what would reach it."""


def setup_of(run: Run) -> Setup:
    """How a run's training is shared out."""
    training = run.config.training
    return Setup(training.ranks, training.batch_size, training.local_steps)


def model_of(run: Run, rate: TrainingRate) -> ScalingModel | None:
    """The model that fits a measured training; None where only its FOV/s are known."""
    if rate.step_s is None or rate.step_s_std is None:
        return None
    size = gradient_bytes(run.config.network)
    return ScalingModel.of_steps(rate.step_s, rate.step_s_std, _measured(rate), size)


def foretold_fovs_per_s(run: Run, rate: TrainingRate) -> float:
    """FOV/s of a run's ranks: those measured, times what the model says that other ranks and batches gain.

    Without a model every rank is as fast as those that were measured.
    """
    model = model_of(run, rate)
    if model is None:
        return rate.fovs_per_s / rate.ranks * run.config.training.ranks
    return rate.fovs_per_s * model.fovs_per_s(setup_of(run)) / model.fovs_per_s(_measured(rate))


def scaling_lines(run: Run, rate: TrainingRate | None) -> list[tuple[str, str]]:
    """The efficiency foretold, what that rests on, and what would reach 0.9; nothing without a model."""
    model = model_of(run, rate) if rate else None
    if model is None:
        return []
    setup, compute, link = setup_of(run), model.compute, model.link
    efficiency = model.efficiency(setup)
    foretold = (
        f"efficiency {efficiency:.2f} foretold: {1000 * compute.least_s:.1f} ms a FOV and "
        f"{1000 * compute.jitter_s:.1f} ms of jitter, as measured; assumed: all ranks alike, exponential "
        f"jitter, a ring of {1e6 * link.latency_s:.0f} us a message and {link.bytes_per_s / 1e9:g} GB/s"
    )
    return [("scaling", foretold), *([("", _remedies(model, setup))] if efficiency < GOOD else [])]


def _remedies(model: ScalingModel, setup: Setup) -> str:
    """What would reach 0.9, each by itself."""
    found = what_reaches(model, setup, GOOD)
    ways = []
    if "batch" in found:
        ways.append(f"training.batch_size={found['batch'].batch}")
    if "local steps" in found:
        ways.append(f"training.local_steps={found['local steps'].local_steps}")
    if not ways:
        ways.append("neither larger batches nor local steps")
    best = best_backups(model, setup)
    backup = f"; {best.backups:,} backup workers would make it {model.efficiency(best):.2f}"
    return f"{GOOD} would take {' or '.join(ways)}{backup if best.backups else ''}"


def _measured(rate: TrainingRate) -> Setup:
    return Setup(rate.ranks, rate.batch_size, rate.local_steps)
