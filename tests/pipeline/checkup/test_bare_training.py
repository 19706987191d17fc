"""A run file that says nothing of training makes a run that can be made, with room for its examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.checkup.before_run import check, warnings_of
from pipeline.checkup.finding import OK
from pipeline.checkup.rounds import rounds
from pipeline.config import RunConfig
from pipeline.run_folder import Run
from pipeline.settings.resolve import resolve


def test_nothing_is_wrong_with_it_but_that_it_is_scored_on_what_it_saw(tmp_path: Path) -> None:
    document: dict[str, Any] = {"data": {"image": "phantom", "labels": "phantom"}, "training": {}}
    (told,) = warnings_of(check(resolve(RunConfig.model_validate(document), tmp_path)))
    assert told.startswith("scores: ")


@given(st.integers(1, 4096), st.integers(1, 64), st.integers(1, 10**9))
def test_its_rounds_give_room_to_examples_whatever_the_ranks_the_batch_and_the_length(
    ranks: int, batch_size: int, fovs: int
) -> None:
    training = {"ranks": ranks, "batch_size": batch_size, "fovs": fovs}
    config = RunConfig.model_validate({"training": training})
    assert rounds(Run(Path("run"), config)).state == OK
