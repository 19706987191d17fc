"""The training stage: start its ranks, and publish the weights that they end with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.config import Training
from pipeline.ffn.trained_with import FLOOD_RULES, TrainedWith
from pipeline.ffn.weights import weights_sha256, write_weights
from pipeline.results.artifacts import Artifact, Recipe, Target
from pipeline.results.records import Missing, make, read
from pipeline.run_folder import Run
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.ranks.job import TrainingJob
from pipeline.training.ranks.launchers import Launcher, LocalLauncher
from pipeline.training.ranks.rank_processes import RankError

VERSION = 4
LINEAGE_VERSION = 3
"""Of what decides the weights, whatever the file says beside them: a checkpoint goes on while it stays."""

FREE_TO_CHANGE = {
    "cache_gib",
    "ranks",
    "threads_per_rank",
    "engine",
    "checkpoint_every_steps",
    "checkpoint_every_s",
    "report_every_steps",
    "pictures",
    "choose_by",
    "validation_box",
    "validate_every_fovs",
}
"""Settings of `training` that may differ between two attempts at one training. They decide the bits of the
weights, or not even these, but a network that is trained is not trained again for them."""

ADDED = {
    "optimizer",
    "momentum",
    "weight_decay",
    "clip_value",
    "clip_norm",
    "ema",
    "schedule",
    "cycle_fovs",
    *FLOOD_RULES,
    "augmentation",
    "epochs",
    "local_steps",
    "shares",
}
"""Settings that are younger than networks that were trained as their defaults do: these stay as they are."""

TOWARDS = "towards_fovs"
"""What the recipe of a network to be tried says beside its own FOVs."""

Rehearse = Callable[[Run, Path, Path, "int | None"], None]
"""Given the run, the file of the trained network, that of the coordinates, and `until` as `train` is: raises
InputError where that network is not fit for inference."""


def train(
    run: Run,
    coordinates: Artifact,
    until: int | None = None,
    image: Sequence[Artifact] = (),
    launcher: Launcher | None = None,
    rehearse: Rehearse | None = None,
) -> Artifact:
    """Train the network with `training.ranks` Horovod processes, started by `launcher`: on this machine, if
    none is given.

    With `until`, only to so many of all FOVs: the network is one to be tried, `run.candidate_file(until)`,
    and the training goes on from there as if it had not been stopped. `image` are the blocks of it that hold
    the training box, where the run makes it of sections. `rehearse` is asked before the network is published,
    and what it raises keeps it from that.

    Goes on from the run's checkpoint if it is of this training's lineage, also where that had reached
    its end and `training.fovs` is larger now. With unchanged settings it then ends with the same bytes as a
    training that was never interrupted; with other ranks the FOVs seen go on counting. Raises InputError
    on input that cannot be used, and RankError, quoting the rank's log, when a rank dies.
    """
    target = model_target(run, coordinates, until, image)

    def write(path: Path) -> Recipe:
        job = TrainingJob(run, Path(coordinates.path), lineage(target.recipe), until)
        final = _final_checkpoint(job, launcher or local_launcher(run))
        write_weights(final.network, run.config.network, path, TrainedWith.of(run))
        if rehearse is not None:
            rehearse(run, path, Path(coordinates.path), until)
        return model_target(run, coordinates, until, image, final.precision).recipe

    return make(target, write)


def local_launcher(run: Run) -> LocalLauncher:
    """Starts the ranks of a run's training on this machine."""
    return LocalLauncher(run.config.training.ranks, run.config.training.threads_per_rank)


def model_target(
    run: Run,
    coordinates: Artifact,
    until: int | None = None,
    image: Sequence[Artifact] = (),
    precision: str | None = None,
) -> Target:
    """The run's model file, or with `until` that of a network to be tried; its recipe is everything that
    decides the trained weights.

    `precision` is what the training came to, where it is known; else that of the settings or, where they
    leave it open, of the model that is there.
    """
    config, path = run.config, run.candidate_file(until) if until else run.model_file
    settings: dict[str, Any] = {
        "seed": config.seed,
        "data": config.data.model_dump(mode="json", include={"image_mean", "image_stddev"}),
        "network": config.network.sizes,
        "training": _deciding(config.training),
    }
    settings["training"]["precision"] = precision or _precision(run, path)
    if until:
        settings["training"] |= {"fovs": until, **_towards(run, path, is_made=precision is not None)}
    inputs = {
        "coordinates": coordinates.sha256,
        **_read_in(run, image),
    }
    for index, other in enumerate(run.trained_on[1:]):
        settings.setdefault("volumes", []).append(list(other.normalisation))
        inputs |= {f"{name} of training.volumes.{index}": known for name, known in _read_in(other).items()}
    if config.training.start_from is not None:
        inputs["start_from"] = weights_sha256(config.training.start_from)
    return Target(path, Recipe("train", VERSION, settings, inputs))


