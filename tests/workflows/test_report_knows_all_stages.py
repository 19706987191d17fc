"""The report's table of stages is the workflow's: a stage that is new to one is missed by the other."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_explain import finish, make_run

from pipeline.report.history import expected_tasks, records, stages
from pipeline.results.unreadable import Look
from workflows.planning.explain import explain

AGGLOMERATION = "agglomeration.enabled=true"
MESHES, SKELETONS = "reconciliation.meshes=true", "reconciliation.skeletons=true"
PASSES = "inference.passes=[{}, {seed_order: reverse}, {checkpoint: other.h5}]"


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
    planned = {status.name: status.tasks for status in explain(run) if status.name != "report"}
    assert expected_tasks(run) == planned
    assert list(expected_tasks(run)) == list(planned)


@pytest.mark.parametrize("changes", [(), (PASSES,), (AGGLOMERATION,), (MESHES, SKELETONS)])
def test_of_a_finished_run_every_record_is_found(tmp_path: Path, changes: tuple[str, ...]) -> None:
    run = make_run(tmp_path, *changes)
    finish(run)
    look = Look()
    found = stages(run, records(run, look), [])
    assert {row["name"]: row["finished"] for row in found} == expected_tasks(run)
    assert look.untold == []
