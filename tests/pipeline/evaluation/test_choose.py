"""The network that segments the validation box best is the model, and all scores are kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import RunConfig
from pipeline.errors import InputError
from pipeline.evaluation import choose, count_box, score, score_try, take_chosen
from pipeline.evaluation.choice import best
from pipeline.results.artifacts import Artifact, file_sha256
from pipeline.results.tile_labels import NOT_FINITE_AT
from pipeline.run_folder import Run
from pipeline.settings.input_identities import with_identities
from workflows.running.summary import describe_choice

SHAPE = (20, 20, 40)
VALIDATION = "0:20,0:20,20:40"


def make_run(folder: Path, unlabelled: bool = False) -> tuple[Run, np.ndarray]:
    """A run that tries three networks, and the labels of its validation box."""
    labels = np.random.default_rng(4).integers(1, 6, (5, 5, 10)).repeat(4, 0).repeat(4, 1).repeat(4, 2)
    labels[:, :, 20:] *= not unlabelled
    with h5py.File(folder / "data.h5", "w") as file:
        file["raw"] = np.zeros(SHAPE, np.uint8)
        file["labels"] = labels
    config = {
        "data": {"folder": str(folder), "image": "data.h5:raw", "labels": "data.h5:labels"},
        "network": {"fov": [9, 9, 9], "deltas": [2, 2, 2]},
        "training": {
            "box": "0:20,0:20,0:20",
            "fovs": 50,
            "choose_by": "segmentation",
            "validation_box": VALIDATION,
            "validate_every_fovs": 20,
        },
        "inference": {"box": "0:20,0:20,0:40", "tile": [20, 20, 20], "overlap": [9, 9, 9]},
        # where it is scored in the end has nothing to do with it
        "evaluation": {"box": "0:20,0:20,0:10", "exclude": "0:20,0:20,18:30"},
    }
    return with_identities(Run(folder / "run", RunConfig.model_validate(config))), labels[:, :, 20:]


def segmented(trial: Run, segmentation: np.ndarray, not_finite_at: str | None = None) -> Artifact:
    """What a network that is tried has segmented, as inference publishes it."""
    [tile] = trial.tiles
    path = trial.tile_file(tile)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["segmentation"] = segmentation.astype(np.uint32)
        if not_finite_at is not None:
            file.attrs[NOT_FINITE_AT] = not_finite_at
    return Artifact(str(path), file_sha256(path))


def networks_of(run: Run) -> list[Artifact]:
    made = []
    for fovs in run.config.training.tried_after:
        path = run.candidate_file(fovs)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"network after {fovs}")
        made.append(Artifact(str(path), file_sha256(path)))
    return made


def test_each_network_is_tried_on_one_tile_of_the_validation_box_beside_the_run(tmp_path: Path) -> None:
    run, _ = make_run(tmp_path)
    assert [trial.tries for trial in run.trials] == [20, 40, 50]
    files = set()
    for trial in run.trials:
        [tile] = trial.tiles
        assert str(tile.box) == VALIDATION
        files |= {trial.tile_file(tile), trial.tile_log(tile), trial.tile_marker(tile), trial.try_file}
    own = {run.tile_file(tile) for tile in run.tiles} | {run.tile_log(tile) for tile in run.tiles}
    assert len(files) == 12
    assert not files & own


def test_the_best_in_the_middle_becomes_the_model(tmp_path: Path) -> None:
    run, truth = make_run(tmp_path)
    rng, scores = np.random.default_rng(1), []
    shown = [np.roll(truth, 3, axis=0), truth, rng.permutation(truth.ravel()).reshape(truth.shape)]
    for trial, segmentation in zip(run.trials, shown):
        scores.append(score_try(trial, segmented(trial, segmentation)))
    choice = choose(run, scores)
    model = take_chosen(run, choice, networks_of(run))

    assert Path(model.path) == run.model_file
    assert run.model_file.read_text() == "network after 40"
    told = json.loads(run.validation_file.read_text())
    assert told["chosen_fovs"] == 40
    for each, segmentation, fovs in zip(told["networks"], shown, (20, 40, 50)):
        assert each["fovs"] == fovs
        assert each.items() >= score(count_box(segmentation, truth)).items()


def test_a_network_that_gives_nan_is_told_and_not_chosen_and_where_all_do_none_is(tmp_path: Path) -> None:
    run, truth = make_run(tmp_path)
    blank = np.zeros_like(truth)
    scores = [score_try(run.trials[0], segmented(run.trials[0], blank))]
    scores += [score_try(trial, segmented(trial, blank, "(1, 2, 3)")) for trial in run.trials[1:]]
    choose(run, scores)
    assert json.loads(run.validation_file.read_text())["chosen_fovs"] == 20
    assert describe_choice(run)[2].endswith("40 FOVs: NaN or infinity at (1, 2, 3)")
    with pytest.raises(InputError, match=r"each of 2 networks gives NaN or infinity .* at \(1, 2, 3\)"):
        choose(run, scores[1:])


def test_what_is_scored_already_is_not_scored_again(tmp_path: Path) -> None:
    run, truth = make_run(tmp_path)
    made = segmented(run.trials[0], truth)
    first = score_try(run.trials[0], made)
    Path(made.path).unlink()
    assert score_try(run.trials[0], made) == first


def test_a_box_without_labels_chooses_nothing_and_says_so(tmp_path: Path) -> None:
    run, truth = make_run(tmp_path, unlabelled=True)
    with pytest.raises(InputError, match=f"training.validation_box {VALIDATION} has no labelled voxels"):
        score_try(run.trials[0], segmented(run.trials[0], truth + 1))


def scored(fovs: int, are: float, coverage: float = 0.5) -> dict[str, Any]:
    return {"fovs": fovs, "coverage": coverage, "filled": {"are": are}}


@given(st.lists(st.sampled_from([0.1, 0.2, 0.3]), min_size=1), st.randoms())
def test_of_equally_good_networks_the_last_is_chosen(ares: list[float], order: Any) -> None:
    networks = [scored(1000 * (n + 1), are) for n, are in enumerate(ares)]
    last_best = max(n for n, are in enumerate(ares) if are == min(ares))
    order.shuffle(networks)
    assert best(networks)["fovs"] == 1000 * (last_best + 1)


@pytest.mark.parametrize("found", [0, 3])
def test_a_network_that_finds_next_to_nothing_is_not_the_best_though_its_are_is_lower(found: int) -> None:
    truth = np.arange(64).reshape(4, 4, 4).repeat(4, 0) // 16 + 1
    pieces = np.arange(truth.size).reshape(truth.shape) + 1
    little = {"fovs": 2, **score(count_box((pieces <= found).astype(int), truth))}
    much = {"fovs": 1, **score(count_box(pieces, truth))}
    assert little["filled"]["are"] < much["filled"]["are"]
    assert best([much, little])["fovs"] == 1
    assert best([little])["fovs"] == 2
