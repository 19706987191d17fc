"""When a network that a training came past is still one of the training that is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.config import RunConfig
from pipeline.results.artifacts import Artifact, Recipe
from pipeline.results.records import inspect, make
from pipeline.run_folder import Run
from pipeline.training.launch import lineage, model_target

COORDINATES = Artifact("coordinates.npy", "their digest")
MADE = (700, 1400, 1600)


def run_of(folder: Path, fovs: int, **training: Any) -> Run:
    choice = {
        "choose_by": "segmentation",
        "validation_box": "0:40,0:40,50:90",
        "validate_every_fovs": 700,
        "box": "0:40,0:40,0:50",
    }
    document = {"training": {"fovs": fovs, **choice, **training}}
    return Run(folder, RunConfig.model_validate(document), {"image": "an image", "labels": "labels"})


def kept(run: Run) -> list[int]:
    """Which of the networks there are the run would not make anew."""
    targets = {fovs: model_target(run, COORDINATES, fovs) for fovs in MADE}
    return [fovs for fovs, target in targets.items() if isinstance(inspect(target), Artifact)]


@pytest.mark.parametrize(
    ("schedule", "depends"),
    [({}, False), ({"schedule": "cosine"}, True), ({"decay_fovs": 100}, True)],
)
def test_those_of_a_longer_training_are_kept_where_its_rate_did_not_fall_towards_its_end(
    tmp_path: Path, schedule: dict[str, Any], depends: bool
) -> None:
    run = run_of(tmp_path, 1600, **schedule)
    for fovs in MADE:

        def write(path: Path, fovs: int = fovs) -> Recipe:
            path.write_text("a network")
            return model_target(run, COORDINATES, fovs, precision="float32").recipe

        make(model_target(run, COORDINATES, fovs), write)
    shorter, longer = run_of(tmp_path, 1400, **schedule), run_of(tmp_path, 3000, **schedule)
    assert kept(run) == kept(longer) == list(MADE)
    assert kept(shorter) == ([] if depends else list(MADE))
    assert len({lineage(model_target(each, COORDINATES, 700).recipe) for each in (run, shorter, longer)}) == 1
