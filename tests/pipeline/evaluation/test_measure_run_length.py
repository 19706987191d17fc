"""A run measures how far its segmentation follows skeletons that its run file names."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from test_evaluation_stage import PARTS, make_run

from pipeline.checkup.scores import skeletons as check
from pipeline.errors import InputError
from pipeline.evaluation import measure_run_length
from pipeline.evaluation.nodes import run_length_in
from pipeline.evaluation.skeleton_files import read_skeletons
from pipeline.evaluation.stage import open_segmentation
from pipeline.run_folder import Run
from pipeline.settings.input_identities import with_identities


def traced_run(folder: Path, first_x: int = 6) -> Run:
    """A run whose voxels are 10 nm, and a straight skeleton along x through voxels z 8, y 9."""
    (folder / "swc").mkdir()
    nodes = [f"{n + 1} 0 {10 * x + 5} 95 85 1 {n or -1}" for n, x in enumerate(range(first_x, first_x + 20))]
    (folder / "swc" / "1.swc").write_text("\n".join(nodes) + "\n")
    run, _, _ = make_run(folder)
    data = run.config.data.model_copy(update={"voxel_size_nm": (10.0, 10.0, 10.0)})
    evaluation = run.config.evaluation.model_copy(update={"skeletons": str(folder / "swc")})
    config = run.config.model_copy(update={"data": data, "evaluation": evaluation})
    return with_identities(replace(run, config=config))


def test_run_length_is_that_of_the_segmentation_along_the_skeletons(tmp_path: Path) -> None:
    run = traced_run(tmp_path)
    found = json.loads(Path(measure_run_length(run, PARTS).path).read_text())
    expected = run_length_in(open_segmentation(run), read_skeletons(tmp_path / "swc"), 0)
    assert found == json.loads(json.dumps(expected))
    assert 0 < found["nerl"] < 1
    assert (found["skeletons"], found["edges"]) == (1, 19)
    assert check(run).text == "1 skeletons, 100% of their length in inference.box"


def test_it_is_measured_again_when_a_skeleton_or_the_threshold_changes(tmp_path: Path) -> None:
    run = traced_run(tmp_path)
    first = Path(measure_run_length(run, PARTS).path).stat().st_mtime_ns
    assert Path(measure_run_length(with_identities(run), PARTS).path).stat().st_mtime_ns == first
    (tmp_path / "swc" / "2.swc").write_text("1 0 65 95 85 1 -1\n2 0 75 95 85 1 1\n")
    again = Path(measure_run_length(with_identities(run), PARTS).path)
    assert json.loads(again.read_text())["skeletons"] == 2


def test_skeletons_that_cannot_be_measured_along_are_refused_before_anything_runs(tmp_path: Path) -> None:
    run = traced_run(tmp_path, first_x=600)
    assert check(run).state == "FAIL"
    assert "0% of their length in inference.box; they are z, y, x in nm" in check(run).text
    evaluation = run.config.evaluation.model_copy(update={"skeletons": str(tmp_path / "none")})
    absent = replace(run, config=run.config.model_copy(update={"evaluation": evaluation}))
    with pytest.raises(InputError, match=r"evaluation\.skeletons .*none cannot be read: No such file"):
        with_identities(absent)
