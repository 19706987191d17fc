"""Which checkpoint a training goes on from when its ranks have changed, and when it starts anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.config import RunConfig
from pipeline.run_folder import Run
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.progress import Progress, Stretch
from pipeline.training.ranks.job import TrainingJob

TWO, FOUR, TWO_WITH_THREADS = (600, 2, 1), (400, 4, 1), (400, 2, 3)


def found(folder: Path, history: list[tuple[int, int, int]], **training: int) -> Progress | None:
    """What a job of 1000 FOVs goes on from after `history`, stretches of FOVs, ranks and threads."""
    settings = {"fovs": 1000, "ranks": 2, "threads_per_rank": 1, **training}
    job = TrainingJob(Run(folder, RunConfig.model_validate({"training": settings})), Path(), "lineage")
    stretches = tuple(Stretch(*stretch) for stretch in history)
    weights = {"conv_lom/bias": np.zeros(1, np.float32)}
    Checkpoint("lineage", Progress(3, 90, stretches), weights, [np.array(90)]).save(job.run.checkpoint_file)
    checkpoint = job.checkpoint()
    return None if checkpoint is None else checkpoint.progress


@pytest.mark.parametrize("history", [[TWO], [FOUR], [TWO_WITH_THREADS], [(300, 4, 1), (300, 2, 1)]])
@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_a_training_under_way_goes_on_with_any_ranks(
    tmp_path: Path, history: list[tuple[int, int, int]], ranks: int
) -> None:
    assert found(tmp_path, history, ranks=ranks) is not None


def test_a_complete_training_is_used_whatever_ranks_made_it(tmp_path: Path) -> None:
    for history in ([(1000, 2, 1)], [TWO, FOUR], [TWO, TWO_WITH_THREADS]):
        assert found(tmp_path, history, ranks=4) is not None


def test_a_training_that_went_further_than_is_asked_for_is_not_used(tmp_path: Path) -> None:
    """A last step of its own ranks may pass the end; a whole step more did not belong to it."""
    assert found(tmp_path, [(1003, 4, 1)]) is not None
    assert found(tmp_path, [(1100, 2, 1)]) is None
