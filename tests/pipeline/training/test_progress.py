"""FOVs seen go on counting whatever ranks see them."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import RunConfig
from pipeline.run_folder import Run
from pipeline.training.dealing import Deal
from pipeline.training.progress import Progress, Stretch
from pipeline.training.ranks.job import TrainingJob

STRETCHES = st.builds(Stretch, st.integers(1), st.integers(1), st.integers(1))
RANKS = st.lists(st.integers(1, 7), min_size=1, max_size=12)


def job_on(ranks: int, **training: int) -> TrainingJob:
    config = RunConfig.model_validate({"training": {"ranks": ranks, "batch_size": 3, **training}})
    return TrainingJob(Run(Path(), config), Path(), "lineage")


@given(st.integers(1, 3000), st.integers(1, 50), st.integers(1, 7))
def test_without_a_change_the_steps_are_those_that_the_fovs_need(fovs: int, every: int, ranks: int) -> None:
    job, progress = job_on(ranks, fovs=fovs, checkpoint_every_steps=every), Progress()
    starts = []
    while not job.is_complete(progress):
        starts.append(progress.steps)
        progress = job.after_round(progress)
    steps = -(-fovs // (3 * ranks))
    assert starts == list(range(0, steps, every))
    assert progress == Progress(len(starts), steps, (Stretch(steps * 3 * ranks, ranks, 1),))


@given(st.integers(1, 3000), st.integers(1, 50), RANKS)
def test_ranks_may_change_before_every_round(fovs: int, every: int, ranks: list[int]) -> None:
    progress = Progress()
    seen = rounds = steps = 0
    while not job_on(1, fovs=fovs).is_complete(progress):
        job = job_on(ranks[rounds % len(ranks)], fovs=fovs, checkpoint_every_steps=every)
        steps += job.steps_of_round(progress)
        seen += job.steps_of_round(progress) * job.fovs_per_step
        rounds += 1
        progress = job.after_round(progress)
        assert (progress.rounds, progress.steps, progress.fovs_seen) == (rounds, steps, seen)
    assert fovs <= seen < fovs + job.fovs_per_step
    assert all(a.ranks != b.ranks for a, b in zip(progress.history, progress.history[1:]))


@given(st.integers(1, 3000), st.integers(1, 50), st.integers(1, 7), st.data())
def test_a_round_that_is_kept_in_between_ends_where_it_would_have(
    fovs: int, every: int, ranks: int, data: st.DataObject
) -> None:
    job, progress = job_on(ranks, fovs=fovs, checkpoint_every_steps=every), Progress()
    while not job.is_complete(progress):
        whole, kept = job.after_round(progress), progress
        for _ in range(data.draw(st.integers(0, 2))):
            kept = job.after_steps(kept, data.draw(st.integers(0, job.steps_of_round(kept))))
            assert kept.into_round == kept.steps - progress.steps
        progress = job.after_round(kept)
        assert progress == whole


@given(st.integers(0), st.integers(0), st.lists(STRETCHES), st.integers(0))
def test_progress_is_the_same_when_it_was_sent(
    rounds: int, steps: int, history: list[Stretch], into: int
) -> None:
    progress = Progress(rounds, steps, tuple(history), into, Deal((3, 5), 8), (1, 0))
    assert Progress.from_json(progress.to_json()) == progress
