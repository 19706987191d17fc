"""Training whose rounds cut most examples off is told of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.checkup.rounds import most_fovs, rounds
from pipeline.config import Network, RunConfig
from pipeline.run_folder import Run
from pipeline.settings.run_file import read_config
from pipeline.training.example import Example
from pipeline.training.moves import POLICIES, first_way


def run_with(**training: object) -> Run:
    fixed = {"box": "0:90,0:90,0:90", "ranks": 2, "batch_size": 4, "fovs": 80000, "examples_in_turn": 16}
    return Run(Path("run"), RunConfig.model_validate({"training": {**fixed, **training}}))


@pytest.mark.parametrize(
    ("training", "state", "said"),
    [
        (
            {"fov_moves": "max_pred_moves", "moves_reach": 2, "checkpoint_every_steps": 3999},
            "warn",
            "given 250 FOVs a round of training, and may have 125: what is under way at a round's end is "
            "cut off; set training.checkpoint_every_steps to 4,000",
        ),
        (
            {"fov_moves": "max_pred_moves", "moves_reach": 2, "checkpoint_every_steps": 4000},
            "ok",
            "at most 125",
        ),
        ({"fov_moves": "fixed", "checkpoint_every_steps": 500}, "ok", "31 FOVs in turn"),
        ({"fov_moves": "neighbours", "checkpoint_every_steps": 500}, "warn", "may have 27"),
        # one round is all there is: nothing begins anew
        ({"fov_moves": "neighbours", "checkpoint_every_steps": 500, "fovs": 4000}, "ok", "at most 27"),
    ],
)
def test_rounds_must_give_room_to_examples(training: dict[str, object], state: str, said: str) -> None:
    finding = rounds(run_with(**training))
    assert finding.state == state
    assert said in finding.text


@pytest.mark.parametrize(
    ("policy", "reach"),
    [("fixed", 1), ("neighbours", 1), ("fixed_window", 1), ("max_pred_moves", 1), ("max_pred_moves", 2)],
)
def test_an_example_that_floods_everything_has_that_many_fovs(policy: str, reach: int) -> None:
    network = Network(fov=(5, 5, 5), deltas=(1, 1, 1))
    patch = np.zeros((5 + 2 * reach,) * 3, np.float32)
    example = Example(patch, patch == 0, network, 0.95, reach)
    way = first_way(policy, network.deltas, np.random.default_rng(1))
    stream, fovs = example.flood(POLICIES[policy](example, network.deltas, way)), 0
    next(stream)
    # the best voxel of each face is in its middle, so moves are by deltas
    flooded = (9 - 0.1 * np.abs(np.indices((5, 5, 5)) - 2).sum(axis=0)).astype(np.float32)
    try:
        while True:
            fovs += 1
            stream.send(flooded)
    except StopIteration:
        pass
    assert fovs == most_fovs(policy, reach)


@pytest.mark.parametrize("file", sorted((Path(__file__).parents[3] / "configs").glob("*.yaml")))
def test_the_run_files_here_give_room_to_examples(file: Path) -> None:
    assert rounds(Run(Path("run"), read_config(file))).state != "warn"
