"""Whether the networks that a resolved run imports can be read, and fit."""

from __future__ import annotations

from pathlib import Path

from pipeline.checkup.finding import Finding, ok, skip, together, warn
from pipeline.errors import InputError
from pipeline.ffn.trained_with import read_trained_with, trained_on
from pipeline.ffn.weights import read_weights
from pipeline.run_folder import Run


def network(run: Run) -> Finding:
    """The network that the run imports, or that its training starts from, and those of its passes.

    Raises InputError.
    """
    first = run.config.network.checkpoint or run.config.training.start_from
    own = [one.config.network.checkpoint for one in run.passes if one.has_own_network]
    found = [_look(run, source) for source in dict.fromkeys([first, *own]) if source is not None]
    return together(found) if found else skip("the run trains its own")


def _look(run: Run, source: str) -> Finding:
    """One network. Raises InputError where it cannot be read, or does not fit."""
    if Path(source) == run.model_file:
        raise InputError(f"{source} is this run's own network; to train it further, raise training.fovs")
    weights = read_weights(source, run.config.network)
    count = sum(values.size for values in weights.values())
    found, trained = f"{source}: {count:,} weights", read_trained_with(source)
    different = trained.differences(run, trained_on(run, source)) if trained else []
    if different:
        return warn(f"{found}, trained with {'; '.join(different)}", "it may do worse on this image")
    return ok(found)
