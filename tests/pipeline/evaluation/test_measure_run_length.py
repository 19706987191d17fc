"""A run measures how far its segmentation follows skeletons that its run file names."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from test_evaluation_stage import INFERENCE, PARTS, make_run

from pipeline.checkup import scores
from pipeline.checkup.scores import skeletons as check
from pipeline.errors import InputError
from pipeline.evaluation import measure_run_length
from pipeline.evaluation.nodes import run_length_in
from pipeline.evaluation.skeleton_files import read_skeletons
from pipeline.evaluation.stage import open_segmentation
from pipeline.evaluation.trust import doubts_of_run_length
from pipeline.geometry import Box
from pipeline.report.facts import facts
from pipeline.report.page import page
from pipeline.results.artifacts import Artifact, file_sha256
from pipeline.run_folder import Run
from pipeline.settings.input_identities import with_identities
from workflows.scores_as_text import run_length_lines


def traced_run(folder: Path, first_x: int = 6, exclude: str | None = None) -> Run:
    """A run whose voxels are 10 nm, and a straight skeleton along x through voxels z 8, y 9."""
    (folder / "swc").mkdir()
    nodes = [f"{n + 1} 0 {10 * x + 5} 95 85 1 {n or -1}" for n, x in enumerate(range(first_x, first_x + 20))]
    (folder / "swc" / "1.swc").write_text("\n".join(nodes) + "\n")
    run, _, _ = make_run(folder, exclude=exclude)
    data = run.config.data.model_copy(update={"voxel_size_nm": (10.0, 10.0, 10.0)})
    evaluation = run.config.evaluation.model_copy(update={"skeletons": str(folder / "swc")})
    config = run.config.model_copy(update={"data": data, "evaluation": evaluation})
    return with_identities(replace(run, config=config))


def test_run_length_is_that_of_the_segmentation_along_the_skeletons(tmp_path: Path) -> None:
    run = traced_run(tmp_path)
    found = json.loads(Path(measure_run_length(run, PARTS).path).read_text())
    expected = run_length_in(open_segmentation(run), read_skeletons(tmp_path / "swc"), 0)
    assert found == json.loads(json.dumps({**expected, "seen_in_training": 0.0}))
    assert 0 < found["nerl"] < 1
    assert (found["skeletons"], found["edges"]) == (1, 19)
    assert check(run).text == "1 skeleton, 100% of their length in inference.box"


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


def test_what_is_left_out_of_scores_counts_along_skeletons_neither(tmp_path: Path) -> None:
    """Nodes lie at x 6 to 25."""
    run = traced_run(tmp_path, exclude="5:20,4:22,9:16")
    found = json.loads(Path(measure_run_length(run, PARTS).path).read_text())
    assert (found["edges"], found["length_outside_nm"], found["seen_in_training"]) == (2 + 9, 80, 0)
    assert check(run).text == "1 skeleton, 58% of their length in inference.box without 5:20,4:22,9:16"
    with h5py.File(tmp_path / "data.h5", "r+") as file:
        file["mask"] = (np.indices((20, 24, 28))[2] >= 20).astype(np.uint8)
    data = run.config.data.model_copy(update={"mask": "data.h5:mask"})
    masked = changed(run, data=data, evaluation={"within_mask": True})
    found = json.loads(Path(measure_run_length(masked, PARTS).path).read_text())
    assert (found["edges"], found["length_outside_nm"]) == (5, 140)


def test_run_length_where_training_saw_the_tissue_is_told_as_that(tmp_path: Path) -> None:
    run = traced_run(tmp_path, exclude="5:20,4:22,9:16")
    run = changed(run, training={"box": Box.parse("0:20,0:24,16:20")})
    found = json.loads(Path(measure_run_length(run, PARTS).path).read_text())
    assert found["seen_in_training"] == pytest.approx(3 / 11)
    assert doubts_of_run_length(found)[0].startswith(
        "27% of the length of the skeletons was seen in training"
    )
    assert (check(run).state, "27% of that was seen in training" in check(run).text) == ("warn", True)


def test_skeletons_of_which_nothing_counts_are_refused_before_anything_runs(tmp_path: Path) -> None:
    run = traced_run(tmp_path, exclude=str(INFERENCE))
    assert check(run).state == "FAIL"
    assert f"0% of their length in inference.box without {INFERENCE}; set evaluation.box" in check(run).text
    with pytest.raises(InputError, match="nothing of them counts there"):
        measure_run_length(run, PARTS)


@pytest.mark.parametrize(
    ("kept", "most", "state"), [((0, 0), 64, "FAIL"), ((12, 14), 64, "ok"), ((12, 14), 2, "warn")]
)
def test_before_a_run_a_mask_is_read_at_some_nodes_alone(
    kept: tuple[int, int], most: int, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nodes lie at x 6 to 25."""
    monkeypatch.setattr(scores, "MOST_NODES", most)
    run = traced_run(tmp_path)
    with h5py.File(tmp_path / "data.h5", "r+") as file:
        x = np.indices((20, 24, 28))[2]
        file["mask"] = ((x >= kept[0]) & (x < kept[1])).astype(np.uint8)
    data = run.config.data.model_copy(update={"mask": "data.h5:mask"})
    found = check(changed(run, data=data, evaluation={"within_mask": True}))
    assert (found.state, "data.mask is 0 at all nodes looked at" in found.text) == (state, state != "ok")


def test_of_an_agglomeration_run_length_is_that_of_the_segments_that_are_one_by_it(tmp_path: Path) -> None:
    run, joined = traced_run(tmp_path), tmp_path / "agglomeration.h5"
    ids = np.arange(1, 9, dtype=np.uint64)
    with h5py.File(joined, "w") as file:
        file["base"], file["agglomerated"] = ids, np.ones_like(ids)
    agglomeration = [Artifact(str(joined), file_sha256(joined))]
    base = json.loads(Path(measure_run_length(run, PARTS).path).read_text())
    found = json.loads(Path(measure_run_length(run, PARTS, None, agglomeration).path).read_text())
    of = found.pop("agglomerated")
    assert found == base
    assert of["splits"] == 0 < base["splits"]
    assert of["omitted"] == base["omitted"]
    assert of["erl_nm"] == pytest.approx((10 * (of["edges"] - of["omitted"])) ** 2 / of["length_nm"])
    assert any(
        line.startswith("agglomerated  ERL") for line in run_length_lines({**found, "agglomerated": of})
    )


def changed(run: Run, **sections: Any) -> Run:
    """The run with other sections of its configuration, or other settings in them."""
    of = {
        name: to if not isinstance(to, dict) else getattr(run.config, name).model_copy(update=to)
        for name, to in sections.items()
    }
    return with_identities(replace(run, config=run.config.model_copy(update=of)))


def test_the_report_shows_run_length_along_skeletons_that_people_traced(tmp_path: Path) -> None:
    run = traced_run(tmp_path)
    measure_run_length(run, PARTS)
    shown = page(facts(run), [], None)
    assert "Run length along skeletons" in shown
    assert "Skeletons were made" not in shown
