"""Which tasks are behind a gate, and what becomes of them, on a run whose files are all there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import InputError
from pipeline.results.gates import (
    APPROVED,
    PASSED,
    REJECTED,
    Judged,
    decide,
    describe,
    gate_of,
    read_judged,
)
from pipeline.run_folder import Run
from tests.workflows.planning.test_explain import finish, make_run
from workflows.planning.explain import outcomes
from workflows.running.gates import Gates, check_gates, failed_stages, gate_lines, held_by, places
from workflows.running.submission import Submission
from workflows.stage import Stage
from workflows.stages import build

AFTER_MERGE = "conflicts volume write measure properties downsample count score worst report"


def finished_run(folder: Path, change: str) -> Run:
    """A run of which every file is there, as it is read after that: its engine is pinned."""
    finish(make_run(folder, change))
    return make_run(folder, change)


def refuse(*args: Any, **kwargs: Any) -> Any:
    raise AssertionError("everything is finished, and nothing is for Parsl")


def attempt(run: Run, passes: bool = False) -> tuple[Gates, list[Stage[Any]]]:
    """A start of a run of which every task is finished."""
    gates = Gates(run, passes)
    return gates, build(run, Submission(refuse, verify=False, gates=gates).submit)


def held(stages: list[Stage[Any]]) -> str:
    """The stages of which tasks were held back: all of them, or none."""
    names = []
    for stage in stages:
        errors = [task.exception() for task in stage.tasks]
        assert all(errors) or not any(errors)
        names += [stage.name] if all(errors) else []
    assert failed_stages(stages) == []
    return " ".join(names)


@pytest.mark.parametrize(
    ("gates", "behind"),
    [
        ("merge", AFTER_MERGE),
        ("score", "report"),
        ("count", "score worst report"),
        ("score, worst", "report"),
        ("sample", f"train segment compare join merge {AFTER_MERGE}"),
        ("segment", f"compare join merge {AFTER_MERGE}"),
    ],
)
def test_behind_a_gate_is_what_depends_on_its_stage_and_nothing_else(
    tmp_path: Path, gates: str, behind: str
) -> None:
    run = finished_run(tmp_path, f"gates=[{gates}]")
    opened, stages = attempt(run)
    assert held(stages) == behind
    assert [gate.is_open for gate in opened.closed] == [False] * len(gates.split(", "))


def test_a_stage_that_waits_is_behind_all_gates_on_its_way(tmp_path: Path) -> None:
    found = {place.stage: place.behind for place in places(make_run(tmp_path, "gates=[train, merge]"))}
    assert found["train"] == found["phantom"] == frozenset()
    assert found["segment"] == found["merge"] == {"train"}
    assert found["volume"] == found["report"] == {"train", "merge"}


def test_gates_open_one_by_one_and_a_rejection_keeps_one_closed(tmp_path: Path) -> None:
    run = finished_run(tmp_path, "gates=[merge, score]")
    first, stages = attempt(run)
    assert held(stages) == AFTER_MERGE
    assert [gate.stage for gate in first.closed] == ["merge"], "score was not reached"
    assert held_by(stages) == "gate merge is closed: waits for a person's word"
    decide(run.folder, read_judged(run.folder, "merge"), APPROVED, "ann")
    _, stages = attempt(run)
    assert held(stages) == "report"
    decide(run.folder, read_judged(run.folder, "score"), REJECTED, "bo", "too many splits")
    third, stages = attempt(run)
    assert held(stages) == "report"
    assert [gate.says.partition(" at ")[0] for gate in third.closed] == ["rejected by bo"]
    merge, score = gate_lines(run, outcomes(run))
    assert merge.startswith("gate        merge: open, approved by ann at ")
    assert score.startswith("gate        score: closed, rejected by bo at ")
    assert score.endswith(": too many splits")
    decide(run.folder, read_judged(run.folder, "score"), APPROVED)
    assert held(attempt(run)[1]) == ""


def test_another_result_closes_the_gate_again_and_the_same_one_does_not(tmp_path: Path) -> None:
    judged = Judged("merge", "first", {"a.h5": "1", "b.h5": "1"})
    decide(tmp_path, judged, APPROVED, "ann")
    assert gate_of(tmp_path, Judged("merge", "first", dict(judged.files))).is_open
    again = gate_of(tmp_path, Judged("merge", "second", {"a.h5": "1", "b.h5": "2"}))
    assert not again.is_open
    assert again.says.startswith("closed again, approved by ann at ")
    assert again.says.endswith("since then 1 of its files are others (b.h5)")


def test_yes_opens_all_and_is_a_word_itself(tmp_path: Path) -> None:
    run = finished_run(tmp_path, "gates=[merge, score]")
    gates, stages = attempt(run, passes=True)
    assert held(stages) == ""
    assert [gate.says for gate in gates.settled.values()] == [PASSED, PASSED]
    assert held(attempt(run)[1]) == ""
    assert all(PASSED in line for line in gate_lines(run, outcomes(run)))


def test_a_gate_that_is_not_reached_says_how_far_it_is(tmp_path: Path) -> None:
    run = finished_run(tmp_path, "gates=[segment]")
    run.tile_file(run.tiles[3]).unlink()
    assert gate_lines(run, outcomes(run)) == ["gate        segment: not reached, 7 of 8 tasks are done"]


def test_what_is_no_stage_of_this_run_is_refused_with_those_that_are(tmp_path: Path) -> None:
    for name in ("mrege", "agglomerate", "report"):
        with pytest.raises(
            InputError, match=f"gates has '{name}', .* expected some of phantom, sample, train"
        ):
            check_gates(make_run(tmp_path, f"gates=[{name}]"))
    with pytest.raises(InputError, match="gates has 'conflicts', on which nothing depends: leave it out"):
        check_gates(make_run(tmp_path, "gates=[merge, conflicts]"))
    check_gates(make_run(tmp_path, "gates=[merge, score]"))


def test_a_word_is_told_with_who_and_when_and_why() -> None:
    word = {"decision": APPROVED, "by": "ann", "time": "2026-11-26T15:00:00+00:00", "why": "looks right"}
    assert describe(word) == "approved by ann at 2026-11-26T15:00:00+00:00: looks right"
