"""What the summary says of a training: what was seen, how fast, how good, where, and how it floods."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import RunConfig
from pipeline.inference.rehearsal import Rehearsal
from pipeline.results.artifacts import Recipe, Target
from pipeline.results.records import make, sealed
from pipeline.results.unreadable import Look
from pipeline.run_folder import Run
from workflows.running.training_lines import training_lines

LINE = {
    "loss": 0.2,
    "accuracy": 0.9,
    "precision": 0.9,
    "recall": 0.9,
    "input_wait_share": 0.02,
    "step_s": 0.1,
}
FLOODS = {"seeds": 2, "calls": 400, "most_often": 40, "is_finite": True, "diverged_at": None}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run whose training has ended: 2,000 FOVs, half as fast in the second half."""
    settings = {"data": {"image": "phantom", "labels": "phantom"}, "training": {"fovs": 2000}}
    run = Run(tmp_path, RunConfig.model_validate(settings))
    lines = [
        {**LINE, "fovs_seen": 1000, "fovs_per_s": 100.0, "f1": 0.4},
        {**LINE, "fovs_seen": 2000, "fovs_per_s": 50.0, "f1": 0.8, "shares": [5, 3]},
    ]
    run.training_log.parent.mkdir(parents=True)
    run.training_log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return run


def tried(run: Run, **found: Any) -> None:
    """Publish a network, and what came of it in floods."""

    def write(path: Path) -> None:
        path.write_text("a network")

    model = make(Target(run.model_file, Recipe("train", 1, {}, {})), write)
    said = asdict(Rehearsal(network=model.sha256, **{**FLOODS, **found}))
    del said["flooded_by"]  # as a file of an older program has none
    run.rehearsal_file().write_bytes(sealed(said))


def test_a_training_is_told_in_a_line(run: Run) -> None:
    assert training_lines(run, Look()) == [
        "trained       2,000 FOVs in 0:30, 66.7 FOV/s, 2.0% of it waiting for input; F1 0.800 over the last "
        f"tenth; 5 to 3 FOVs of a step a rank: {run.model_file}"
    ]


def test_so_are_its_floods_and_a_warning_where_logits_grow(run: Run) -> None:
    tried(run, largest_logit=9.25)
    _, said = training_lines(run, Look())
    seen = "400 FOVs from 2 seeds in the training box, no voxel in more than 40"
    assert said == f"tried         {seen}: the largest logit was 9.25"
    tried(run, largest_logit=2500.0)
    *_, said, warning = training_lines(run, Look())
    assert said.endswith("was 2500")
    assert warning.startswith("WARNING ")
    assert "learning_rate" in warning


def test_a_network_that_finds_hardly_anything_is_warned_of(run: Run) -> None:
    run.training_log.write_text(run.training_log.read_text().replace('"f1": 0.8', '"f1": 0.31'))
    _, warning = training_lines(run, Look())
    assert warning.startswith("WARNING       an F1 of 0.310 over the last tenth of the training")
    training = run.config.training.model_copy(update={"fovs": 100_000})
    under_way = replace(run, config=run.config.model_copy(update={"training": training}))
    assert len(training_lines(under_way, Look())) == 1


def test_nothing_is_told_of_a_training_that_logged_nothing(run: Run) -> None:
    run.training_log.unlink()
    assert training_lines(run, Look()) == []
