"""The whole workflow on a real Slurm of four nodes: the bytes of a run on one machine, whatever happens."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("horovod", reason="Horovod is not installed")
pytestmark = [pytest.mark.usefixtures("slurm"), pytest.mark.slow]

REPOSITORY = Path(__file__).parents[2]
PROGRAM = REPOSITORY / "workflows" / "full_pipeline.py"

RUN_FILE = """
data:
  image: phantom
  labels: phantom
  phantom: {shape: [48, 48, 112], seed: 3}
network: {fov: [17, 17, 17], deltas: [4, 4, 4], depth: 2, features: 4}
training:
  box: "0:48,0:48,0:56"
  ranks: 4
  fovs: 1600
  checkpoint_every_steps: 10
  report_every_steps: 10
  sampling: {radius: [8, 8, 8], min_segment_voxels: 500, coordinates: 200}
inference: {box: "0:48,0:48,64:112", tile: [33, 33, 33], overlap: [18, 18, 18], min_segment_voxels: 50}
reconciliation: {chunk: [16, 16, 16], block: [32, 32, 32], min_overlap_voxels: 10}
site: {workers: 1, tile_nodes: 2, ranks_per_node: 2, walltime_s: 900, tile_time_s: 60, poll_s: 1,
       interface: lo}
"""
"""Training on 2 nodes x 2 ranks, tiles on the 2 others."""

SLURM = ("--site", "slurm")


def start(folder: Path, run_dir: str, *options: str) -> subprocess.Popen[str]:
    (folder / "small.yaml").write_text(RUN_FILE)
    command = [sys.executable, str(PROGRAM), "--config", "small.yaml", "--run-dir", run_dir, *options]
    return subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=500)
    assert process.returncode == 0, output
    return output


def queue(states: str = "PENDING,RUNNING") -> list[str]:
    """`id name` of each job in the queue."""
    command = ["squeue", "--noheader", f"--states={states}", "--format=%i %j"]
    return subprocess.check_output(command, text=True).splitlines()


def results(run: Path) -> dict[str, str]:
    files = [run / "model" / "ffn.h5", run / "metrics.json", *sorted(run.glob("segmentation/**/*"))]
    return {
        str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.is_file()
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


def test_a_run_whose_jobs_are_cancelled_and_whose_driver_is_killed_ends_in_the_bytes_of_a_local_one(
    folder: Path,
) -> None:
    """A job cancelled in mid-run is replaced; what a killed driver leaves is out of the queue before long."""
    log = folder / "run" / "logs" / "training.jsonl"
    driver = start(folder, "run", *SLURM)
    wait_until(lambda: log.exists() and log.read_text().count("\n") >= 3)
    (training,) = (job.split()[0] for job in queue("RUNNING") if "parsl.train" in job)
    subprocess.run(["scancel", training], check=True)
    wait_until(lambda: any("parsl.train" in job and training not in job.split() for job in queue()))
    wait_until(lambda: (folder / "run" / "logs" / "tiles").exists())
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    left = {job.split()[0] for job in queue()}
    assert left, "the driver was killed too late"

    output = finish(start(folder, "run", *SLURM))
    assert not left & {job.split()[0] for job in queue()}
    assert "train" in output
    failures = (folder / "run" / "logs" / "failures.jsonl").read_text()
    assert '"kind": "lost"' in failures

    finish(start(folder, "local", "--site", "local", "--set", "site.walltime_s=null"))
    assert results(folder / "run") == results(folder / "local")


def test_a_broken_worker_init_is_given_up_in_the_jobs_own_words(folder: Path) -> None:
    broken = "site.worker_init=echo no such module >&2; exit 3"
    driver = start(folder, "broken", *SLURM, "--set", broken)
    output, _ = driver.communicate(timeout=200)
    assert driver.returncode == 1
    assert "the last 3 blocks" in output
    assert "no such module" in output
    assert queue() == []


def test_jobs_of_a_killed_driver_end_by_themselves(folder: Path) -> None:
    driver = start(folder, "killed", *SLURM)
    wait_until(lambda: any("parsl.tiles" in job for job in queue("RUNNING")))
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    wait_until(lambda: queue() == [], patience_s=60)


def wait_until(condition: Callable[[], bool], patience_s: float = 200) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.3)
