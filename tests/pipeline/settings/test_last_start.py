"""A training that an earlier version began by its defaults goes on as it was begun."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.checkup.before_run import check, warnings_of
from pipeline.config import RunConfig
from pipeline.results.attempts.owner import owner_file
from pipeline.run_folder import Run
from pipeline.settings.resolve import resolve
from pipeline.settings.run_file import dump_config, parse_config

BEFORE: dict[str, object] = {"fov_moves": "fixed", "moves_reach": 1}
"""As a start of an earlier version wrote down what its run file had left open."""


def start(folder: Path, **training: Any) -> Run:
    """What a start in the folder resolves to; its settings are kept there, as a start keeps them."""
    document = {
        "data": {"image": "phantom", "labels": "phantom", "phantom": {"shape": [40, 40, 40]}},
        "network": {"fov": [9, 9, 9], "deltas": [2, 2, 2]},
        "inference": {"tile": [40, 40, 40], "overlap": [13, 13, 13]},
        "training": {"box": "0:40,0:40,0:20", **training},
    }
    run = resolve(RunConfig.model_validate(document), folder)
    run.config_file.write_text(dump_config(run.config))
    return run


def begin(folder: Path, **training: Any) -> None:
    """A folder in which a training was begun."""
    run = start(folder, **training)
    owner_file(folder).write_text("")
    run.checkpoint_file.parent.mkdir()
    run.checkpoint_file.write_text("")


def moves_of(run: Run) -> tuple[str, int]:
    return run.config.training.fov_moves, run.config.training.reach


def test_it_keeps_its_moves_at_every_start_and_that_is_told(tmp_path: Path) -> None:
    begin(tmp_path, **BEFORE)
    for _ in range(2):
        run = start(tmp_path)
        assert moves_of(run) == ("fixed", 1)
        (told,) = warnings_of(check(run))
        assert told == (
            f"moves: the training in {run.folder} was begun with training.fov_moves fixed and a moves_reach "
            "of 1, once the defaults, and goes on so; write both into the run file, or training.fov_moves: "
            "max_pred_moves to train anew"
        )


@pytest.mark.parametrize(
    ("given", "moves"),
    [
        ({"fov_moves": "fixed"}, ("fixed", 1)),
        ({"fov_moves": "max_pred_moves"}, ("max_pred_moves", 2)),
        ({"fov_moves": "neighbours"}, ("neighbours", 1)),
        ({"moves_reach": 2}, ("max_pred_moves", 2)),
        ({"fov_moves": "max_pred_moves", "moves_reach": 1}, ("max_pred_moves", 1)),
    ],
)
def test_what_the_run_file_says_is_done_and_nothing_has_to_be_told(
    given: dict[str, object], moves: tuple[str, int], tmp_path: Path
) -> None:
    begin(tmp_path, **BEFORE)
    run = start(tmp_path, **given)
    assert moves_of(run) == moves
    assert warnings_of(check(run)) == []


def test_a_reach_that_was_a_default_is_kept_too(tmp_path: Path) -> None:
    begin(tmp_path, fov_moves="max_pred_moves", moves_reach=1)
    run = start(tmp_path, fov_moves="max_pred_moves")
    assert moves_of(run) == ("max_pred_moves", 1)
    assert run.keeps_moves


def test_what_this_version_wrote_says_nothing_of_what_a_run_file_leaves_open(tmp_path: Path) -> None:
    begin(tmp_path, fov_moves="fixed")
    run = start(tmp_path)
    assert moves_of(run) == ("max_pred_moves", 2)
    assert not run.keeps_moves


def test_a_folder_without_a_training_takes_the_defaults_of_today(tmp_path: Path) -> None:
    start(tmp_path, **BEFORE)
    assert moves_of(start(tmp_path)) == ("max_pred_moves", 2)


def test_a_kept_file_of_settings_is_a_run_file_whose_moves_can_be_set_alone(tmp_path: Path) -> None:
    document = start(tmp_path).config.model_dump(mode="json")
    document["training"]["fov_moves"] = "fixed"
    assert parse_config(document, "config.yaml").training.reach == 1