def _read_in(run: Run, image: Sequence[Artifact] = ()) -> dict[str, str]:
    """The identities of what a training reads in a run's own volume."""
    names, box = ["labels", *({"loss_mask"} & run.identities.keys())], run.config.training.box
    assert box is not None, "a resolved configuration has a training box"
    return {"image": run.image_identity(box, image), **{name: run.identities[name] for name in names}}


def _deciding(training: Training) -> dict[str, Any]:
    """The settings that decide the weights, those `ADDED` only where they are not their defaults."""
    # the boxes, weights and the sampling are in the coordinates, the network to start from is an input
    elsewhere = {"box", "weight", "volumes", "sampling", "start_from"}
    settings = training.model_dump(mode="json", exclude={*elsewhere, *FREE_TO_CHANGE})
    settings["moves_reach"] = training.reach
    settings["augmentation"] = training.augmentation.used.model_dump(mode="json")
    defaults = Training().model_dump(mode="json")
    return {k: v for k, v in settings.items() if k not in ADDED or v != defaults[k]}


def _precision(run: Run, path: Path) -> str:
    """What the settings ask for; where they leave it open, what the model at `path` was trained in."""
    asked, record = run.config.training.precision, read(path)
    if asked != "auto" or isinstance(record, Missing):
        return asked
    return str(record["settings"].get("training", {}).get("precision", asked))


def _towards(run: Run, path: Path, is_made: bool) -> dict[str, int]:
    """The FOVs of the whole training, where the rate of one of its networks to be tried depends on them.

    One that is there stays where the training goes on further now, but not where it is to end sooner: the
    rate fell too late.
    """
    training, record = run.config.training, read(path)
    if not training.decays:
        return {}
    if is_made or isinstance(record, Missing):
        return {TOWARDS: training.fovs}
    then = record["settings"].get("training", {})
    if TOWARDS not in then and (then.get("decay_fovs") or then.get("schedule") == "cosine"):
        return {}  # an earlier version did not say
    return {TOWARDS: min(then.get(TOWARDS, training.fovs), training.fovs)}


def lineage(recipe: Recipe) -> str:
    """Fingerprint of everything that may not change between a checkpoint and what goes on from it.

    But for the precision, which a checkpoint has beside it.
    """
    training = {
        k: v for k, v in recipe.settings["training"].items() if k not in ("fovs", TOWARDS, "precision")
    }
    settings = {**recipe.settings, "training": training}
    return replace(recipe, settings=settings, version=LINEAGE_VERSION).fingerprint


def logged_for(run: Run, lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of the training log's lines those of the network that is there: another training may have been begun
    since, or this one for more FOVs, and given up. Raises Unreadable.
    """
    until = run.config.training.parts[-1]
    record = read(run.candidate_file(until) if until else run.model_file)
    if isinstance(record, Missing) or "fovs" not in record["settings"].get("training", {}):
        return list(lines)
    made = Recipe(record["stage"], record["version"], record["settings"], record["inputs"])
    own, fovs = lineage(made), record["settings"]["training"]["fovs"]
    lines = [line for line in lines if line.get("lineage", own) == own]  # an earlier version did not say
    return lines[: 1 + sum(line.get("fovs_seen", 0) < fovs for line in lines)]


def _final_checkpoint(job: TrainingJob, launcher: Launcher) -> Checkpoint:
    """The checkpoint after the last step, trained now unless it is there already."""
    found = job.checkpoint()
    if found is not None and job.is_complete(found.progress):
        return found
    job.save()
    launcher.run(job.run.folder)
    final = Checkpoint.read(job.run.checkpoint_file)
    if final is None:
        raise RankError(f"the ranks ended, but {job.run.checkpoint_file} is not what they wrote")
    return final
