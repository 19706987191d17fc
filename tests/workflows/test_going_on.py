"""A run that goes on by the settings of its last start: what these filled in follows what is set now."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import Evaluation, RunConfig
from pipeline.errors import InputError
from pipeline.results.attempts.owner import owner_file, owner_now
from pipeline.run_folder import Run
from pipeline.settings.resolve import resolve
from pipeline.settings.run_file import dump_config
from workflows.command_line import load_settings

TRAINED = {"box": "0:40,0:40,0:20"}


def document(**sections: Any) -> dict[str, Any]:
    return {
        "data": {"image": "phantom", "labels": "phantom", "phantom": {"shape": [40, 40, 90]}},
        "network": {"fov": [9, 9, 9], "deltas": [2, 2, 2]},
        "inference": {"tile": [20, 20, 20], "overlap": [9, 9, 9], "box": "0:40,0:40,40:90"},
        **sections,
    }


def begun(folder: Path, **sections: Any) -> Path:
    """The settings that a start in the folder has kept."""
    run = resolve(RunConfig.model_validate(document(**sections)), folder)
    run.config_file.write_text(dump_config(run.config))
    owner_file(folder).write_text(json.dumps(asdict(owner_now(attempt=1))))
    return run.config_file


def goes_on(config: Path, *overrides: str) -> Run:
    return resolve(load_settings(config, list(overrides), None), config.parent)


@pytest.mark.parametrize("training", [{}, TRAINED])
@pytest.mark.parametrize("box", ["0:40,0:40,10:90", "0:20,0:40,50:90"])
def test_what_was_left_open_follows_the_box_that_is_segmented(
    training: dict[str, str], box: str, tmp_path: Path
) -> None:
    """It was refused, or what was segmented beyond the last box was not scored."""
    found = goes_on(begun(tmp_path, training=training), f"inference.box={box}").config
    afresh = document(training=training)
    afresh["inference"]["box"] = box
    expected = resolve(RunConfig.model_validate(afresh), tmp_path).config
    assert found.evaluation.box is not None
    assert (found.evaluation, found.training.box) == (expected.evaluation, expected.training.box)


@pytest.mark.parametrize(
    "given", [{"box": "0:40,0:40,50:80"}, {"exclude": "0:9,0:9,60:70"}, {"exclude": "0:40,0:40,0:90"}]
)
def test_what_was_given_stays(given: dict[str, str], tmp_path: Path) -> None:
    config = begun(tmp_path, training=TRAINED, evaluation=given)
    found = goes_on(config, "inference.box=0:40,0:40,10:90").config.evaluation
    wanted = Evaluation.model_validate(given)
    assert found.exclude == wanted.exclude
    if wanted.box is not None:
        assert found.box == wanted.box


def test_what_is_set_beside_it_counts_and_without_it_nothing_changes(tmp_path: Path) -> None:
    config = begun(tmp_path, training=TRAINED)
    before = goes_on(config).config
    assert goes_on(config, "inference.box=0:40,0:40,40:90").config.evaluation == before.evaluation
    both = ("inference.box=0:40,0:40,10:90", "evaluation.box=0:40,0:40,60:70")
    assert str(goes_on(config, *both).config.evaluation.box) == "0:40,0:40,60:70"


def test_labels_that_are_gone_are_told_by_those_who_open_them(tmp_path: Path) -> None:
    config = begun(tmp_path)
    config.write_text(config.read_text().replace("labels: phantom", "labels: gone.h5:x"))
    settings = load_settings(config, ["inference.box=0:40,0:40,10:90"], None)
    with pytest.raises(InputError, match="no such file"):
        resolve(settings, tmp_path)
