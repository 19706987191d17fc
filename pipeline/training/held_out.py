"""How well a network floods patches that it was not trained on: the scores of the training log, held out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pipeline.errors import InputError
from pipeline.ffn.patch import patch_radius
from pipeline.geometry import Box
from pipeline.run_folder import Run
from pipeline.settings.augmentation import Augmentation
from pipeline.training.draws import draw_coordinates
from pipeline.training.example import Example
from pipeline.training.examples import ExampleMaker
from pipeline.training.metrics import SCORES, Tally
from pipeline.training.sampling import clear_of
from pipeline.training.training_volume import open_training_volumes
from pipeline.training.unknown import labels_to_draw_from
from pipeline.volumes import open_image

log = logging.getLogger(__name__)

Predict = Callable[[np.ndarray], np.ndarray]
"""(1, z, y, x, 2) image and POM -> what to add to the POM, (1, z, y, x, 1), both float32: an engine's."""


def held_out_scores(run: Run, predict: Predict, box: Box, examples: int) -> dict[str, float]:
    """Accuracy, precision, recall and F1 over so many patches of `box`, flooded as in training.

    Their centres are drawn in the run's own volume as those of training are, by the run's sampling and seed,
    and the FOV goes where training moves it; patches are turned as there, and nothing else is augmented. As
    there, those that touch what is missing of the image are left out. Raises InputError where none stays, and
    where the box is not labelled, or has no room for a patch.
    """
    unchanged = Augmentation(turn_z=run.config.training.augmentation.turn_z)
    training = run.config.training.model_copy(update={"box": box, "volumes": (), "augmentation": unchanged})
    here = replace(run, config=run.config.model_copy(update={"training": training}))
    radius = patch_radius(here.config.network, training.reach)
    sampling = training.sampling.model_copy(update={"coordinates": examples})
    centres = draw_coordinates(labels_to_draw_from(here), box, radius, sampling, here.config.seed)
    centres = centres[clear_of(open_image(here).missing(box), centres, radius)]
    if not len(centres):
        raise InputError(f"box {box}: around each of {examples} patches the image is missing in part")
    if len(centres) < examples:
        log.warning("%d of %d patches touch what is missing of the image", examples - len(centres), examples)
    own = np.insert(centres, 0, 0, axis=1)
    maker = ExampleMaker(open_training_volumes(here), own, here.config.network, training)
    tally = Tally()
    for place in range(len(centres)):
        rng = np.random.default_rng(np.random.SeedSequence((here.config.seed, place)))
        _, example = maker.example(rng, place)
        _flood(example, maker, rng, predict)
        tally.add_example(example)
    scores = tally.scores()
    return {name: value for name in SCORES if (value := scores[name]) is not None}


def _flood(example: Example, maker: ExampleMaker, rng: np.random.Generator, predict: Predict) -> None:
    """Paint the example's POM."""
    fovs = example.flood(maker.moves(example, maker.first_way(rng)))
    shown = np.empty((1, *maker.network.fov, 2), np.float32)
    fov = next(fovs, None)
    while fov is not None:
        shown[0, ..., 0], shown[0, ..., 1] = fov.image, fov.pom
        updated = fov.pom + predict(shown)[0, ..., 0]
        try:
            fov = fovs.send(updated)
        except StopIteration:
            return
