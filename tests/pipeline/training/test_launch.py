"""Real Horovod ranks train together, survive being killed, and leave nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.ffn.weights import read_weights
from pipeline.results.artifacts import Artifact, Recipe, file_sha256
from pipeline.results.records import inspect
from pipeline.run_folder import Run
from pipeline.training.checkpoint import Checkpoint, previous
from pipeline.training.launch import lineage, model_target, train
from pipeline.training.progress import Progress, Stretch
from pipeline.training.ranks.job import TrainingJob
from pipeline.training.ranks.rank_processes import RankError
from pipeline.training.start import where_training_starts
from tests.pipeline.training.real_trainings import (
    checkpoint_of,
    kill_rank_after_next_checkpoint,
    log_of,
    make_run,
    ranks_of,
    wait_until,
    weights_of_each_rank,
    without_speed,
)

pytestmark = pytest.mark.slow

TRAIN = (
    "import sys; from pathlib import Path; "
    "from pipeline.training.ranks.job import TrainingJob; "
    "from pipeline.training.launch import train; from pipeline.results.artifacts import Artifact; "
    "from pipeline.settings.input_identities import with_identities; "
    "job = TrainingJob.load(Path(sys.argv[1])); "
    "train(with_identities(job.run), Artifact(str(job.coordinates), sys.argv[2]))"
)
"""A launching process of its own: what a Parsl worker does with the training task."""


@pytest.fixture(scope="module")
def trained(volume: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Artifact]:
    """An undisturbed training, and its weights; another backend for inference is named around it."""
    run, coordinates = make_run(tmp_path_factory.mktemp("undisturbed"), volume)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_BACKEND", "a backend that is not here")
        return run, train(run, coordinates)


def test_the_loss_goes_down_and_every_interval_is_logged(trained: tuple[Run, Artifact]) -> None:
    run, _ = trained
    entries = log_of(run)
    # 400 steps: every 40, and at the end of every round of 100
    assert [entry["step"] for entry in entries] == sorted({*range(40, 401, 40), *range(100, 401, 100)})
    assert [entry["fovs_seen"] for entry in entries] == [4 * entry["step"] for entry in entries]
    assert entries[-1]["loss"] < 0.7 * entries[0]["loss"]
    assert entries[-1]["f1"] > entries[0]["f1"]
    assert list((run.logs_folder / "tensorboard").glob("events*"))
    assert all(0 <= entry["input_wait_share"] <= entry["input_wait_most"] < 1 for entry in entries)
    assert entries[0]["input_wait_share"] > 0, "the first examples of a round are waited for"
    assert {entry["input_wait_rank"] for entry in entries} <= {0, 1}
    assert not run.in_hand_folder.exists()


def test_both_ranks_end_with_the_same_weights_however_often_they_average(
    volume: Path, tmp_path: Path
) -> None:
    kinds: dict[str, dict[str, Any]] = {
        "every_step": {"local_steps": 1},
        "every_fourth": {"local_steps": 4},  # whose rounds of ten steps end between two averagings
        "every_fourth_by_tensorflow": {"local_steps": 4, "engine": "keras"},
        "every_step_by_tensorflow": {"local_steps": 1, "engine": "keras"},
    }
    folders = [tmp_path / name for name in kinds]
    for folder, how in zip(folders, kinds.values()):
        run, sampled = make_run(folder, volume, fovs=80, checkpoint_every_steps=10, **how)
        TrainingJob(run, Path(sampled.path), "lineage").save()
    weights_of_each_rank(2, folders)
    for folder, how in zip(folders, kinds.values()):
        computed_by = log_of(replace(run, folder=folder))[-1]["engine"]
        assert computed_by == how.get("engine", computed_by)
        first, second = (np.load(folder / f"rank_{rank}.npz") for rank in range(2))
        assert len(first.files) == 10
        assert all(np.array_equal(first[name], second[name]) for name in first.files)
        final = Checkpoint.load(replace(run, folder=folder).checkpoint_file, "lineage")
        assert final is not None
        assert all(np.array_equal(first[name], final.weights[name]) for name in first.files)


@pytest.mark.thorough  # test_resume_within_round stops it at harder places
def test_a_training_whose_first_rank_is_killed_resumes_to_the_same_bytes(
    trained: tuple[Run, Artifact], volume: Path, tmp_path: Path
) -> None:
    """The first writes the checkpoints; that another is killed is seen in test_resume_within_round."""
    undisturbed_run, undisturbed = trained
    run, coordinates = make_run(tmp_path, volume)
    killer = threading.Thread(target=kill_rank_after_next_checkpoint, args=(run, 0))
    killer.start()
    with pytest.raises(RankError, match=r"rank 0 was killed by signal 9"):
        train(run, coordinates)
    killer.join()
    assert ranks_of(run) == []
    assert 0 < checkpoint_of(run).progress.steps < 400
    assert not run.model_file.exists()

    assert train(run, coordinates).sha256 == undisturbed.sha256
    assert without_speed(log_of(run)) == without_speed(log_of(undisturbed_run))


def test_a_damaged_checkpoint_and_a_foreign_log_change_nothing(
    trained: tuple[Run, Artifact], volume: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    undisturbed_run, undisturbed = trained
    run, coordinates = copy_without_model(undisturbed_run, tmp_path, volume)
    content = bytearray(run.checkpoint_file.read_bytes())
    content[len(content) // 2] ^= 1
    run.checkpoint_file.write_bytes(content)
    run.training_log.write_text('{"step": 1, "fovs_seen": 999}\nnothing of ours\n{"step": 2, "fo')

    assert train(run, coordinates).sha256 == undisturbed.sha256
    assert without_speed(log_of(run)) == without_speed(log_of(undisturbed_run))
    assert f"{run.checkpoint_file} is not used" in caplog.text
    assert f"{run.checkpoint_file} is not used" in (run.logs_folder / "training" / "rank_0.log").read_text()


def test_a_lost_model_is_written_again_without_training(
    trained: tuple[Run, Artifact], volume: Path, tmp_path: Path
) -> None:
    undisturbed_run, undisturbed = trained
    run, coordinates = copy_without_model(undisturbed_run, tmp_path, volume)
    shutil.rmtree(run.logs_folder)
    assert train(run, coordinates).sha256 == undisturbed.sha256
    assert not run.logs_folder.exists()


def test_a_network_that_is_refused_in_the_end_is_not_published_and_its_checkpoint_stays(
    trained: tuple[Run, Artifact], volume: Path, tmp_path: Path
) -> None:
    undisturbed_run, undisturbed = trained
    run, coordinates = copy_without_model(undisturbed_run, tmp_path, volume)

    def refuse(asked: Run, network: Path, sampled: Path, until: int | None) -> None:
        assert (asked, sampled, until) == (run, Path(coordinates.path), None)
        assert file_sha256(network) == undisturbed.sha256
        raise InputError("not this one")

    with pytest.raises(InputError, match="not this one"):
        train(run, coordinates, rehearse=refuse)
    assert not run.model_file.exists()
    assert train(run, coordinates).sha256 == undisturbed.sha256


def test_a_training_goes_on_with_another_number_of_ranks(
    trained: tuple[Run, Artifact], volume: Path, tmp_path: Path
) -> None:
    """After 300 of 400 steps of 4 FOVs, 67 of 6 are left."""
    undisturbed_run, _ = trained
    run, coordinates = copy_without_model(undisturbed_run, tmp_path, volume, ranks=3)
    os.replace(previous(run.checkpoint_file), run.checkpoint_file)
    train(run, coordinates)

    progress = checkpoint_of(run).progress
    assert progress == Progress(4, 367, (Stretch(1200, 2, 1), Stretch(402, 3, 1)))
    entries = log_of(run)
    assert entries[:-3] == [entry for entry in log_of(undisturbed_run) if entry["step"] <= 300]
    assert [(e["step"], e["fovs_seen"]) for e in entries[-4:]] == [
        (300, 1200),
        (320, 1320),
        (360, 1560),
        (367, 1602),
    ]
    assert entries[-1]["learning_rate"] == pytest.approx(0.005 * 3**0.5)
    assert entries[-1]["loss"] < 0.7 * entries[0]["loss"]


def test_a_training_starts_anew_where_fewer_fovs_are_asked_for_than_it_saw(
    trained: tuple[Run, Artifact], volume: Path, tmp_path: Path
) -> None:
    run, coordinates = copy_without_model(trained[0], tmp_path, volume, fovs=40, ranks=1)
    assert str(where_training_starts(run)) == (
        "training starts from random weights; a checkpoint of 1,600 FOVs has seen more than the 40 after "
        "which a network is wanted"
    )
    train(run, coordinates)
    assert checkpoint_of(run).progress == Progress(1, 20, (Stretch(40, 1, 1),))


def test_pictures_of_another_training_are_gone_where_one_begins(volume: Path, tmp_path: Path) -> None:
    """Of one that goes on they stay: no checkpoint has them."""
    files = []
    for settings in ({"fovs": 80}, {"fovs": 160}, {"fovs": 80, "learning_rate": 0.004}):
        train(*make_run(tmp_path, volume, ranks=1, pictures=True, **settings))
        files.append(set((tmp_path / "logs" / "pictures").glob("events*")))
    assert files[0] < files[1]
    assert len(files[2]) == 1
    assert not files[1] & files[2]


def test_a_complete_training_goes_on_to_more_fovs_in_its_precision_whatever_this_machine_would_choose(
    trained: tuple[Run, Artifact], volume: Path, tmp_path: Path
) -> None:
    run, coordinates = copy_without_model(trained[0], tmp_path, volume, fovs=1640, ranks=1)
    (other,) = {"float32", "mixed_bfloat16"} - {checkpoint_of(run).precision}
    replace(checkpoint_of(run), precision=other).save(run.checkpoint_file)
    assert str(where_training_starts(run)) == "training goes on after 1,600 FOVs"
    train(run, coordinates)
    assert checkpoint_of(run).progress == Progress(5, 420, (Stretch(1600, 2, 1), Stretch(40, 1, 1)))
    assert log_of(run)[:-1] == log_of(trained[0])
    assert checkpoint_of(run).precision == other
    recipe = model_target(run, coordinates).recipe
    assert recipe.settings["training"]["precision"] == other
    assert isinstance(inspect(model_target(run, coordinates)), Artifact)


def test_the_precision_written_out_changes_nothing_and_another_is_another_training(
    trained: tuple[Run, Artifact], volume: Path, tmp_path: Path
) -> None:
    run, _ = trained
    mine = checkpoint_of(run).precision
    (other,) = {"float32", "mixed_bfloat16"} - {mine}
    assert where_training_starts(make_run(run.folder, volume, precision=mine)[0]) is None
    assert str(where_training_starts(make_run(run.folder, volume, precision=other)[0])) == (
        "training starts from random weights; a checkpoint of 1,600 FOVs is of other settings"
    )
    under_way, _ = copy_without_model(run, tmp_path, volume, fovs=1640, precision=mine)
    assert str(where_training_starts(under_way)) == "training goes on after 1,600 FOVs"


def test_a_training_starts_from_another_runs_network(
    trained: tuple[Run, Artifact], volume: Path, tmp_path: Path
) -> None:
    source = trained[0].model_file
    run, coordinates = make_run(
        tmp_path, volume, fovs=2, ranks=1, learning_rate=1e-12, start_from=str(source)
    )
    assert str(where_training_starts(run)) == f"training starts from {source}"
    ours = read_weights(train(run, coordinates).path, run.config.network)
    theirs = read_weights(source, run.config.network)
    for name, weights in theirs.items():
        np.testing.assert_allclose(ours[name], weights, atol=1e-6)


def test_ranks_die_with_their_launcher(volume: Path, tmp_path: Path) -> None:
    run, coordinates = make_run(tmp_path, volume, fovs=400_000)
    TrainingJob(run, Path(coordinates.path), "").save()
    launcher = subprocess.Popen(
        [sys.executable, "-c", TRAIN, str(tmp_path), coordinates.sha256], cwd=Path(__file__).parents[3]
    )
    # before they have met they would end without it in any case
    wait_until(run.checkpoint_file.exists)
    assert len(ranks_of(run)) == 2
    launcher.send_signal(signal.SIGKILL)
    launcher.wait()
    wait_until(lambda: ranks_of(run) == [])


def test_ranks_train_on_tensorflow_whatever_backend_is_named_for_inference(
    trained: tuple[Run, Artifact],
) -> None:
    assert trained[0].model_file.exists()


def test_what_is_free_to_change_leaves_the_network_as_it_is(volume: Path, tmp_path: Path) -> None:
    def recipe_with(**training: Any) -> Recipe:
        return model_target(*make_run(tmp_path, volume, **training)).recipe

    ours = recipe_with()
    free = {"ranks": 5, "threads_per_rank": 3, "report_every_steps": 7, "checkpoint_every_steps": 99}
    assert recipe_with(**free) == ours
    assert recipe_with(fovs=1601) != ours
    assert lineage(recipe_with(fovs=1601)) == lineage(ours)
    for name, value in {"batch_size": 3, "learning_rate": 0.004, "start_from": "other.h5"}.items():
        assert lineage(recipe_with(**{name: value})) != lineage(ours)
    shifted, unused = {"shifted": 0.1}, {"max_shift": 7, "max_blur": 1.0}
    assert recipe_with(augmentation=unused) == ours, "how far none are shifted"
    assert recipe_with(augmentation=shifted | unused) != recipe_with(augmentation=shifted)


def test_input_that_a_rank_refuses_is_the_users_error(volume: Path, tmp_path: Path) -> None:
    with h5py.File(volume) as file:
        image = file["image"][()].astype(np.float32)
        labels = file["labels"][()]
    image[20, 20, 20] = np.nan
    spoiled = tmp_path / "spoiled.h5"
    with h5py.File(spoiled, "w") as file:
        file["image"], file["labels"] = image, labels
    run, coordinates = make_run(tmp_path, spoiled, ranks=1)
    with pytest.raises(InputError, match=r"spoiled.h5:image has 1 voxel of NaN"):
        train(run, coordinates)
    assert not run.model_file.exists()


def copy_without_model(source: Run, folder: Path, volume: Path, **training: Any) -> tuple[Run, Artifact]:
    """What a training leaves, but for the model and its record, as another run's."""
    shutil.copytree(source.folder, folder, dirs_exist_ok=True)
    run, coordinates = make_run(folder, volume, **training)
    for path in folder.glob("model/ffn.h5*"):
        path.unlink()
    return run, coordinates
