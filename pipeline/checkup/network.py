"""Whether the networks that a resolved run imports can be read, and fit."""

from __future__ import annotations

from pathlib import Path

from pipeline.checkup.finding import Finding, ok, skip, together, warn
from pipeline.errors import InputError
from pipeline.ffn.trained_with import read_trained_with, trained_on
from pipeline.ffn.weights import read_weights
from pipeline.results.unreadable import is_there
from pipeline.run_folder import Run
from pipeline.volumes import image_voxel_size_nm
from pipeline.volumes.frame import same_size, size_text


def network(run: Run) -> Finding:
    """The network that the run imports, that its training starts from or came to, and those of its passes.

    Raises InputError.
    """
    first = run.config.network.checkpoint or run.config.training.start_from
    own = [one.config.network.checkpoint for one in run.passes if one.has_own_network]
    found = [_look(run, source) for source in dict.fromkeys([first, *own]) if source is not None]
    found += _trained(run)
    return together(found) if found else skip("the run trains its own")


def _trained(run: Run) -> list[Finding]:
    """The network that the run has trained, where its file tells of voxels of another size than they have by
    now: for that alone it is not trained anew. Raises InputError."""
    from pipeline.training.start import where_training_starts  # which loads much

    if not run.config.trains or not is_there(run.model_file) or where_training_starts(run) is not None:
        return []
    trained, size_nm = read_trained_with(run.model_file), image_voxel_size_nm(run)
    told_nm = trained.voxel_size_nm if trained else None
    if told_nm is None or size_nm is None or same_size(told_nm, size_nm):
        return []
    found = f"{run.model_file} tells of voxels of {size_text(told_nm)}, those of the image are of"
    return [warn(f"{found} {size_text(size_nm)}", "the network stays, and other runs may doubt it")]


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
