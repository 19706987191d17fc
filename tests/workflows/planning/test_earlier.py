"""What was made with other settings is not shown as the run's, and what is the run's is."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_explain import RUN_AGAIN, finish, make_run

from pipeline.report import write_report_now
from pipeline.report.facts import facts
from pipeline.results.artifacts import Artifact, Recipe
from pipeline.results.records import read, record_path, sealed
from pipeline.run_folder import Run
from workflows.planning.earlier import earlier_in, of_now, told_of_now
from workflows.planning.explain import explain, outcomes
from workflows.running.gates import Gates

AGGLOMERATION = "agglomeration.enabled=true"
JOINED = "reconciliation.min_overlap_fraction=0.7"
FROM_COMPARED = "compare, join, merge, conflicts, write, measure, properties, downsample"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run's folder, with an agglomeration."""
    folder = tmp_path_factory.mktemp("run")
    finish(make_run(folder, AGGLOMERATION))
    return folder


@pytest.mark.parametrize("change", sorted(RUN_AGAIN))
def test_the_run_has_what_would_be_reused_and_nothing_else(folder: Path, change: str) -> None:
    run = make_run(folder, change)
    tasks = [task for stage in outcomes(run) for task in stage.tasks]
    assert of_now(run).keys() == {task.path for task in tasks if isinstance(task, Artifact)}


def names(run: Run) -> set[str]:
    return {file["what"] for file in facts(run, of_now(run))["files"]}


def test_the_report_leaves_out_what_is_of_an_earlier_segmentation_and_says_so(folder: Path) -> None:
    finished = make_run(folder, AGGLOMERATION)
    assert facts(finished, of_now(finished))["state"]["says"].startswith("Finished")
    assert {"scores", "edges of the agglomeration graph", "errors that cost most"} <= names(finished)
    run = make_run(folder, AGGLOMERATION, JOINED)
    said = facts(run, of_now(run))
    told = f"of an earlier state of this run, and not shown: {FROM_COMPARED}"
    assert f"{told}, points, resegment, agglomerate, count, score, worst" in said["untold"]
    assert not said["state"]["says"].startswith("Finished")
    rows = {row["name"]: row["finished"] for row in said["stages"]}
    assert (rows["segment"], rows["compare"], rows["score"]) == (8, 0, 0)
    assert said["objects"] is said["scores"] is None
    assert not any(of["shows"] == "segmentation" for of in said["slices"])
    gone = {"scores", "edges of the agglomeration graph", "errors that cost most"}
    assert not names(run) & gone


def test_so_it_is_with_what_the_run_makes_no_more_even_where_nobody_has_compared(folder: Path) -> None:
    said = facts(make_run(folder))
    assert "of an earlier state of this run, and not shown: points, resegment, agglomerate" in said["untold"]
    shown = {file["what"] for file in said["files"]}
    assert "edges of the agglomeration graph" not in shown
    assert "scores" in shown


def test_what_another_grid_of_tiles_has_left_is_neither_counted_nor_shown(folder: Path) -> None:
    run = make_run(folder, AGGLOMERATION, "inference.tile=[30,30,30]")
    rows = {row["name"]: row["finished"] for row in facts(run, of_now(run))["stages"]}
    assert (rows["train"], rows["segment"], rows["write"], rows["score"]) == (1, 0, 0, 0)
    assert {"segment", "write", "score"} <= earlier_in(run)[0].stages


def test_of_a_finished_run_no_stage_has_more_than_its_tasks_whatever_settings_before_have_left(
    tmp_path: Path,
) -> None:
    shapes = ("reconciliation.meshes=true", "reconciliation.skeletons=true")
    finish(make_run(tmp_path, *shapes, "reconciliation.block=[16,16,16]", "inference.tile=[24,24,24]"))
    run = make_run(tmp_path, *shapes)
    finish(run)
    for row in facts(run)["stages"]:
        assert row["finished"] == row["tasks"], row["name"]


def test_what_was_left_beside_a_stage_that_is_done_hides_nothing_of_it(tmp_path: Path) -> None:
    for change in ("", "reconciliation.block=[48,48,48]"):
        finish(make_run(tmp_path, *([change] if change else [])))
    assert earlier_in(make_run(tmp_path, "reconciliation.block=[48,48,48]"))[0].stages == frozenset()


def test_a_gate_names_nothing_of_an_earlier_segmentation_to_look_at(folder: Path) -> None:
    for changes, there in (((), True), ((JOINED,), False)):
        run = make_run(folder, AGGLOMERATION, "gates=[segment]", *changes)
        gates = Gates(run, passes=False)
        [segmented] = [stage.tasks for stage in outcomes(run) if stage.name == "segment"]
        for task in segmented:
            assert isinstance(task, Artifact)
            gates.end("segment", task)
        gates.keep_what_to_look_at(told_of_now(run))
        look_at = (folder / "gates/segment.json").read_text()
        for name in ("metrics.json", "worst.json", "edges.csv", "conflicts.json"):
            assert (name in look_at) is there, name


def test_a_report_of_what_is_not_done_is_not_taken_for_that_of_the_same_results_later(tmp_path: Path) -> None:
    """A finished run, looked at with other settings, which are then set back: its report alone is to do."""
    finish(make_run(tmp_path))
    finished = make_run(tmp_path)
    write_report_now(finished, of_now(finished))
    assert {status.name for status in explain(finished) if status.finished < status.tasks} == set()
    other = make_run(tmp_path, JOINED)
    write_report_now(other, of_now(other))
    assert "Not finished" in finished.report_page.read_text()
    assert {status.name for status in explain(finished) if status.finished < status.tasks} == {"report"}


def test_a_report_of_a_folder_elsewhere_is_not_taken_for_that_of_where_it_was(tmp_path: Path) -> None:
    finish(make_run(tmp_path / "here"))
    there = (tmp_path / "here").rename(tmp_path / "there")
    write_report_now(make_run(there), of_now(make_run(there)))
    assert {status.name for status in explain(make_run(there)) if status.finished < status.tasks} == set()
    here = make_run(there.rename(tmp_path / "here"))
    assert {status.name for status in explain(here) if status.finished < status.tasks} == {"report"}


def test_what_an_earlier_version_made_without_all_that_its_recipe_has_now_is_shown(tmp_path: Path) -> None:
    bordered = "evaluation.ignore_border_nm=25"
    finish(make_run(tmp_path, bordered))
    run = make_run(tmp_path, bordered)
    for file, version in ((run.conflicts_file, 1), (run.worst_file, 2), (run.metrics_file, 4)):
        record = read(file)
        assert isinstance(record, dict)
        settings = record["settings"]
        settings.pop("voxel_size_nm", None)
        settings.get("evaluation", {}).pop("ignore_border_nm", None)
        old = Recipe(record["stage"], version, settings, record["inputs"])
        record |= {**vars(old), "fingerprint": old.fingerprint}
        record_path(file).write_bytes(sealed(record))
    assert earlier_in(run)[0].told() == []
    why = {status.name: status.reasons for status in explain(run)}
    assert why["conflicts"] == [("stage version changed: conflicts 1 -> 3", 1)]
    assert why["score"] == [("stage version changed: score 4 -> 5", 1)]
