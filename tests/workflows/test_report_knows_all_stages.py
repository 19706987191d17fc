"""The report's table of stages is the workflow's: a stage that is new to one is missed by the other."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_explain import finish, make_run

from pipeline.report.earlier import Earlier
from pipeline.report.history import expected_tasks, records, stages
from pipeline.results.unreadable import Look
from pipeline.run_folder import Run
from workflows.planning.explain import explain

AGGLOMERATION = "agglomeration.enabled=true"
MESHES, SKELETONS = "reconciliation.meshes=true", "reconciliation.skeletons=true"
PASSES = "inference.passes=[{}, {seed_order: reverse}, {checkpoint: other.h5}]"


CHOICE = "training.choose_by=segmentation"
BY = "training.validation_box=0:48,0:48,56:90"


@pytest.mark.parametrize(
    "change",
    [
        "",
        "evaluation.box=0:40,0:48,64:112",
        "inference.overlap=[20,20,20]",
        PASSES,
        MESHES,
        SKELETONS,
        AGGLOMERATION,
    ],
)
def test_every_stage_before_the_report_is_counted_in_it(tmp_path: Path, change: str) -> None:
    run = make_run(tmp_path, *([change] if change else []))
    compare(run)


def test_so_are_the_networks_that_are_tried(tmp_path: Path) -> None:
    run = make_run(tmp_path, CHOICE, BY)
    compare(run)
    assert expected_tasks(run).items() >= {"train": 5, "try": 10, "choose": 2}.items()


def compare(run: Run) -> None:
    planned = {status.name: status.tasks for status in explain(run) if status.name != "report"}
    assert expected_tasks(run) == planned
    assert list(expected_tasks(run)) == list(planned)


def corrected(folder: Path) -> str:
    """The setting that has two points corrected."""
    (folder / "corrections.csv").write_text("kind,z1,y1,x1,z2,y2,x2\njoin,0,0,64,40,40,100\n")
    return f"reconciliation.corrections={folder / 'corrections.csv'}"


def test_the_stages_of_corrections_are_counted_and_found_too(tmp_path: Path) -> None:
    run = make_run(tmp_path, corrected(tmp_path))
    planned = {status.name: status.tasks for status in explain(run) if status.name != "report"}
    assert list(expected_tasks(run).items()) == list(planned.items())
    finish(run)
    found = stages(run, records(run, Look()), [])
    assert {row["name"]: row["finished"] for row in found} == planned


@pytest.mark.parametrize("changes", [(), (PASSES,), (AGGLOMERATION,), (CHOICE, BY), (MESHES, SKELETONS)])
def test_of_a_finished_run_every_record_is_found(tmp_path: Path, changes: tuple[str, ...]) -> None:
    run = make_run(tmp_path, *changes)
    finish(run)
    look = Look()
    found = stages(run, records(run, look), [])
    assert {row["name"]: row["finished"] for row in found} == expected_tasks(run)
    assert look.untold == []


OTHER_GRIDS = [
    ("inference.overlap=[20,20,20]",),
    ("reconciliation.block=[16,32,32]",),
    (PASSES, AGGLOMERATION),
    ("evaluation.box=0:40,0:48,64:112",),
    ("reconciliation.chunk=[8,8,8]",),
    (MESHES, SKELETONS),
]


@pytest.mark.parametrize("changes", OTHER_GRIDS)
def test_what_other_tiles_blocks_and_passes_have_left_is_not_counted(
    tmp_path: Path, changes: tuple[str, ...]
) -> None:
    """As it was, with the changes, and as it was again: what is of the other state stays beside it."""
    for run in (make_run(tmp_path), make_run(tmp_path, *changes), make_run(tmp_path)):
        finish(run)
        of_now = Earlier(run, records(run, Look())).records_of_now
        assert {row["name"]: row["finished"] for row in stages(run, of_now, [])} == expected_tasks(run)
