"""Small trainings by real Horovod ranks: how tests make, watch and kill them."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.config import RunConfig
from pipeline.results.artifacts import Artifact, file_stamp
from pipeline.run_folder import Run
from pipeline.settings.input_identities import with_identities
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.ranks.horovod_ranks import rendezvous
from pipeline.training.ranks.rank_processes import RankLaunch, rank_command, run_locally
from pipeline.training.sampling import sample_coordinates

pytest.importorskip("horovod", reason="Horovod is not installed")

WEIGHTS_OF_EACH_RANK = """
import sys, pathlib, numpy as np
from pipeline.ffn.network import network_variables
from pipeline.training import trainer
from pipeline.training.ranks.job import TrainingJob
ranks = trainer.Ranks()
for folder in map(pathlib.Path, sys.argv[1:]):
    subject = trainer.Trainer(TrainingJob.load(folder), ranks)
    subject.run()
    np.savez(folder / f"rank_{ranks.rank}.npz", **network_variables(subject._model))
ranks.leave()
"""
"""Trains one run folder after the other."""


def make_run(folder: Path, volume: Path, **training: Any) -> tuple[Run, Artifact]:
    """A run that trains a tiny network in a second or two, and its coordinates."""
    document = {
        "data": {
            "image": f"{volume}:image",
            "labels": f"{volume}:labels",
            "image_mean": 128,
            "image_stddev": 33,
        },
        "network": {"fov": [9, 9, 9], "deltas": [2, 2, 2], "depth": 2, "features": 4},
        "inference": {"tile": [40, 40, 40], "overlap": [10, 10, 10]},
        "training": {
            "box": "0:40,0:40,0:40",
            "fovs": 1600,
            "batch_size": 2,
            "learning_rate": 0.005,
            "report_every_steps": 40,
            "checkpoint_every_steps": 100,
            "sampling": {"radius": [4, 4, 4], "min_segment_voxels": 100, "coordinates": 500},
            **training,
        },
    }
    run = with_identities(Run(folder, RunConfig.model_validate(document)))
    return run, sample_coordinates(run)


def weights_of_each_rank(ranks: int, folders: Sequence[Path]) -> None:
    """Train the jobs that are saved in these folders, one after the other in the same ranks."""
    run_ranks(ranks, WEIGHTS_OF_EACH_RANK, *folders)


def run_ranks(ranks: int, program: str, folder: Path, *more: object) -> None:
    """Run a program of Python as ranks that meet; it is given the folder, which has their logs, and more."""
    with rendezvous(ranks) as environments:
        command = [sys.executable, "-c", program, str(folder), *map(str, more)]
        run_locally(RankLaunch(command, environments), threads_per_rank=1, logs_folder=folder)


def checkpoint_of(run: Run) -> Checkpoint:
    found = Checkpoint.read(run.checkpoint_file)
    assert found is not None
    return found


def log_of(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run.training_log.read_text().splitlines()]


def without_speed(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    speed = {"fovs_per_s", "step_s", "step_s_std", "input_wait_share", "input_wait_most", "input_wait_rank"}
    return [{name: value for name, value in e.items() if name not in speed} for e in entries]


def ranks_of(run: Run) -> list[psutil.Process]:
    """Rank processes of this run folder that are alive."""
    command = rank_command(run.folder)[1:]
    found = []
    for process in psutil.process_iter():
        try:
            if process.cmdline()[1:] == command and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def kill_rank_after_next_checkpoint(run: Run, rank: int) -> None:
    def checkpoint() -> str | None:
        try:
            return file_stamp(run.checkpoint_file)
        except FileNotFoundError:
            return None

    before = checkpoint()
    wait_until(lambda: len(ranks_of(run)) == 2)
    # found beforehand: looking for it takes longer than some rounds
    (victim,) = (p for p in ranks_of(run) if p.environ()["HOROVOD_RANK"] == str(rank))
    wait_until(lambda: checkpoint() not in (before, None))
    os.kill(victim.pid, signal.SIGKILL)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while True:
        began = time.monotonic()
        if condition():
            return
        looked = time.monotonic()
        assert looked < deadline
        # to look at all processes costs what ranks compute with
        time.sleep(max(0.01, 5 * (looked - began)))
