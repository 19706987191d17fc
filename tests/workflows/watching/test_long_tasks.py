"""Rates and time left count what a run did itself, not what checkpoints brought."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import RunConfig
from pipeline.run_folder import Run
from workflows.watching.long_tasks import (
    Share,
    Work,
    describe_tiles,
    describe_training,
    missing_image,
    read_precision,
    read_tile_log,
)

REPORT = {
    "time": 1000.0,
    "seconds": 20.0,
    "seeds": 75,
    "seeds_total": 100,
    "resumed_at_seeds": 50,
    "calls": 900,
    "resumed_at_calls": 700,
}


def test_a_tile_that_went_on_from_a_checkpoint_has_its_own_rate(tmp_path: Path) -> None:
    log = tmp_path / "tile.jsonl"
    log.write_text(json.dumps({**REPORT, "seeds": 60}) + "\n" + json.dumps(REPORT) + '\n{"time": 10')
    report = read_tile_log(log, since=0)
    assert report is not None
    assert report.share == Share(done=0.75, restored=0.5)
    assert report.calls_per_s == 10
    assert report.began == 980


@pytest.mark.parametrize("text", ["", "\n", "torn", json.dumps(REPORT), '{"time": 2000}\n', "[1]\n"])
def test_a_log_without_a_whole_report_tells_nothing(tmp_path: Path, text: str) -> None:
    log = tmp_path / "tile.jsonl"
    assert read_tile_log(log, since=0) is None
    log.write_text(text)
    assert read_tile_log(log, since=0) is None


def test_a_report_of_an_older_attempt_does_not_count(tmp_path: Path) -> None:
    log = tmp_path / "tile.jsonl"
    log.write_text(json.dumps(REPORT) + "\n")
    assert read_tile_log(log, since=1001) is None


def test_half_a_tile_from_a_checkpoint_and_a_quarter_in_ten_seconds_leave_ten_seconds() -> None:
    said, left_s = describe_tiles(Work.of(Share(0.75, 0.5), 1000), 1, elapsed_s=10)
    assert said == "75% of the seeds, 25 voxels/s"
    assert left_s == pytest.approx(10)


def total(shares: list[Share]) -> Work:
    return sum((Work.of(share, 1000) for share in shares), Work())


@pytest.mark.parametrize("shares", [[Share()], [Share(0.5, 0.5), Share()]])
def test_before_any_seed_was_tried_there_is_no_rate(shares: list[Share]) -> None:
    assert describe_tiles(total(shares), len(shares), elapsed_s=10) == ("starting", None)


@given(
    st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), min_size=1, max_size=8),
    st.floats(1, 1e6),
)
def test_at_the_rate_of_this_run_the_rest_takes_the_time_left(
    pairs: list[tuple[int, int]], elapsed_s: float
) -> None:
    shares = [Share(max(pair) / 100, min(pair) / 100) for pair in pairs]
    worked = sum(share.done - share.restored for share in shares)
    _, left_s = describe_tiles(total(shares), len(shares), elapsed_s)
    if worked == 0:
        assert left_s is None
    else:
        assert left_s is not None
        rest = len(shares) - sum(share.done for share in shares)
        assert left_s * worked == pytest.approx(elapsed_s * rest, rel=1e-6, abs=1e-6)


def test_the_engine_and_precision_of_a_tile_are_those_in_the_last_line_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "tile.jsonl"
    assert read_precision(log) is None
    log.write_text(json.dumps(REPORT) + "\n")
    assert read_precision(log) is None, "a log of a version that did not say"
    for precision in ("bfloat16", "float32"):
        with open(log, "a") as file:
            print(json.dumps({**REPORT, "engine": "openvino", "precision": precision}), file=file)
    assert read_precision(log) == ("openvino", "float32")


def test_a_training_in_which_no_example_ended_of_late_is_not_said_to_be_all_wrong(tmp_path: Path) -> None:
    run = Run(tmp_path, RunConfig())
    run.logs_folder.mkdir()
    line = {"fovs_seen": 1600, "fovs_per_s": 100.0, "loss": 0.25, "accuracy": None, "f1": None}
    run.training_log.write_text(json.dumps(line) + "\n")
    said, left_s = describe_training(run, since=0)
    assert said == "1,600 of 100,000 FOVs, 100 FOV/s, loss 0.250, no example ended since the line before"
    assert left_s == 984
    run.training_log.write_text(json.dumps({**line, "accuracy": 0.9, "f1": 0.8}) + "\n")
    assert describe_training(run, since=0)[0].endswith("loss 0.250, accuracy 0.900, F1 0.800")
    run.training_log.write_text(json.dumps({**line, "loss": None}) + "\n")
    assert ", loss not finite, no example" in describe_training(run, since=0)[0]


def test_a_training_of_which_nothing_is_logged_for_long_is_not_said_to_go_on_as_before(
    tmp_path: Path,
) -> None:
    run = Run(tmp_path, RunConfig())
    run.logs_folder.mkdir()
    every = run.config.training.report_every_steps
    line = {"fovs_seen": 1600, "fovs_per_s": 100.0, "loss": 0.25, "accuracy": 0.9, "f1": 0.8}
    run.training_log.write_text(json.dumps({**line, "step_s": 100 / every}) + "\n")
    last = run.training_log.stat().st_mtime
    as_it_goes = describe_training(run, since=0, now=last + 299)
    assert as_it_goes == describe_training(run, since=0), "lines are 100 s apart"
    assert as_it_goes[1] == 984
    said, left_s = describe_training(run, since=0, now=last + 725)
    assert said.endswith("F1 0.800, nothing logged for 12:05")
    assert left_s is None
    run.training_log.write_text(json.dumps(line) + "\n")  # an earlier version did not say how long steps are
    last = run.training_log.stat().st_mtime
    assert "nothing" not in describe_training(run, since=0, now=last + 59)[0]


def test_what_training_left_out_for_missing_image_is_told(tmp_path: Path) -> None:
    document = {
        "data": {"labels": "v.h5:ids"},
        "training": {"box": "0:9,0:9,0:9"},
        "inference": {"box": "0:9,0:9,0:9"},
    }
    run = Run(tmp_path, RunConfig.model_validate(document))
    assert missing_image(run, {}) == []
    run.logs_folder.mkdir()
    run.training_log.write_text('{"step": 1, "coordinates_left_out": 1234}\n')
    tile = next(iter(run.grid))
    told = missing_image(run, {tile.name: {"missing_chunks": 2, "missing_voxels": 1234}})
    assert told[0] == "1,234 training coordinates were left out: the image around them is missing in part"
    assert told[1].startswith("1,234 voxels of the image were missing, in 1 of 1 tiles")
    told = missing_image(run, {tile.name: {"missing_chunks": 2}})  # as an earlier version logged it
    assert told[1].startswith("the image was missing in part, in 1 of 1 tiles")
