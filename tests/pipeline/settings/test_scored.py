"""Scores are taken on voxels that training did not see, or say that they are not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import Evaluation, RunConfig
from pipeline.errors import InputError
from pipeline.ffn.trained_with import TrainedWith
from pipeline.ffn.weights import weight_shapes, write_weights
from pipeline.geometry import Box
from pipeline.run_folder import Run
from pipeline.settings.other_volume import OtherVolume
from pipeline.settings.scored import scored, seen_in_training, share_seen, why_not_scored

WHOLE = Box.parse("0:60,0:60,0:100")
SMALL = {"fov": [13, 13, 13], "deltas": [3, 3, 3]}
"""Its patch reaches 12 voxels from its centre."""


def config_of(training: str | None, evaluation: str | None = None, exclude: str | None = None) -> RunConfig:
    document = {
        "network": SMALL,
        "data": {"labels": "phantom", "phantom": {"shape": WHOLE.shape}},
        "inference": {"tile": [40, 40, 40], "overlap": [20, 20, 20], "box": str(WHOLE)},
        "training": {"box": training},
        "evaluation": {"box": evaluation, "exclude": exclude},
    }
    return RunConfig.model_validate(document)


def resolved(config: RunConfig, labelled: Box = WHOLE) -> Run:
    training = config.training.model_copy(update={"box": config.training.box or labelled})
    updates = {"evaluation": scored(config, WHOLE, labelled), "training": training}
    return Run(Path("run"), config.model_copy(update=updates))


def test_a_training_box_that_would_be_scored_is_left_out_with_a_patch_around_it() -> None:
    run = resolved(config_of("0:60,0:60,0:50"))
    assert run.config.evaluation.box == WHOLE
    assert run.config.evaluation.exclude == Box.parse("0:60,0:60,0:62")
    assert share_seen(run) == 0


def test_without_boxes_the_scores_are_of_voxels_that_training_saw() -> None:
    run = resolved(config_of(None))
    assert run.config.evaluation.box == WHOLE
    assert share_seen(run) == 1


def test_boxes_that_meet_are_scored_as_they_are_and_the_share_is_told() -> None:
    run = resolved(config_of("0:60,0:60,0:50", "0:60,0:60,40:90"))
    assert run.config.evaluation.exclude is None
    assert share_seen(run) == pytest.approx(10 / 50)


def test_boxes_that_keep_apart_stay_as_they_are() -> None:
    config = config_of("0:60,0:60,0:50")
    inference = Box.parse("0:60,0:60,52:100")
    assert scored(config, inference, WHOLE) == Evaluation(box=inference)


def test_a_training_box_that_leaves_nothing_is_told() -> None:
    run = resolved(config_of("0:60,0:60,0:95"))
    assert run.config.evaluation.box is None
    assert "training.box, with a patch around it, covers all" in str(why_not_scored(run))


def test_labels_elsewhere_leave_nothing_to_score() -> None:
    config = config_of("0:60,0:60,0:30").model_copy()
    inference = config.inference.model_copy(update={"box": Box.parse("0:60,0:60,50:100")})
    data = config.data.model_copy(update={"labels_box": Box.parse("0:60,0:60,0:40")})
    labelled = Box.parse("0:60,0:60,0:40")
    assert inference.box is not None
    updates = {"data": data, "inference": inference, "evaluation": scored(config, inference.box, labelled)}
    run = Run(Path("run"), config.model_copy(update=updates))
    assert run.config.evaluation.box is None
    assert why_not_scored(run) == (
        "inference.box 0:60,0:60,50:100 and the labels, at 0:60,0:60,0:40, share no voxel"
    )


def test_an_evaluation_box_that_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match=r"evaluation.box 0:60,0:60,0:101 reaches outside the labelled box"):
        scored(config_of(None, "0:60,0:60,0:101"), WHOLE, WHOLE)


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    ends = [
        sorted(draw(st.lists(st.integers(0, n), min_size=2, max_size=2, unique=True))) for n in WHOLE.shape
    ]
    (z0, z1), (y0, y1), (x0, x1) = ends
    return Box((z0, y0, x0), (z1, y1, x1))


@given(training=boxes(), evaluated=boxes(), exclude=boxes())
def test_the_share_seen_is_that_of_the_counted_voxels(training: Box, evaluated: Box, exclude: Box) -> None:
    run = resolved(config_of(str(training), str(evaluated), str(exclude)))
    counted, seen = np.zeros(WHOLE.shape, bool), np.zeros(WHOLE.shape, bool)
    counted[evaluated.slices()] = True
    counted[exclude.slices()] = False
    assert seen_in_training(run) == [training]
    seen[training.slices()] = True
    expected = np.mean(seen[counted]) if counted.any() else 0
    assert share_seen(run) == pytest.approx(expected)


@given(trained=st.lists(boxes(), min_size=2, max_size=4), evaluated=boxes(), exclude=boxes())
def test_all_boxes_of_the_image_that_were_trained_on_count(
    trained: list[Box], evaluated: Box, exclude: Box
) -> None:
    """Those of other images do not, wherever in these they lie."""
    run = resolved(config_of(str(trained[0]), str(evaluated), str(exclude)))
    data = run.config.data.model_copy(update={"image": "image.h5:raw", "labels": "labels.h5:ids"})
    elsewhere = data.model_copy(update={"image": "other.h5:raw"})
    others = [OtherVolume(data=data, box=box) for box in trained[1:]]
    others.append(OtherVolume(data=elsewhere, box=evaluated))
    training = run.config.training.model_copy(update={"volumes": tuple(others)})
    run = Run(run.folder, run.config.model_copy(update={"data": data, "training": training}))
    counted, seen = np.zeros(WHOLE.shape, bool), np.zeros(WHOLE.shape, bool)
    counted[evaluated.slices()] = True
    counted[exclude.slices()] = False
    for box in trained:
        seen[box.slices()] = True
    expected = np.mean(seen[counted]) if counted.any() else 0
    assert share_seen(run) == pytest.approx(expected)


def test_what_the_network_that_training_starts_from_has_seen_counts(tmp_path: Path) -> None:
    first = resolved(config_of("0:60,0:60,0:50", "0:60,0:60,40:90"))
    with h5py.File(tmp_path / "image.h5", "w") as file:
        file["raw"] = np.random.default_rng(0).integers(0, 255, WHOLE.shape, np.uint8)
    known = {"image": f"{tmp_path}/image.h5:raw", "image_mean": 128.0, "image_stddev": 33.0}
    data = first.config.data.model_copy(update={**known, "voxel_size_nm": (8.0, 8.0, 8.0)})
    first = replace(first, config=first.config.model_copy(update={"data": data}))
    network = first.config.network.model_copy(update={"depth": 1, "features": 2})
    weights = {name: np.zeros(shape, np.float32) for name, shape in weight_shapes(network).items()}
    write_weights(weights, network, tmp_path / "first.h5", TrainedWith.of(first))
    tuned = first.config.training.model_copy(
        update={"box": Box.parse("0:60,0:60,80:100"), "start_from": str(tmp_path / "first.h5")}
    )
    run = replace(first, config=first.config.model_copy(update={"training": tuned}))
    assert share_seen(run) == pytest.approx((10 + 10) / 50)


@pytest.mark.parametrize("training", [None, "0:60,0:60,0:50"])
def test_what_else_the_section_says_stays(training: str | None) -> None:
    config = config_of(training)
    within = config.evaluation.model_copy(update={"within_mask": True})
    config = config.model_copy(update={"evaluation": within})
    assert scored(config, WHOLE, WHOLE).within_mask


def test_scoring_within_a_mask_that_there_is_not_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"evaluation\.within_mask is true, but there is no mask: set data\.mask"
    ):
        RunConfig.model_validate({"evaluation": {"within_mask": True}})
