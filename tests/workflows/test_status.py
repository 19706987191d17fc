"""The picture of a run that is at work, dies, fails: as another terminal gets it."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from test_end_to_end import processes_in, start, wait_for
from test_explain import finish as publish_everything

from pipeline.config import RunConfig
from pipeline.errors import InputError
from pipeline.reconciliation import levels
from pipeline.results.attempts import processes_of
from pipeline.run_folder import Run
from pipeline.settings.resolve import resolve
from pipeline.settings.run_file import dump_config, read_config
from workflows.running.jobs import leftover_jobs, read_jobs
from workflows.status import status
from workflows.watching.status_view import read_run, status_view

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]
OPTIONS = ("--set", "training.fovs=800", "--set", "training.ranks=1", "--set", "site.workers=1")
TILE = "z000000_y000015_x000064.h5"

HDF5_RUN = """
data: {image: "em.h5:raw", labels: "em.h5:labels"}
network: {fov: [17, 17, 17], deltas: [4, 4, 4], depth: 2, features: 8}
inference: {tile: [40, 40, 40], overlap: [20, 20, 20]}
training: {box: "0:40,0:64,0:64"}
"""


def picture(run: Path) -> str:
    with redirect_stdout(io.StringIO()) as shown:
        status(run)
    return shown.getvalue()


def row(shown: str, first: str) -> str:
    """The line that begins with this word, its words separated by single blanks."""
    return next(" ".join(line.split()) for line in shown.splitlines() if line.split()[:1] == [first])


def snapshot(folder: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("status")


@pytest.fixture(scope="module")
def pictures(home: Path) -> dict[str, str]:
    """A run: seen in mid-training, with its driver killed, after an attempt in which a tile failed."""
    folder, shown = home / "run", {}
    driver = start(home, "run", *OPTIONS)
    log = folder / "logs" / "training.jsonl"
    wait_for(lambda: log.exists() and log.stat().st_size > 0)
    for process in processes_of(folder):
        if process.kind == "rank":
            os.kill(process.pid, signal.SIGSTOP)  # time stands still while we look
    shown["live"] = picture(folder)
    driver.kill()
    driver.communicate()
    wait_for(lambda: not processes_in(folder), timeout_s=30)
    before = snapshot(folder)
    shown["dead"] = picture(folder)
    assert snapshot(folder) == before, "status only reads"

    (folder / "tiles" / "z000000" / "y000015" / TILE / "in the way").mkdir(parents=True)
    driver = start(home, "run", *OPTIONS)
    shown["end of the driver"], _ = driver.communicate(timeout=400)
    assert driver.returncode == 1
    shown["failed"] = picture(folder)
    return shown


def test_a_run_at_work_is_shown_with_its_owner_its_processes_and_its_training(
    home: Path, pictures: dict[str, str]
) -> None:
    live = pictures["live"]
    assert row(live, "state").startswith("state attempt 1, at work for ")
    assert str(home / "run") in row(live, "run")
    assert "--set training.fovs=800" in row(live, "command")
    for kind in ("driver", "interchange", "manager", "worker", "rank"):
        assert f"{kind} " in row(live, "processes")
    assert row(live, "phantom") == "phantom 1/1"
    assert row(live, "train").startswith("train 0/1 1 ")
    assert " of 800 FOVs, " in live
    assert row(live, "segment") == "segment 0/8 8 an earlier stage has to run first"
    assert "tiles: 8 waiting" in live


def test_a_run_whose_driver_was_killed_is_told_from_one_that_ended(pictures: dict[str, str]) -> None:
    dead = pictures["dead"]
    assert row(dead, "state").startswith("state attempt 1, died without a word; last heard of ")
    assert row(dead, "processes") == "processes none on this host"
    assert row(dead, "train").startswith("train 0/1 1 stopped after ")
    # the training's log or a rank's own, whichever was written last
    assert re.search(r"the end of logs/training(\.jsonl|/rank_\d\.log):", dead)


def test_a_tile_that_failed_is_named_with_its_reason_and_the_others_are_finished(
    pictures: dict[str, str],
) -> None:
    failed = pictures["failed"]
    assert row(failed, "state").startswith("state attempt 2, ended with exit code 1 ")
    assert row(failed, "train") == "train 1/1"
    assert row(failed, "segment").startswith("segment 7/8 1 ")
    assert "tiles: 7 finished, 1 failed" in failed
    assert "failures in this attempt: 1, of which 1 were not tried again" in failed
    assert f"{TILE}, permanent, given up: InputError: cannot write " in failed


def test_a_failed_run_ends_with_each_cause_and_what_is_missing(pictures: dict[str, str]) -> None:
    lines = pictures["end of the driver"].splitlines()
    assert sum(line.startswith("error: ") for line in lines) == 1
    assert f"  segment, 1 of 8: {TILE}" in lines
    assert "  score, 1 of 1: metrics.json" in lines
    assert lines[-1] == "Run the same command again to try just what is missing."


def test_blocks_are_recorded_until_they_are_over(home: Path, pictures: dict[str, str]) -> None:
    folder = home / "run"
    run = Run(folder, read_config(folder / "config.yaml"))
    jobs = read_jobs(run)
    assert {label: [job.provider for job in of] for label, of in jobs.items()} == {
        "train": ["local"],
        "tiles": ["local"],
    }
    assert all(job.is_over for of in jobs.values() for job in of)
    assert leftover_jobs(run) == {}


def test_an_input_that_cannot_be_read_from_here_is_told_and_the_rest_is_shown(tmp_path: Path) -> None:
    volume = tmp_path / "em.h5"
    with h5py.File(volume, "w") as file:
        file["raw"] = np.random.default_rng(1).integers(0, 256, (64, 64, 64), dtype=np.uint8)
        file["raw"].attrs["resolution"] = (40, 8, 8)
        file["labels"] = np.ones((64, 64, 64), np.uint32)
    document = yaml.safe_load(HDF5_RUN)
    document["data"]["folder"] = str(tmp_path)
    document["reconciliation"] = {"chunk": [16, 16, 16]}
    run = resolve(RunConfig.model_validate(document), tmp_path / "run")
    publish_everything(run)
    run.config_file.write_text(dump_config(run.config))
    written = levels(run)
    volume.rename(tmp_path / "elsewhere.h5")
    shown = picture(run.folder)
    assert f"An input cannot be read from here: {volume}: no such file" in shown
    assert "state       nobody has worked here yet" in shown
    assert row(shown, "segment") == "segment 27/27"
    assert levels(read_run(run.folder)[0]) == written, "by the size of the voxels, which the image says"


def test_a_folder_that_is_none_of_a_run_ends_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, str(REPOSITORY / "workflows" / "status.py"), str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    expected = (
        f"error: {tmp_path} is no run folder: it holds no config.yaml; name that of a run, its --run-dir\n"
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", expected)
    with pytest.raises(InputError, match="absent: no such folder"):
        list(status_view(tmp_path / "absent"))
    (tmp_path / "config.yaml").write_text("data: {image: nowhere.h5:raw}\n")  # a run file of this name
    with pytest.raises(
        InputError, match=r"is no run folder: the config\.yaml .* by no start of a run; .*nowhere\.h5"
    ):
        list(status_view(tmp_path))
