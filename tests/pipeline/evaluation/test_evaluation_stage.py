"""The two tasks score what stands in the run folder, whatever the blocks."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from cloudvolume import CloudVolume
from skimage.metrics import adapted_rand_error

from pipeline.config import Evaluation, RunConfig
from pipeline.errors import InputError
from pipeline.evaluation import (
    blocks,
    count_block,
    count_box,
    count_uncorrected,
    score,
    score_run,
    set_old_scores_aside,
    stage,
)
from pipeline.evaluation.comparison import Comparison
from pipeline.evaluation.contingency import ContingencyTable
from pipeline.evaluation.conventions import BoxCounts, fill
from pipeline.geometry import Box
from pipeline.results.artifacts import Artifact, file_sha256
from pipeline.results.folders import files_below
from pipeline.run_folder import Run
from pipeline.settings.input_identities import with_identities
from pipeline.volumes import open_volume

SHAPE = (20, 24, 28)
INFERENCE = Box.parse("2:20,4:24,6:28")
EVALUATED = Box.parse("5:20,4:22,9:28")
PARTS = [Artifact("segmentation", "of one kind")]


def make_run(
    folder: Path, evaluated: Box = EVALUATED, exclude: str | None = None
) -> tuple[Run, np.ndarray, np.ndarray]:
    """A run with labels and a finished segmentation, and both arrays over the evaluated box."""
    rng = np.random.default_rng(5)
    coarse = rng.integers(0, 9, (5, 6, 7))
    labels = coarse.repeat(4, 0).repeat(4, 1).repeat(4, 2)
    segmentation = np.roll(labels, 1, axis=2) * (rng.random(SHAPE) < 0.8)
    with h5py.File(folder / "data.h5", "w") as file:
        file["raw"] = np.zeros(SHAPE, np.uint8)
        file["labels"] = labels
    config = {
        "data": {"folder": str(folder), "image": "data.h5:raw", "labels": "data.h5:labels"},
        "inference": {"box": str(INFERENCE)},
        "evaluation": {"box": str(evaluated), "exclude": exclude},
    }
    run = with_identities(Run(folder / "run", RunConfig.model_validate(config)))
    stored = segmentation[INFERENCE.slices()].astype(np.uint64)
    z, y, x = INFERENCE.start
    CloudVolume.from_numpy(
        stored.T[..., np.newaxis], f"file://{run.segmentation_folder}", resolution=(10, 10, 10),
        voxel_offset=(x, y, z), chunk_size=(8, 8, 8), layer_type="segmentation", progress=False,
    )  # fmt: skip
    inside = evaluated.slices()
    return run, labels[inside], segmentation[inside]


def run_stage(run: Run) -> dict:
    counts = [count_block(run, block, PARTS) for block in reversed(blocks(run))]
    return json.loads(Path(score_run(run, counts).path).read_text())


def test_metrics_are_the_scores_of_the_evaluated_box(tmp_path: Path) -> None:
    run, truth, segmentation = make_run(tmp_path)
    assert blocks(run) == [EVALUATED]
    metrics = run_stage(run)
    assert metrics.items() >= score(count_box(segmentation, truth)).items()
    assert (metrics["box"], metrics["voxels"], metrics["seen_in_training"]) == (str(EVALUATED), truth.size, 0)
    assert metrics["labelled_share"] == np.mean(truth != 0)
    assert metrics["ignored_share"] == metrics["left_out_share"] == 0
    assert run.metrics_file.exists()


def test_of_labels_in_some_sections_these_are_scored(tmp_path: Path) -> None:
    run, truth, segmentation = make_run(tmp_path)
    data = run.config.data.model_copy(update={"labelled_sections": "3:20:4"})
    run = with_identities(dataclasses.replace(run, config=run.config.model_copy(update={"data": data})))
    metrics = run_stage(run)
    drawn = np.array([7, 11, 15, 19]) - EVALUATED.start[0]
    expected = score(count_box(segmentation[drawn], truth[drawn]))
    for convention in ("gt_foreground", "both_foreground"):
        assert metrics[convention] == pytest.approx(expected[convention])
    are, *_ = adapted_rand_error(truth[drawn], segmentation[drawn], ignore_labels=(0,))
    assert metrics["gt_foreground"]["are"] == pytest.approx(are)
    assert metrics["ignored_share"] == pytest.approx(1 - len(drawn) / EVALUATED.shape[0])


def test_of_an_agglomeration_the_scores_are_those_of_the_volume_under_its_ids(tmp_path: Path) -> None:
    run, truth, segmentation = make_run(tmp_path)
    joined = tmp_path / "agglomeration.h5"
    with h5py.File(joined, "w") as file:
        file["base"], file["agglomerated"] = np.array([[2, 5, 7, 8], [2, 2, 7, 7]], np.uint64)
    counts = [count_block(run, block, PARTS) for block in blocks(run)]
    made = score_run(run, counts, [Artifact(str(joined), file_sha256(joined))])
    metrics = json.loads(Path(made.path).read_text())
    assert metrics.items() >= score(count_box(segmentation, truth)).items()
    agglomerated = np.where(segmentation == 5, 2, np.where(segmentation == 8, 7, segmentation))
    assert metrics["agglomerated"] == score(count_box(agglomerated, truth))


def test_before_corrections_the_scores_are_those_of_the_volume_as_the_merge_made_it(tmp_path: Path) -> None:
    run, truth, segmentation = make_run(tmp_path)
    merged = np.pad(np.where(segmentation == 5, 2, segmentation).astype(np.uint64), 8)
    with h5py.File(tmp_path / "data.h5", "r+") as file:
        file["merged"] = merged
        file["merged"].attrs["resolution"] = (1, 1, 1)
        file["merged"].attrs["offset"] = [start - 8 for start in EVALUATED.start]
    before = open_volume(f"{tmp_path / 'data.h5'}:merged")
    tiles = {tile.index: Artifact("tile", "as it is") for tile in run.grid}
    counts = [count_block(run, block, PARTS) for block in blocks(run)]
    id_table = Artifact("id table", "of the merge")
    uncorrected = [count_uncorrected(run, block, id_table, tiles, before) for block in blocks(run)]
    metrics = json.loads(Path(score_run(run, counts, [], uncorrected).path).read_text())
    assert metrics.items() >= score(count_box(segmentation, truth)).items()
    expected = count_box(merged[8:-8, 8:-8, 8:-8], truth)
    assert metrics["uncorrected"] == score(expected)


@pytest.mark.parametrize("shape", [(7, 512, 512), (5, 6, 7)])
def test_cutting_into_blocks_changes_nothing_while_the_halo_reaches_a_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int, int]
) -> None:
    run, truth, segmentation = make_run(tmp_path)
    monkeypatch.setattr(stage, "BLOCK", shape)
    assert len(blocks(run)) > 1
    assert run_stage(run).items() >= score(count_box(segmentation, truth)).items()


@pytest.mark.parametrize("exclude", ["0:9,0:99,0:99", "8:12,7:9,10:20", "0:3,0:3,0:3"])
def test_excluded_voxels_do_not_count_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exclude: str
) -> None:
    run, truth, segmentation = make_run(tmp_path, exclude=exclude)
    monkeypatch.setattr(stage, "BLOCK", (7, 512, 512))
    counted = np.ones(SHAPE, bool)
    counted[Box.parse(exclude).slices()] = False
    counted = counted[EVALUATED.slices()]
    expected = BoxCounts(
        ContingencyTable.count(truth[counted], segmentation[counted]),
        ContingencyTable.count(truth[counted], fill(segmentation)[counted]),
    )
    metrics = run_stage(run)
    assert metrics.items() >= score(expected).items()
    assert metrics["left_out_share"] == pytest.approx(np.mean(~counted), abs=1e-12)


def test_blocks_are_disjoint_and_cover_the_evaluated_box(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _, _ = make_run(tmp_path)
    monkeypatch.setattr(stage, "BLOCK", (4, 7, 8))
    times_covered = np.zeros(SHAPE, int)
    for block in blocks(run):
        times_covered[block.slices()] += 1
    expected = np.zeros(SHAPE, int)
    expected[EVALUATED.slices()] = 1
    np.testing.assert_array_equal(times_covered, expected)


def test_finished_counts_are_kept_until_the_segmentation_changes(tmp_path: Path) -> None:
    run, _, _ = make_run(tmp_path)
    path = Path(count_block(run, EVALUATED, PARTS).path)
    first = path.stat().st_mtime_ns
    count_block(run, EVALUATED, PARTS)
    assert path.stat().st_mtime_ns == first
    before = path.read_bytes()
    count_block(run, EVALUATED, [Artifact("segmentation", "another")])
    assert path.stat().st_mtime_ns != first
    assert path.read_bytes() == before


def test_a_box_beyond_the_segmentation_is_refused(tmp_path: Path) -> None:
    run, _, _ = make_run(tmp_path, evaluated=Box.parse("0:20,4:22,9:28"))
    with pytest.raises(InputError, match=r"box 0:20,4:22,9:28 is outside .*segmentation"):
        count_block(run, blocks(run)[0], PARTS)
    assert files_below(run.folder / "evaluation") == []


def test_scores_of_another_start_do_not_lie_beside_a_segmentation_that_is_not_scored(tmp_path: Path) -> None:
    run, _, _ = make_run(tmp_path)
    run_stage(run)
    scores = run.metrics_file.read_bytes()
    assert set_old_scores_aside(run) is None
    assert run.metrics_file.exists()
    unscored = dataclasses.replace(run, config=run.config.model_copy(update={"evaluation": Evaluation()}))
    earlier = set_old_scores_aside(unscored)
    assert earlier is not None
    assert earlier.read_bytes() == scores
    assert not run.metrics_file.exists()
    assert set_old_scores_aside(unscored) is None
    assert run_stage(run) == json.loads(scores)


def test_what_an_id_says_to_ignore_is_in_no_score(tmp_path: Path) -> None:
    run, truth, segmentation = make_run(tmp_path)
    with h5py.File(tmp_path / "data.h5", "r+") as file:
        labels = file["labels"][()].astype(np.uint64)
        labels[:, :12] = np.iinfo(np.uint64).max  # as CREMI marks what nobody labelled
        del file["labels"]
        file["labels"] = labels
    known = slice(12 - EVALUATED.start[1], None)
    expected = score(count_box(segmentation[:, known], truth[:, known]))
    scores = run_stage(with_identities(run))
    for convention in ("gt_foreground", "both_foreground"):
        assert scores[convention] == pytest.approx(expected[convention])
    assert scores["coverage"] == pytest.approx(expected["coverage"])


def test_voxels_outside_the_mask_do_not_count_where_that_is_asked_for(tmp_path: Path) -> None:
    run, truth, segmentation = make_run(tmp_path)
    tissue = np.random.default_rng(8).random((20, 24, 20)) < 0.7  # what it does not cover is no tissue
    with h5py.File(tmp_path / "data.h5", "r+") as file:
        file["tissue"] = tissue.astype(np.uint8)
        file["tissue"].attrs["offset"] = (0, 0, 0)
    data = run.config.data.model_copy(update={"mask": "data.h5:tissue"})
    masked = run.config.model_copy(
        update={"data": data, "evaluation": run.config.evaluation.model_copy(update={"within_mask": True})}
    )
    counted = np.pad(tissue, [(0, 0), (0, 0), (0, 8)])[EVALUATED.slices()]
    expected = BoxCounts.count(truth[counted], segmentation[counted], fill(segmentation)[counted])
    metrics = run_stage(with_identities(dataclasses.replace(run, config=masked)))
    assert metrics.items() >= score(expected).items()
    assert metrics["left_out_share"] == pytest.approx(np.mean(~counted))


def test_voxels_near_a_border_of_the_truth_do_not_count_where_that_is_asked_for(tmp_path: Path) -> None:
    run, truth, segmentation = make_run(tmp_path)
    data = run.config.data.model_copy(update={"voxel_size_nm": (40.0, 4.0, 4.0)})
    evaluation = run.config.evaluation.model_copy(update={"ignore_border_nm": 3.0})  # those on it alone
    config = run.config.model_copy(update={"data": data, "evaluation": evaluation})
    with h5py.File(tmp_path / "data.h5") as file:
        labels = file["labels"][()]
    counted = np.ones(SHAPE, bool)
    for axis in (1, 2):
        for here, beside in ((slice(1, None), slice(-1)), (slice(-1), slice(1, None))):
            same = np.moveaxis(labels, axis, 0)[here] == np.moveaxis(labels, axis, 0)[beside]
            np.moveaxis(counted, axis, 0)[here] &= same
    counted = counted[EVALUATED.slices()]
    assert 0.1 < counted.mean() < 0.9
    expected = BoxCounts.count(truth[counted], segmentation[counted], fill(segmentation)[counted])
    metrics = run_stage(with_identities(dataclasses.replace(run, config=config)))
    assert metrics.items() >= score(expected).items()
    assert metrics["left_out_share"] == pytest.approx(np.mean(~counted))
    assert metrics["ignore_border_nm"] == 3
    assert run_stage(with_identities(run))["left_out_share"] == 0


def test_what_stays_blank_in_filled_is_told(tmp_path: Path) -> None:
    labels = np.ones((4, 4, 400), np.uint64)
    segments = np.where(np.arange(400) < 10, labels, 0).astype(np.uint64)
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["truth"], file["segments"] = labels, segments
    comparison = Comparison(f"{tmp_path / 'data.h5'}:segments", f"{tmp_path / 'data.h5'}:truth")
    box = Box.of_shape((4, 4, 400))
    counts = BoxCounts.total(part for parts in comparison.count(box) for part in parts)
    # of the first block the second part begins at 128, where no segment is within 64 voxels
    assert stage.shares(counts, box, 0)["unfilled_share"] == pytest.approx((400 - 128) / 400)
    filled = dataclasses.replace(counts, filled=counts.filled.segmented)
    assert "unfilled_share" not in stage.shares(filled, box, 0)


def test_how_far_from_borders_voxels_are_left_out_is_told_as_it_is_set_now(tmp_path: Path) -> None:
    """20 and 21 nm leave out the same voxels of 10 nm."""
    run, _, _ = make_run(tmp_path)
    for border_nm in (20.0, 21.0):
        data = run.config.data.model_copy(update={"voxel_size_nm": (10.0, 10.0, 10.0)})
        evaluation = run.config.evaluation.model_copy(update={"ignore_border_nm": border_nm})
        config = run.config.model_copy(update={"data": data, "evaluation": evaluation})
        assert run_stage(dataclasses.replace(run, config=config))["ignore_border_nm"] == border_nm
