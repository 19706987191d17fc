"""Score the segmentation against the labels, and choose a network by what it segments."""

from __future__ import annotations

from parsl import python_app

from pipeline.geometry import Box
from pipeline.results.artifacts import Artifact
from pipeline.run_folder import Run


@python_app(executors=["light"])
def count_block(run: Run, block: Box, segmentation: list[Artifact]) -> Artifact:
    """Count which segments meet which labels in one block."""
    from pipeline import evaluation

    return evaluation.count_block(run, block, segmentation)


@python_app(executors=["light"])
def count_uncorrected(run: Run, block: Box, id_table: Artifact, tiles: dict[int, Artifact]) -> Artifact:
    """Count one block as it was before a person's corrections."""
    from pipeline import evaluation, reconciliation

    return evaluation.count_uncorrected(
        run, block, id_table, tiles, reconciliation.AssembledVolume(run, id_table, tiles)
    )


@python_app(executors=["light"])
def score_run(
    run: Run, counts: list[Artifact], joined: list[Artifact], uncorrected: list[Artifact]
) -> Artifact:
    """Add the counts up and write metrics.json."""
    from pipeline import evaluation

    return evaluation.score_run(run, counts, joined, uncorrected)


@python_app(executors=["light"])
def find_worst(run: Run, counts: list[Artifact], segmentation: list[Artifact]) -> Artifact:
    """Find the costliest errors and a point to look at in each, and write worst.json."""
    from pipeline import evaluation

    return evaluation.find_worst(run, counts, segmentation)


@python_app(executors=["light"])
def make_skeletons(run: Run, after: list[Artifact]) -> Artifact:
    """Make skeletons from the labels."""
    from pipeline import evaluation

    return evaluation.make_skeletons(run)


@python_app(executors=["light"])
def measure_run_length(
    run: Run, segmentation: list[Artifact], made: Artifact | None, joined: list[Artifact]
) -> Artifact:
    """Measure run length along skeletons and write run_length.json."""
    from pipeline import evaluation

    return evaluation.measure_run_length(run, segmentation, made, joined)


@python_app(executors=["light"])
def score_try(trial: Run, segmented: Artifact) -> Artifact:
    """Score what a network that is tried has segmented of the validation box."""
    from pipeline import evaluation

    return evaluation.score_try(trial, segmented)


@python_app(executors=["head"])
def choose(run: Run, scores: list[Artifact]) -> Artifact:
    """Put the scores of all networks together in validation.json, which says which is the best."""
    from pipeline import evaluation

    return evaluation.choose(run, scores)


@python_app(executors=["light"])
def take_chosen(run: Run, choice: Artifact, networks: list[Artifact]) -> Artifact:
    """Make the best of the networks the model of the run."""
    from pipeline import evaluation

    return evaluation.take_chosen(run, choice, networks)
