"""Scores of flooded patches follow their definitions, voxel by voxel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Network
from pipeline.ffn.flood_rules import FloodRules
from pipeline.ffn.patch import patch_radius
from pipeline.training.example import Example
from pipeline.training.metrics import Tally

MOVE_LOGIT = FloodRules().move_logit
NETWORK = Network(fov=(3, 5, 5), deltas=(1, 1, 2), depth=1, features=1)
SHAPE = tuple(2 * r + 1 for r in patch_radius(NETWORK))


def flooded_example(rng: np.random.Generator) -> Example:
    inside = rng.random(SHAPE) < 0.5
    inside[patch_radius(NETWORK)] = True
    example = Example(np.zeros(SHAPE, np.float32), inside, NETWORK, 0.95)
    example.pom[:] = np.where(
        rng.random(SHAPE) < 0.6, MOVE_LOGIT, np.nextafter(MOVE_LOGIT, 0, dtype=np.float32)
    )
    return example


def could_be_in_a_fov(z: int, y: int, x: int) -> bool:
    """Offsets from the centre within half a FOV along all axes but one, and within it plus deltas there."""
    beyond = [max(0, abs(o) - f // 2) for o, f in zip((z, y, x), NETWORK.fov)]
    return sum(b > 0 for b in beyond) <= 1


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_scores_are_those_of_counting_voxel_by_voxel(seed: int, examples: int) -> None:
    rng = np.random.default_rng(seed)
    tally, outcomes = Tally(), []
    for _ in range(examples):
        example = flooded_example(rng)
        tally.add_example(example)
        for voxel in np.ndindex(SHAPE):
            if could_be_in_a_fov(*np.subtract(voxel, patch_radius(NETWORK))):
                outcomes.append((bool(example.pom[voxel] >= MOVE_LOGIT), bool(example.inside[voxel])))
    found, inside = np.array(outcomes).T
    precision = (found & inside).sum() / found.sum()
    recall = (found & inside).sum() / inside.sum()
    scores = tally.scores()
    assert scores["accuracy"] == pytest.approx((found == inside).mean())
    assert scores["precision"] == pytest.approx(precision)
    assert scores["recall"] == pytest.approx(recall)
    assert scores["f1"] == pytest.approx(2 * precision * recall / (precision + recall))


def test_tallies_of_ranks_add_up_as_vectors() -> None:
    first, second, both = Tally(), Tally(), Tally()
    for seed, tally in enumerate([first, second]):
        for part in (tally, both):
            part.add_example(flooded_example(np.random.default_rng(seed)))
            part.add_step(0.25 * (seed + 1))
    assert Tally.from_vector(first.as_vector() + second.as_vector()) == both
    assert both.scores()["loss"] == pytest.approx(0.375)


def test_a_tally_of_no_example_has_no_scores() -> None:
    """Where a round begins none may end for hundreds of steps: that is no accuracy of 0."""
    tally = Tally()
    tally.add_step(0.25)
    assert tally.scores() == {"loss": 0.25, "accuracy": None, "precision": None, "recall": None, "f1": None}


def test_an_example_in_which_nothing_is_found_has_a_precision_of_zero() -> None:
    example = flooded_example(np.random.default_rng(0))
    example.pom[:] = -5
    tally = Tally()
    tally.add_example(example)
    scores = tally.scores()
    assert (scores["precision"], scores["recall"], scores["f1"]) == (0, 0, 0)
