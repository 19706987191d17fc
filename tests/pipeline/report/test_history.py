"""What was done when: tasks belong to the attempt that finished them; what is older was reused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.config import RunConfig
from pipeline.report.earlier import Earlier
from pipeline.report.history import stages, timeline
from pipeline.run_folder import Run

SETTINGS = {
    "network": {"checkpoint": "ffn.h5"},
    "inference": {"box": "0:64,0:64,0:128", "tile": [64, 64, 64], "overlap": [48, 48, 48]},
}


def record(stage: str, started: float, seconds: float) -> dict[str, Any]:
    return {"stage": stage, "started": started, "seconds": seconds, "host": "node", "processor": "CPU"}


FOUND = [
    record("import checkpoint", 10, 1),
    record("infer", 12, 8),
    record("infer", 12, 8.5),
    record("infer", 115, 20),
    record("infer", 140, 5),
    record("merge", 150, 1),
]
TRIED = [{"attempt": 1, "began": 9.0}, {"attempt": 2, "began": 60.0}, {"attempt": 3, "began": 110.0}]


def run() -> Run:
    return Run(Path("run"), RunConfig.model_validate(SETTINGS))


def test_what_an_earlier_attempt_finished_counts_as_reused() -> None:
    rows = {row["name"]: row for row in stages(run(), FOUND, TRIED)}
    assert (rows["segment"]["tasks"], rows["segment"]["finished"], rows["segment"]["reused"]) == (5, 4, 2)
    assert (rows["import network"]["reused"], rows["merge"]["reused"]) == (1, 0)
    assert rows["segment"]["busy_s"] == 41.5
    assert rows["write"]["finished"] == 0


def test_the_timeline_has_attempts_that_finished_something_and_joins_what_overlaps() -> None:
    first, third = timeline(FOUND, TRIED)
    assert (first["attempt"], first["tasks"], third["attempt"], third["tasks"]) == (1, 3, 3, 3)
    assert {s["name"]: s["at_work"] for s in first["stages"]} == {
        "import network": [[1.0, 2.0]],
        "segment": [[3.0, 11.5]],
    }
    assert {s["name"]: s["at_work"] for s in third["stages"]} == {
        "segment": [[5.0, 25.0], [30.0, 35.0]],
        "merge": [[40.0, 41.0]],
    }
    assert third["seconds"] == 41.0


def test_a_task_that_went_on_from_before_its_attempt_begins_with_it() -> None:
    (shown,) = timeline([record("train", 50, 100)], TRIED)
    assert shown["attempt"] == 3
    assert shown["stages"][0]["at_work"] == [[0.0, 40.0]]


def test_networks_that_the_run_tries_no_more_do_not_count() -> None:
    training = {"choose_by": "segmentation", "validation_box": "0:40,0:40,0:40", "fovs": 2400}

    def trying(every: int) -> Run:
        sections = {**SETTINGS, "network": {}, "training": {**training, "validate_every_fovs": every}}
        return Run(Path("run"), RunConfig.model_validate(sections))

    often, seldom = trying(600), trying(1200)
    paths = {"train": [often.candidate_file(fovs) for fovs in often.config.training.tried_after]}
    paths["infer to try"] = [trial.tile_file(tile) for trial in often.trials for tile in trial.grid]
    paths["score try"] = [trial.try_file for trial in often.trials]
    found = [
        {**record(stage, 10, 1), "file": path.name, "path": str(path), "fingerprint": ""}
        for stage, listed in paths.items()
        for path in listed
    ]
    for run, made in ((often, (4, 8)), (seldom, (2, 4))):
        rows = {row["name"]: row for row in stages(run, Earlier(run, found).records_of_now, TRIED)}
        for name, many in zip(("train", "try"), made):
            assert (rows[name]["tasks"], rows[name]["finished"]) == (many, many)
