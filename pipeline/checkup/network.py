"""Whether the network that a resolved run imports can be read, and fits."""

from __future__ import annotations

from pipeline.checkup.finding import Finding, ok, skip, warn
from pipeline.ffn.trained_with import read_trained_with
from pipeline.ffn.weights import read_weights
from pipeline.run_folder import Run


def network(run: Run) -> Finding:
    """The checkpoint that the run imports. Raises InputError."""
    settings = run.config.network
    if settings.checkpoint is None:
        return skip("the run trains its own")
    weights = read_weights(settings.checkpoint, settings)
    count = sum(values.size for values in weights.values())
    found, trained = f"{settings.checkpoint}: {count:,} weights", read_trained_with(settings.checkpoint)
    different = trained.differences(run) if trained else []
    if different:
        return warn(f"{found}, trained with {'; '.join(different)}", "it may do worse on this image")
    return ok(found)
