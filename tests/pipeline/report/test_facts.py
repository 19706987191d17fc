"""What the report draws and tells stays within bounds, whatever is in the run folder."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import RunConfig
from pipeline.geometry import Box, triple
from pipeline.report.facts import facts
from pipeline.report.page import page
from pipeline.report.slices import Picture, middle_of
from pipeline.report.training import training
from pipeline.results.artifacts import Recipe, Target
from pipeline.results.attempts import begin
from pipeline.results.gates import APPROVED, AT_A_GATE, Judged, decide
from pipeline.results.records import make
from pipeline.results.unreadable import Look
from pipeline.run_folder import Run
from pipeline.training.launch import lineage

SIDES = st.tuples(*[st.integers(1, 10**6)] * 3)


def small(folder: Path, **sections: dict[str, Any]) -> Run:
    inference = {"box": "0:64,0:64,0:64", "tile": (64, 64, 64), "overlap": (8, 8, 8)}
    network = {"fov": (9, 9, 9), "deltas": (2, 2, 2)}
    data = {"image_mean": 1, "image_stddev": 1}
    document = {"data": data, "network": network, "inference": inference, **sections}
    return Run(folder, RunConfig.model_validate(document))


@given(SIDES, SIDES, st.integers(1, 5000))
def test_of_a_volume_of_any_size_its_middle_is_read(start: tuple, shape: tuple, most: int) -> None:
    box = Box.of_shape(triple(shape), triple(start))
    middle = middle_of(box, most)
    assert box.contains(middle)
    assert middle.shape == tuple(min(n, most) for n in shape)
    before = [a - b for a, b in zip(middle.start, box.start)]
    after = [b - a for a, b in zip(middle.stop, box.stop)]
    assert all(abs(a - b) <= 1 for a, b in zip(before, after))


def test_a_tile_that_failed_in_an_earlier_attempt_may_be_at_work_in_this_one(tmp_path: Path) -> None:
    run, states = small(tmp_path), list[dict[str, int]]()
    target = run.tile_file(run.tiles[0]).name
    for _ in range(2):
        with begin(tmp_path, "", lambda _: None):
            run.tile_marker(run.tiles[0]).parent.mkdir(parents=True, exist_ok=True)
            run.tile_marker(run.tiles[0]).write_text("1 1")
            if not states:
                failure = {"time": time.time(), "target": target, "tried_again": False, "error": "full"}
                run.failures_log.write_text(json.dumps(failure) + "\n")
            states.append(facts(run)["tiles"]["states"])
        time.sleep(1)  # attempts are dated to the second
    assert [(state["failed"], state["at work"]) for state in states] == [(1, 0), (0, 1)]


def test_an_attempt_that_is_at_work_is_not_said_to_have_died(tmp_path: Path) -> None:
    with begin(tmp_path, "", lambda _: None) as attempt:
        (during,) = facts(small(tmp_path))["attempts"]
        attempt.end(AT_A_GATE, "gate train is closed: waits for a person's word")
    assert during["says"] == "was at work when this was written"
    waits = facts(small(tmp_path))["state"]
    assert waits["says"].startswith(
        "Waits for a person: gate train is closed: waits for a person's word; to go:"
    )
    (tmp_path / "gates").mkdir()
    decide(tmp_path, Judged("train", "identity", {}), APPROVED, by="ann")
    goes_on = facts(small(tmp_path))["state"]
    assert goes_on["kind"] == "wait"
    assert "since a person has spoken: train approved by ann at " in goes_on["says"]


def test_pictures_are_said_to_be_of_the_box_that_they_are_of_also_before_there_are_scores(
    tmp_path: Path,
) -> None:
    for scored, what in ({}, "the box that is segmented"), ({"box": "0:32,0:64,0:64"}, "the scored box"):
        run = small(tmp_path, evaluation=scored)
        said = facts(run)
        section = {"shows": "image", "plane": "yx", "axis": "z", "at": 1, "box": "1:2,0:64,0:64"}
        picture = Picture(b"", "image/png", 1, 1, "", section)
        assert f"Planes through the middle of {what}." in page(said, [picture], None)


@pytest.mark.parametrize("counted", [{}, {"without_voxels": 36}])
def test_conflicts_of_which_the_volume_lacks_a_segment_are_told(tmp_path: Path, counted: dict) -> None:
    run = small(tmp_path)
    what = {"kind": "kept apart", "what": "two", "segments": [7], "voxels": 9, "point": [1, 2, 3]}
    found = {"conflicts": 76, "joined": 13, **counted, "worst": [what]}
    run.conflicts_file.write_text(json.dumps(found))
    text = re.sub(r"<[^>]*>|\s+", " ", page(facts(run), [], None))
    said = re.search(r" 76 +times one tile has.* The largest are:", text)
    assert said is not None
    assert (" 36 of them it has no voxel of one" in " ".join(said[0].split())) == bool(counted)


@pytest.mark.parametrize("loss", [None, float("nan")], ids=["now", "by an earlier version"])
def test_a_training_that_broke_down_is_drawn_as_far_as_it_was_sound(
    tmp_path: Path, loss: float | None
) -> None:
    run = Run(tmp_path, RunConfig())
    run.training_log.parent.mkdir(parents=True)
    figures = dict.fromkeys(("loss", "accuracy", "f1", "precision", "recall"), 0.5)
    sound = {"fovs_seen": 8, "fovs_per_s": 4.0, **figures}
    broken = {"fovs_seen": 16, "fovs_per_s": 4.0, **figures, "loss": loss}
    run.training_log.write_text(f"{json.dumps(sound)}\n{json.dumps(broken)}\n")
    found = training(run, Look(), is_trained=False)
    assert found is not None
    assert (found["fovs"], found["seconds"]) == (8, 2.0)
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("none", [None, 0.0], ids=["now", "by an earlier version"])
def test_where_no_example_ended_a_training_has_no_scores(tmp_path: Path, none: float | None) -> None:
    run = Run(tmp_path, RunConfig())
    run.training_log.parent.mkdir(parents=True)
    names = ("accuracy", "f1", "precision", "recall")
    pace = {"fovs_per_s": 4.0, "loss": 0.25}
    ended = {"fovs_seen": 8, **pace, **dict.fromkeys(names, 0.5)}
    begun = {"fovs_seen": 16, **pace, **dict.fromkeys(names, none)}
    run.training_log.write_text(f"{json.dumps(ended)}\n{json.dumps(begun)}\n")
    found = training(run, Look(), is_trained=False)
    assert found is not None
    assert found["fovs"] == 16
    assert found["last"] == {"loss": 0.25, **dict.fromkeys(names, 0.5)}
    assert all(line["points"] == [[8, 0.5]] for line in found["metrics"]["series"])
    run.training_log.write_text(f"{json.dumps(begun)}\n")
    found = training(run, Look(), is_trained=False)
    assert found is not None
    assert set(found["last"].values()) == {0.25, None}


def test_a_training_that_was_begun_since_and_given_up_is_not_told_as_that_of_the_network(
    tmp_path: Path,
) -> None:
    run, look = Run(tmp_path, RunConfig()), Look()
    recipes = [Recipe("train", 1, {"training": {"fovs": 8, "seed": seed}}, {}) for seed in (1, 2)]
    make(Target(run.model_file, recipes[0]), lambda path: path.touch())
    names = ("loss", "accuracy", "f1", "precision", "recall")

    def log(recipe: Recipe, *seen: int) -> None:
        figures = {"fovs_per_s": 4.0, **dict.fromkeys(names, 0.5), "lineage": lineage(recipe)}
        run.training_log.parent.mkdir(parents=True, exist_ok=True)
        run.training_log.write_text("".join(json.dumps({"fovs_seen": n, **figures}) + "\n" for n in seen))

    log(recipes[0], 4, 9)  # a step sees several
    assert training(run, look, is_trained=True)["fovs"] == 9  # type: ignore[index]
    assert not look.untold
    log(recipes[0], 4, 9, 12)  # it was to be trained further
    assert training(run, look, is_trained=True)["fovs"] == 9  # type: ignore[index]
    assert training(run, Look(), is_trained=False)["fovs"] == 12  # type: ignore[index]
    log(recipes[1], 4)
    assert training(run, look, is_trained=True) is None
    assert [line.startswith(f"{run.training_log} and TensorBoard have") for line in look.untold] == [True] * 2
