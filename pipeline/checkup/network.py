"""Whether the network that a resolved run imports can be read, and fits."""

from __future__ import annotations

from pathlib import Path

from pipeline.checkup.finding import Finding, ok, skip, warn
from pipeline.errors import InputError
from pipeline.ffn.trained_with import read_trained_with
from pipeline.ffn.weights import read_weights
from pipeline.run_folder import Run


def network(run: Run) -> Finding:
    """The network that the run imports, or that its training starts from. Raises InputError."""
    settings = run.config.network
    source = settings.checkpoint or run.config.training.start_from
    if source is None:
        return skip("the run trains its own")
    if Path(source) == run.model_file:
        raise InputError(f"{source} is this run's own network; to train it further, raise training.fovs")
    weights = read_weights(source, settings)
    count = sum(values.size for values in weights.values())
    found, trained = f"{source}: {count:,} weights", read_trained_with(source)
    different = trained.differences(run) if trained else []
    if different:
        return warn(f"{found}, trained with {'; '.join(different)}", "it may do worse on this image")
    return ok(found)
