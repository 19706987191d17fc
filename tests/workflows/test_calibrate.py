"""`calibrate RUN_DIR`, as a user runs it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from cloudvolume import CloudVolume

from pipeline.agglomeration.tables import SCORE
from pipeline.calibration import labelled_run
from pipeline.config import RunConfig
from pipeline.geometry import Box
from pipeline.results.kept_apart import write_kept_apart
from pipeline.results.records import record_path, sealed
from pipeline.run_folder import Run
from pipeline.settings.run_file import dump_config
from tests.commands import said
from workflows.calibrate import main

SHAPE = (16, 16, 64)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Two fibres along x, each cut in eight; every cut is an edge of IoU 0.75, every touch one of 0.65."""
    truth = np.ones(SHAPE, np.uint64)
    truth[:, 8:] = 2
    segmentation = (truth - 1) * 8 + np.arange(64, dtype=np.uint64) // 8 + 1
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["raw"], file["labels"] = np.zeros(SHAPE, np.uint8), truth
    config = {
        "data": {"folder": str(tmp_path), "image": "data.h5:raw", "labels": "data.h5:labels",
                 "voxel_size_nm": [10, 10, 10], "image_mean": 128, "image_stddev": 33},
        "network": {"fov": [9, 9, 9], "deltas": [2, 2, 2], "checkpoint": "data.h5"},
        "inference": {"box": "0:16,0:16,0:64"},
        "evaluation": {"box": "0:16,0:16,0:64"},
        "agglomeration": {"enabled": True},
    }  # fmt: skip
    run = Run(tmp_path / "run", RunConfig.model_validate(config))
    run.folder.mkdir()
    run.config_file.write_text(dump_config(run.config))
    CloudVolume.from_numpy(
        segmentation.T[..., np.newaxis], f"file://{run.segmentation_folder}", resolution=(10, 10, 10),
        chunk_size=(8, 8, 8), layer_type="segmentation", progress=False,
    )  # fmt: skip
    edges = [(8 * f + i, 8 * f + i + 1, 8, 4 + 8 * f, 8 * i, 0.75) for f in range(2) for i in range(1, 8)] + [
        (i, 8 + i, 8, 8, 8 * i - 4, 0.65) for i in range(1, 9)
    ]
    rows = np.zeros(len(edges), SCORE)
    for name, column in zip(("a", "b", "z", "y", "x", "iou"), zip(*edges)):
        rows[name] = column
    for name in ("a_from_a", "b_from_a", "a_from_b", "b_from_b"):
        rows[name] = 1
    rows["calls"] = 4
    with h5py.File(run.agglomeration_file, "w") as file:
        file["edges"], file["strength"] = rows, rows["iou"]
        file["base"] = file["agglomerated"] = np.zeros(0, np.uint64)
    return run


def test_each_box_is_scored_by_the_rule_of_the_others(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, output = said(main, [str(run.folder), "--boxes", "2"], monkeypatch, capsys)
    assert code == 0
    assert "0:16,0:16,0:32" in output
    assert "0:16,0:16,32:64" in output
    assert output.count("2.000 + 0.000  2.000 + 0.000  0.000 + 0.000") == 2
    assert "--set agglomeration.min_iou=0.7\n" in output
    assert "with another min_recovered all points are flooded again, 88 network calls here" in output


def test_what_joins_segments_of_a_box_beside_it_counts_as_in_the_run(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of no decision point in a box was nothing joined, though they are one object above it."""
    scored = run.config.evaluation.model_copy(update={"box": Box.parse("0:4,0:16,0:64")})
    run.config_file.write_text(dump_config(run.config.model_copy(update={"evaluation": scored})))
    with h5py.File(run.agglomeration_file, "a") as file:
        del file["base"], file["agglomerated"]
        file["base"], file["agglomerated"] = np.arange(1, 9), np.ones(8, int)
    code, output = said(main, [str(run.folder), "--boxes", "2"], monkeypatch, capsys)
    assert code == 0
    assert output.count("      0  2.000 + 0.000  1.000 + 0.000  0.000 + 0.000") == 2
    assert "--set agglomeration.min_iou=0.7\n" in output


def test_a_run_without_agglomeration_of_its_segmentation_is_told_what_to_do(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record_path(run.agglomeration_file).write_bytes(sealed({"inputs": {"scores": "of an earlier one"}}))
    code, output = said(main, [str(run.folder)], monkeypatch, capsys)
    assert code == 1
    assert "agglomeration.h5 was not made of the segmentation and corrections that lie" in output

    record_path(run.agglomeration_file).unlink()
    run.agglomeration_file.unlink()
    code, output = said(main, [str(run.folder)], monkeypatch, capsys)
    assert code == 1
    assert "agglomeration.h5 is missing: give the run's command with agglomeration.enabled set" in output


def test_cuts_of_the_corrected_run_go_with_its_edges(run: Run) -> None:
    assert labelled_run(run, 2).apart.shape == (0, 2)
    corrections = run.config.reconciliation.model_copy(update={"corrections": "corrections.csv"})
    corrected = replace(run, config=run.config.model_copy(update={"reconciliation": corrections}))
    corrected.corrected_table_file.parent.mkdir(parents=True)
    with h5py.File(corrected.corrected_table_file, "w") as file:
        write_kept_apart(file, np.array([[1, 9]]))
    assert labelled_run(corrected, 2).apart.tolist() == [[1, 9]]


def test_what_is_near_a_border_does_not_choose_where_it_is_not_scored(run: Run) -> None:
    evaluation = run.config.evaluation.model_copy(update={"ignore_border_nm": 40.0})
    bordered = replace(run, config=run.config.model_copy(update={"evaluation": evaluation}))
    for scored, rows_of_a_fibre in ((run, 8), (bordered, 3)):
        voxels = sum(part.counts.total_voxels for part in labelled_run(scored, 2).boxes)
        assert voxels == 2 * rows_of_a_fibre * SHAPE[0] * SHAPE[2]
