"""How an attempt is, in words, whatever the clocks say."""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest
from rich.console import Console
from test_explain import finish, make_run

from pipeline.report.facts import facts
from pipeline.results.attempts import Owner
from pipeline.results.records import record_path
from pipeline.settings.run_file import dump_config
from workflows.watching.run_state import LastAttempt, read_failures
from workflows.watching.status_view import status_view, what_failed


def attempt(began: float, heard_of: float, alive: bool = True) -> LastAttempt:
    """One of another host; times are seconds from now."""
    started = datetime.fromtimestamp(time.time() + began, timezone.utc).isoformat()
    owner = Owner("elsewhere", "ann", 7, 0.0, started, "ffn run", attempt=1)
    return LastAttempt(owner, alive, None, "", time.time() + heard_of)


def test_of_a_clock_that_is_ahead_no_time_is_less_than_none() -> None:
    assert attempt(began=5, heard_of=5).state == "at work for 0:00"
    assert attempt(0, heard_of=5, alive=False).state == "died without a word; last heard of 0:00 ago"


@pytest.mark.parametrize(("ahead_s", "is_doubted"), [(-5, False), (5, False), (3600, True)])
def test_a_sign_of_life_from_the_future_is_no_proof_of_life(ahead_s: float, is_doubted: bool) -> None:
    said = attempt(began=-60, heard_of=ahead_s).state
    assert said.startswith("at work for 1:0")
    assert ("it may have died since" in said) == is_doubted


def test_all_failures_of_an_attempt_count_however_many_there_are(tmp_path: Path) -> None:
    run, began, many = make_run(tmp_path), time.time() - 7200, 2000
    first = {"time": began + 1, "target": "first.h5", "kind": "permanent", "tried_again": False}
    again = {"time": began + 9, "target": "again.h5", "kind": "lost", "tried_again": True}
    run.failures_log.parent.mkdir(parents=True)
    lines = [json.dumps({**one, "error": "E" * 300}) for one in (first, *[again] * many)]
    run.failures_log.write_text("\n".join(lines) + "\n")
    failures = read_failures(run, began)
    assert (len(failures), failures[0]["target"]) == (many + 1, "first.h5")
    said = "\n".join(what_failed(run, failures, []))
    assert f"failures in this attempt: {many + 1:,}, of which 1 were not tried again" in said
    # as the rest of the picture: clocks of this machine and of the run's may be of other zones
    assert " ago  first.h5, permanent, given up: " in said
    assert facts(run)["failures_in_all"] == many + 1


def test_of_a_folder_that_a_study_trains_in_it_is_told_how_far_that_is(tmp_path: Path) -> None:
    """A point has no attempts of its own: they are those of the study, which has another folder."""
    run = make_run(tmp_path)
    finish(run)
    record_path(run.model_file).unlink()
    run.model_file.unlink()
    run.config_file.write_text(dump_config(run.config))
    run.training_log.parent.mkdir(parents=True)
    figures = dict.fromkeys(("fovs_per_s", "loss", "accuracy", "f1"), 0.5)
    run.training_log.write_text(json.dumps({"fovs_seen": 1234, **figures}) + "\n")
    console = Console(record=True, width=200)
    console.print(*status_view(tmp_path), sep="\n")
    said = console.export_text()
    assert "no run was started here; a training, as that of a study, was last heard of 0:0" in said
    assert f"1,234 of {run.config.training.fovs:,} FOVs" in said
