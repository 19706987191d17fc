"""Which of the networks that a training came past segments the validation box best.

Each was tried there by itself, as `Run.trials` says; here its segmentation is scored, all scores are put
together, and the best network becomes the model of the run.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.evaluation.conventions import BoxCounts, score
from pipeline.evaluation.filling import fill
from pipeline.evaluation.stage import counted_in, evaluation_box, shares
from pipeline.results.artifacts import Artifact, Recipe, Target
from pipeline.results.records import make
from pipeline.results.tile_labels import NOT_FINITE_AT, read_labels, read_not_finite_at
from pipeline.results.unreadable import reading
from pipeline.run_folder import Run
from pipeline.volumes import image_voxel_size_nm, open_labels

VERSION = 1
RULE = (
    "the lowest filled ARE of those that segment at least half as much as the one that segments most; of "
    "equal ones the last"
)


def try_target(trial: Run, segmented: Artifact) -> Target:
    """The scores of one network; arguments as for `score_try`."""
    evaluation = trial.config.evaluation
    settings: dict[str, Any] = {"box": str(evaluation_box(trial)), "fovs": trial.tries}
    if evaluation.ignore_border_nm:
        settings["ignore border"] = [evaluation.ignore_border_nm, image_voxel_size_nm(trial)]
    inputs = {"labels": trial.identities["labels"], "segmentation": segmented.sha256}
    if evaluation.within_mask and "mask" in trial.identities:
        inputs["mask"] = trial.identities["mask"]
    return Target(trial.try_file, Recipe("score try", VERSION, settings, inputs))


def score_try(trial: Run, segmented: Artifact) -> Artifact:
    """Score what one network has `segmented`, the file of the one tile of `trial`, against the labels.

    The JSON object has `fovs`, that the network saw, `box`, all that metrics.json has of scores and, of a
    network that gave NaN or infinity, `not_finite_at`. Raises InputError when tile, labels or mask cannot be
    read, and where nothing in the box is labelled.
    """

    def write(path: Path) -> None:
        box, truth, [tile] = evaluation_box(trial), open_labels(trial), trial.tiles
        segments = read_labels(tile, segmented, box)
        counts = BoxCounts.count(truth.read_stored(box), segments, fill(segments), counted_in(trial, box))
        counts = counts.without_ignored(truth)
        found = score(counts)
        if found["filled"]["are"] is None:
            raise InputError(
                f"training.validation_box {box} has no labelled voxels that count: nothing can be "
                "chosen by it; set another"
            )
        of_box = shares(counts, box, trial.config.evaluation.ignore_border_nm)
        at = read_not_finite_at(segmented)
        broken = {} if at is None else {NOT_FINITE_AT: at}
        path.write_text(_text({"fovs": trial.tries, "box": str(box), **found, **of_box, **broken}))

    return make(try_target(trial, segmented), write)


def choice_target(run: Run, scores: Sequence[Artifact]) -> Target:
    """The run's validation.json; arguments as for `choose`."""
    inputs = {str(fovs): artifact.sha256 for fovs, artifact in zip(run.config.training.tried_after, scores)}
    return Target(run.validation_file, Recipe("choose", VERSION, {}, inputs))


def choose(run: Run, scores: Sequence[Artifact]) -> Artifact:
    """Put the scores of all networks together, in the order of their FOVs, and say which one is the best.

    The JSON object has `chosen_fovs`, the `rule`, and in `networks` what `score_try` wrote of each. Raises
    InputError where each gave NaN or infinity.
    """

    def write(path: Path) -> None:
        networks = [_read(Path(artifact.path)) for artifact in scores]
        if all(NOT_FINITE_AT in each for each in networks):
            last = networks[-1]
            raise InputError(
                f"training.validation_box {last['box']}: each of {len(networks)} networks gives NaN or "
                f"infinity there, the last at {last[NOT_FINITE_AT]}: their weights are too large, lower "
                "training.learning_rate, or look at the image there"
            )
        found = {"chosen_fovs": best(networks)["fovs"], "rule": RULE, "networks": networks}
        path.write_text(_text(found))

    return make(choice_target(run, scores), write)


def best(networks: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """That of the scored networks which RULE says.

    Where a network finds next to nothing, filling makes one segment of the whole box, whose ARE may well be
    lower than that of an honest segmentation: it is not asked. Nor is one that gave NaN or infinity.
    """
    finite = [each for each in networks if NOT_FINITE_AT not in each]
    enough = max(each["coverage"] for each in finite) / 2
    honest = [each for each in finite if each["coverage"] >= enough]
    return min(honest, key=lambda each: (each["filled"]["are"], -each["fovs"]))


def chosen_target(run: Run, choice: Artifact, networks: Sequence[Artifact]) -> Target:
    """The run's model file; arguments as for `take_chosen`."""
    inputs = {str(fovs): network.sha256 for fovs, network in zip(run.config.training.tried_after, networks)}
    return Target(run.model_file, Recipe("take chosen", VERSION, {}, {**inputs, "choice": choice.sha256}))


def take_chosen(run: Run, choice: Artifact, networks: Sequence[Artifact]) -> Artifact:
    """Make a copy of the network that the `choice` names the model of the run."""

    def write(path: Path) -> None:
        chosen = _read(Path(choice.path))["chosen_fovs"]
        network = dict(zip(run.config.training.tried_after, networks))[chosen]
        with reading(Path(network.path)):
            shutil.copyfile(network.path, path)

    return make(chosen_target(run, choice, networks), write)


def _read(path: Path) -> dict[str, Any]:
    with reading(path):
        found: dict[str, Any] = json.loads(path.read_bytes())
    return found


def _text(found: Mapping[str, Any]) -> str:
    return json.dumps(found, indent=2, allow_nan=False) + "\n"
