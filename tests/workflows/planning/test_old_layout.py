"""Results of versions that kept them in a few large folders are told, moved once, and count."""

from __future__ import annotations

import os
from pathlib import Path

from test_explain import finish, make_run

from pipeline.checkup.finding import SKIP, WARN
from pipeline.checkup.layout import layout
from pipeline.old_layout import move_misplaced
from pipeline.run_folder import Run
from workflows.planning.explain import explain


def flatten(run: Run) -> int:
    """Put every file that earlier versions had where they had it; returns how many are elsewhere now."""
    homes = ("tiles", "evidence", "blocks", "counts")
    files = [path for path in run.folder.rglob("z*/y*/*") if path.is_file() and path.parents[2].name in homes]
    for file in files:
        home = file.parents[2]
        flat = home.parent if home.name in ("evidence", "counts") else home
        os.replace(file, flat / file.name)
    return len(files)


def test_results_of_the_old_layout_are_told_then_moved_and_all_count(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    finish(run)
    assert layout(run).state == SKIP
    files = flatten(run)
    assert files > 8
    assert {s.finished for s in explain(run) if s.name in ("segment", "compare", "count")} == {0}
    told = layout(run)
    assert told.state == WARN
    assert f"{files} files lie where earlier versions kept them" in told.text
    assert move_misplaced(run) == files
    assert layout(run).state == SKIP
    assert [stage for stage in explain(make_run(tmp_path)) if stage.finished < stage.tasks] == []
    assert move_misplaced(run) == 0
