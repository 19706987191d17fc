"""A training that is killed in the middle of a round goes on from there, to the same bytes."""

from __future__ import annotations

import shutil
import threading
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.results.artifacts import Artifact
from pipeline.run_folder import Run
from pipeline.training.example import Example
from pipeline.training.examples import ExampleStream, Whereabouts
from pipeline.training.in_hand import InHand
from pipeline.training.launch import train
from pipeline.training.moves import Way
from pipeline.training.ranks.rank_processes import RankError
from tests.pipeline.training.real_trainings import (
    checkpoint_of,
    kill_rank_after_next_checkpoint,
    log_of,
    make_run,
    without_speed,
)
from tests.pipeline.training.test_examples import COORDINATES, maker

ONE_ROUND = {
    "fovs": 800,
    "checkpoint_every_steps": 200,
    "report_every_steps": 10,
    "precision": "float32",
    "epochs": True,
}


def test_what_is_in_hand_is_read_as_it_was_saved_but_for_another_place(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    poms = [rng.normal(size=(3, 4, 5)).astype(np.float32) for _ in range(2)]
    ways = [Way(deque([(0, 0, 0), (1, -2, 3)]), {(0, 1, 0)}), Way(deque())]
    saved = InHand({1: Whereabouts(7, 3, poms[0], ways[0]), 0: Whereabouts(8, 2, poms[1], ways[1])})
    path = tmp_path / "in_hand.h5"
    saved.save(path, "here")
    found = InHand.read(path, "here")
    assert found is not None
    assert list(found.streams) == [1, 0]
    for slot, at in saved.streams.items():
        np.testing.assert_array_equal(found.streams[slot].pom, at.pom)
        assert found.streams[slot]._replace(pom=at.pom) == at
    assert InHand.read(path, "there") is None
    assert InHand.read(tmp_path / "absent.h5", "here") is None
    path.write_bytes(path.read_bytes()[:-1])
    assert InHand.read(path, "here") is None


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 40))
def test_a_stream_that_goes_on_shows_what_the_first_would_have_shown(seed: int, after: int) -> None:
    def answer(pom: np.ndarray, index: int) -> np.ndarray:
        return pom + np.random.default_rng((seed, index)).normal(0.5, 3, pom.shape).astype(np.float32)

    def shown(subject: ExampleStream, indices: range) -> list[bytes]:
        fovs, seen = subject.fovs(), []
        fov = next(fovs)
        for index in indices:
            seen.append(fov.image.tobytes() + fov.pom.tobytes() + fov.labels.tobytes())
            fov = fovs.send(answer(fov.pom, index))
        return seen

    def stream(at: Whereabouts | None = None) -> ExampleStream:
        return ExampleStream(maker(COORDINATES), (seed, 0, 0, 0), ignore, at)

    def ignore(_: Example) -> None:
        pass

    whole = shown(stream(), range(60))
    first = stream()
    begun = shown(first, range(after))
    assert begun + shown(stream(first.whereabouts), range(after, 60)) == whole


def begun_and_killed(folder: Path, volume: Path, **training: Any) -> tuple[Run, Artifact]:
    """A training of two ranks that keep a checkpoint with every line of the log; one was killed."""
    run, coordinates = make_run(folder, volume, **ONE_ROUND, checkpoint_every_s=1e-3, **training)
    killer = threading.Thread(target=kill_rank_after_next_checkpoint, args=(run, 1))
    killer.start()
    with pytest.raises(RankError, match="rank 1 was killed by signal 9"):
        train(run, coordinates)
    killer.join()
    progress = checkpoint_of(run).progress
    assert 0 < progress.into_round == progress.steps < 200
    return run, coordinates


@pytest.fixture(scope="module")
def killed(volume: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Artifact]:
    """It is not to be changed."""
    return begun_and_killed(tmp_path_factory.mktemp("killed"), volume)


def ends_as_undisturbed(run: Run, coordinates: Artifact, folder: Path, volume: Path, **training: Any) -> None:
    undisturbed, sampled = make_run(folder, volume, **ONE_ROUND, **training)
    whole = train(undisturbed, sampled)
    assert train(run, coordinates).sha256 == whole.sha256
    assert without_speed(log_of(run)) == without_speed(log_of(undisturbed))
    assert not run.in_hand_folder.exists()


@pytest.mark.slow
def test_it_resumes_to_the_same_bytes(killed: tuple[Run, Artifact], volume: Path, tmp_path: Path) -> None:
    run, coordinates = copy_of(killed, tmp_path / "resumed", volume)
    ends_as_undisturbed(run, coordinates, tmp_path / "undisturbed", volume)


@pytest.mark.slow
def test_so_it_does_where_tensorflow_computes(volume: Path, tmp_path: Path) -> None:
    run, coordinates = begun_and_killed(tmp_path / "killed", volume, engine="keras")
    ends_as_undisturbed(run, coordinates, tmp_path / "undisturbed", volume, engine="keras")


@pytest.mark.slow
def test_what_one_rank_has_lost_is_told_and_the_weights_go_on(
    killed: tuple[Run, Artifact], volume: Path, tmp_path: Path
) -> None:
    run, coordinates = copy_of(killed, tmp_path, volume)
    for path in run.in_hand_folder.glob("*/rank_0001.h5"):
        path.unlink()
    train(run, coordinates)
    progress = checkpoint_of(run).progress
    assert (progress.fovs_seen, progress.rounds) == (800, 2)
    told = (run.logs_folder / "training" / "rank_0.log").read_text()
    assert "what rank 1 had in hand at step" in told


@pytest.mark.slow
def test_with_other_ranks_the_next_round_begins(
    killed: tuple[Run, Artifact], volume: Path, tmp_path: Path
) -> None:
    before = checkpoint_of(killed[0]).progress.fovs_seen
    run, coordinates = copy_of(killed, tmp_path, volume, ranks=1)
    train(run, coordinates)
    progress = checkpoint_of(run).progress
    assert (progress.fovs_seen, progress.into_round) == (800, 0)
    assert [(s.fovs, s.ranks) for s in progress.history] == [(before, 2), (800 - before, 1)]


def copy_of(
    killed: tuple[Run, Artifact], folder: Path, volume: Path, **training: int
) -> tuple[Run, Artifact]:
    shutil.copytree(killed[0].folder, folder, dirs_exist_ok=True)
    return make_run(folder, volume, **ONE_ROUND, checkpoint_every_s=1e-3, **training)
