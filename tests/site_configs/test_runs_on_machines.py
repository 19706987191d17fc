"""The whole workflow on machines with a batch system: the bytes of a run on this one, whatever happens.

Training is on 2 nodes x 2 ranks, tiles on 4 nodes; Theta, Polaris and Aurora are emulated, Slurm is real.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from small_run import SmallRun

from tests.listening import assert_nobody_else_can_reach, watching
from tests.machines import Machine, thorough

pytest.importorskip("horovod", reason="Horovod is not installed")
pytestmark = pytest.mark.slow

SMALL = {
    "network.depth": 2,
    "network.features": 8,
    "training.ranks": 4,
    "training.fovs": 1600,
    "training.choose_by": "last",  # one of fewer FOVs has learned too little to be tried
    "training.validation_box": "",
    "training.checkpoint_every_steps": 10,
    "inference.box": "0:48,0:48,64:112",
    "inference.checkpoint_every_s": 1,
    "inference.passes": [],
    "agglomeration.enabled": False,
}
PLACES = {
    "site.workers": 1,
    "site.ranks_per_node": 2,
    "site.tile_nodes": 4,
    "site.walltime_s": 3600,
    "site.interface": "lo",
    "site.poll_s": 1,
    "site.idle_s": 2,
    # as on this machine: MPI adds up four ranks in another order
    "site.worker_init": "export HOROVOD_CONTROLLER=gloo HOROVOD_CPU_OPERATIONS=gloo",
}
SILENCE_S = float(os.environ.get("FFN_SILENCE_S", "10"))
"""How long the scheduler answers nothing in the middle of a run; 300 is worth trying before a release."""

SLURMS_OWN = ("srun ", "slurmstepd: ")
"""Processes of a job that listen as Slurm is set up; the daemon of a step is among a run's for moments."""

NASTY = 'a\' "b" [c] {d} & é;`x` %j'
"""Runs do not care how the folders are called in which they lie."""


def options(settings: dict[str, object]) -> list[str]:
    return [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]


@pytest.fixture
def run(machine: Machine, tmp_path: Path) -> Iterator[SmallRun]:
    run = SmallRun(tmp_path / NASTY, ["--site", machine.site, *machine.needs, *options(SMALL | PLACES)])
    yield run
    run.end()


@pytest.fixture(scope="module")
def local_results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the same run makes on this machine, undisturbed."""
    run = SmallRun(tmp_path_factory.mktemp("local"), options(SMALL))
    assert run.finish() == 0, run.tail()
    return run.results()


@pytest.mark.parametrize("machine", [*thorough("theta", "polaris", "aurora"), "slurm"], indirect=True)
def test_a_run_whose_blocks_end_at_their_walltime_and_by_hand_ends_in_the_bytes_of_a_local_one(
    machine: Machine, run: SmallRun, local_results: dict[str, str]
) -> None:
    """Both are replaced by the one command, though the scheduler falls silent. No script becomes two jobs.

    Meanwhile it listens on the nodes' interface alone.
    """
    with watching(run.processes) as found:
        driver = run.start()
        wait_until(lambda: run.training_lines() >= 3, run)
        (training,) = machine.running("train")
        machine.expire(training)
        wait_until(lambda: set(machine.running("train")) - {training}, run)
        wait_until(lambda: run.files("tiles/z*/y*/*.checkpoint.h5"), run)
        (tiles,) = machine.running("tiles")
        machine.cancel(tiles)
        machine.silence(SILENCE_S)
        assert driver.wait(timeout=900 + SILENCE_S) == 0, run.tail()
    assert run.results() == local_results
    failures = (run.folder / "logs" / "failures.jsonl").read_text().splitlines()
    assert failures
    assert all('"kind": "lost"' in line and '"tried_again": true' in line for line in failures)
    wait_until(lambda: not machine.queue(), run)
    jobs = {path.stem for path in run.files("logs/parsl/**/submit_scripts/parsl.*.s[ht]*")}
    assert machine.submissions(jobs) == len(jobs) >= 4
    ours = {one for one in found if not one.who.startswith(SLURMS_OWN)}
    assert_nobody_else_can_reach(ours, ["full_pipeline.py", "HTEX interchange"])


@pytest.mark.parametrize("machine", [*thorough("theta", "slurm", "polaris")], indirect=True)
def test_a_killed_drivers_jobs_leave_the_queue(machine: Machine, run: SmallRun) -> None:
    driver = run.start()
    wait_until(lambda: run.finished("phantom"), run)  # its job is at work
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    wait_until(lambda: not machine.queue(), run, patience_s=60)


@pytest.mark.parametrize("machine", [*thorough("theta"), "polaris", "slurm"], indirect=True)
def test_a_broken_worker_init_is_given_up_in_the_jobs_own_words(machine: Machine, run: SmallRun) -> None:
    assert run.finish("--set", "site.worker_init=echo no such module >&2; exit 3") == 1
    assert "the last 3 blocks" in run.output()
    assert "no such module" in run.output()
    assert machine.queue() == []


@pytest.mark.parametrize("machine", [*thorough("slurm")], indirect=True)
def test_a_rank_that_finds_no_gpu_where_the_site_has_one_ends_the_run_by_name(run: SmallRun) -> None:
    assert run.finish("--set", "site.gpus_per_node=1", "--set", "site.gpu_request=''") == 1
    assert "finds no GPU: site slurm has 1 a node (site.gpus_per_node)" in " ".join(run.output().split())
    assert not run.files("tiles/z*/y*/*.h5")


@pytest.mark.parametrize("machine", [*thorough("theta", "polaris"), "slurm"], indirect=True)
def test_what_a_driver_killed_with_jobs_in_the_queue_left_is_cancelled_by_the_next(
    machine: Machine, run: SmallRun, request: pytest.FixtureRequest
) -> None:
    machine.stop()
    request.addfinalizer(machine.start)
    driver = run.start()
    wait_until(lambda: machine.queue() and " queued " in run.output(), run)
    (left,) = machine.queue()
    assert f"job {left.id}" in run.output(), "the user sees for what the run waits"
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    second = run.start()
    wait_until(lambda: left.id not in {job.id for job in machine.queue()}, run)
    wait_until(machine.queue, run)
    second.send_signal(signal.SIGTERM)
    second.wait(timeout=60)
    assert machine.queue() == []
    assert f"job {left.id}" in run.output()


def wait_until(condition: Callable[[], object], run: SmallRun, patience_s: float = 600) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain:\n{run.tail()}"
        time.sleep(0.2)
