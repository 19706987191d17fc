"""Get a network: train one, or import a published checkpoint."""

from __future__ import annotations

from collections.abc import Sequence

from parsl import python_app

from pipeline.results.artifacts import Artifact
from pipeline.run_folder import Run
from pipeline.training.ranks.launchers import Launcher


@python_app(executors=["light"])
def sample_coordinates(run: Run, after: list[Artifact]) -> Artifact:
    """Draw the training coordinates."""
    from pipeline.training import sampling

    return sampling.sample_coordinates(run)


@python_app(executors=["train"])
def train(
    run: Run,
    coordinates: Artifact,
    until: int | None = None,
    image: Sequence[Artifact] = (),
    *,
    launcher: Launcher,
    rehearses: bool = False,
    after: list[Artifact] | None = None,
) -> Artifact:
    """Train with all ranks, which `launcher` starts from where the task runs; to so many FOVs, or to all.

    With `rehearses` a network that is not fit for inference is refused at the end.
    """
    from pipeline.inference.rehearsal import rehearse
    from pipeline.training import launch

    return launch.train(run, coordinates, until, image, launcher, rehearse if rehearses else None)


@python_app(executors=["light"])
def import_checkpoint(run: Run) -> Artifact:
    """Convert the configured checkpoint to our own format."""
    from pipeline.ffn import weights

    return weights.import_checkpoint(run)
