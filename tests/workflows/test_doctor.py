"""What a user reads before the first job: one line a check, as another process prints it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

pytestmark = pytest.mark.slow

pytest.importorskip("horovod", reason="Horovod is not installed")

REPOSITORY = Path(__file__).parents[2]
PROGRAM = REPOSITORY / "workflows" / "doctor.py"

RUN_FILE = """
data: {folder: ., image: "em.h5:raw", labels: "em.h5:labels"}
network: {fov: [17, 17, 17], deltas: [4, 4, 4], depth: 2, features: 4}
inference: {tile: [40, 40, 40], overlap: [20, 20, 20]}
training: {ranks: 1, box: "0:64,0:64,0:44", augmentation: {turn_z: false}}
site: {workers: 1}
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not in /tmp, which no cluster shares."""
    folder = Path(tempfile.mkdtemp(prefix="ffn-doctor-", dir="/var/tmp"))
    with h5py.File(folder / "em.h5", "w") as file:
        across = np.indices((64, 64, 64)).sum(axis=0, dtype=np.uint32)
        noise = np.random.default_rng(1).integers(0, 200, across.shape, dtype=np.uint8)
        file["raw"] = np.where(across % 20 == 0, 255, noise)  # objects end where it is bright
        file["raw"].attrs["resolution"] = (30, 8, 8)
        file["labels"] = across // 20 + 1
    (folder / "run.yaml").write_text(RUN_FILE)
    yield folder
    shutil.rmtree(folder)


def doctor(folder: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROGRAM), "--config", "run.yaml", "--run-dir", "result", *options]
    path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH", "")]))
    return subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": path, **environment},
    )


def findings(ended: subprocess.CompletedProcess[str]) -> dict[str, tuple[str, str]]:
    """State and finding of each check by its name; there is no line that is not one's."""
    rows = [(line[:4].strip(), *line[6:].split("  ", 1)) for line in ended.stdout.splitlines()]
    return {what: (state, found.strip()) for state, what, found in rows}


def failed(ended: subprocess.CompletedProcess[str]) -> set[str]:
    return {what for what, (state, _) in findings(ended).items() if state == "FAIL"}


def test_a_machine_on_which_the_run_can_work_is_found_good_and_left_as_it_was(folder: Path) -> None:
    before = sorted(os.listdir(folder))
    ended = doctor(folder)
    assert (ended.returncode, ended.stderr) == (0, "")
    found = findings(ended)
    assert {state for state, _ in found.values()} == {"ok", "skip"}
    assert found["run file"] == ("ok", "run.yaml: 27 tiles over 0:64,0:64,0:64")
    assert "gloo" in found["horovod"][1]
    assert sorted(os.listdir(folder)) == before


def test_a_missing_volume_fails_and_the_machine_is_checked_all_the_same(folder: Path) -> None:
    ended = doctor(folder, "--set", "data.image=em.h5:grey")
    assert (ended.returncode, ended.stderr) == (1, "")
    assert failed(ended) == {"run file"}
    found = findings(ended)
    assert "no dataset 'grey'; its datasets: labels, raw" in found["run file"][1]
    assert found["disk"] == ("skip", "mend the run file first")
    assert found["environment"][0] == "ok"


def test_a_data_folder_that_is_missing_and_a_run_folder_that_is_a_file_are_both_named(folder: Path) -> None:
    (folder / "result").write_text("in the way")
    ended = doctor(folder, "--set", "data.folder=[absent, gone]")
    assert ended.returncode == 1
    assert failed(ended) == {"run file", "run folder"}
    assert "data.folder: none of these folders exists" in findings(ended)["run file"][1]
    assert f"{folder / 'result'} is a file, not a folder; choose another" in ended.stdout


def test_a_cluster_that_is_not_there_fails_in_each_of_its_lines(folder: Path) -> None:
    """The scheduler never answers, the account is missing and the environment of the jobs is broken."""
    commands = folder / "bin"
    commands.mkdir()
    for name in ("sbatch", "squeue", "scancel"):
        (commands / name).write_text("#!/bin/sh\nexec sleep 3600\n")
        (commands / name).chmod(0o755)
    broken = "site.worker_init=echo 'no module conda' >&2; exit 3"
    options = ["--site", "perlmutter", "--patience", "0.5", "--set", broken, "--set", "site.interface=lo"]
    ended = doctor(
        folder,
        *options,
        *("--set", "site.queue=debug", "--set", "site.walltime_s=1800"),
        PATH=f"{commands}:{os.environ['PATH']}",
        FFN_ACCOUNT="",
    )
    assert (ended.returncode, ended.stderr) == (1, "")
    found = findings(ended)
    assert found["commands"] == ("ok", f"sbatch, squeue, scancel in {commands}")
    assert found["scheduler"][1].startswith("squeue gave no answer in 0.5 s; ")
    assert found["job"][1].startswith("site perlmutter needs site.account (or FFN_ACCOUNT): ")
    assert found["environment"][1].startswith("exit code 3: no module conda; ")
    assert {"scheduler", "job", "environment"} <= failed(ended)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--site", "thetta"], "unknown site 'thetta'"),
        (["--config", "absent.yaml"], "config file absent.yaml: No such file"),
        (["--set", "inference.tyle=3"], "did you mean 'tile'?"),
    ],
)
def test_where_there_is_no_run_to_check_one_line_says_so(folder: Path, options: list[str], said: str) -> None:
    ended = doctor(folder, *options)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.usefixtures("slurm")
def test_a_real_slurm_is_found_good(folder: Path) -> None:
    settings = ("walltime_s=1800", "ranks_per_node=1", "interface=lo")
    ended = doctor(folder, "--site", "slurm", *(word for s in settings for word in ("--set", f"site.{s}")))
    found = findings(ended)
    assert found["scheduler"] == ("ok", "squeue answers")
    assert found["job"] == ("ok", "walltime 00:30:00")
    assert found["environment"][0] == "ok"
    assert found["address"][0] == "warn"
    installed = {"program shared": REPOSITORY, "environment shared": Path(sys.prefix)}
    # a checkout may lie where no cluster's can
    private = {what for what, path in installed.items() if path.resolve().is_relative_to("/tmp")}
    assert failed(ended) == private
    assert ended.returncode == (1 if private else 0)
