"""Queues of the emulated batch systems take what those of the real ones would, and refuse in their words."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.machine.sockets import MOST_BYTES
from site_configs.providers.batch import FULL
from tests.emulators.cluster import Cluster

QUEUES = {
    "debug": {"nodes": 2, "walltime_s": 3600, "jobs_per_user": 1},
    "prod": {"fewest": 3, "nodes": 4, "walltime_s": 7200},
}


def script(folder: Path, line: str) -> str:
    path = folder / "job.sh"
    path.write_text(f"#!/bin/bash\n{line}\nsleep 300\n")
    path.chmod(0o755)
    return str(path)


def cobalt_job(folder: Path, queue: str, nodes: int, minutes: int) -> list[str]:
    return ["qsub", "-A", "EM", "-q", queue, "-n", str(nodes), "-t", str(minutes), script(folder, "")]


def pbs_job(folder: Path, queue: str, nodes: int, minutes: int) -> list[str]:
    asked = f"select={nodes},walltime=00:{minutes}:00,filesystems=home"
    return ["qsub", "-A", "EM", "-q", queue, "-l", asked, script(folder, "")]


@pytest.mark.parametrize("flavour", ["cobalt", "pbs"])
@pytest.mark.parametrize(
    ("queue", "nodes", "minutes"),
    [("nowhere", 1, 10), ("debug", 3, 10), ("prod", 2, 10), ("debug", 1, 61)],
)
def test_what_a_queue_does_not_take_is_refused(
    tmp_path: Path, request: pytest.FixtureRequest, flavour: str, queue: str, nodes: int, minutes: int
) -> None:
    cluster: Cluster = request.getfixturevalue(flavour)
    cluster.change(queues=QUEUES)
    job = {"cobalt": cobalt_job, "pbs": pbs_job}[flavour](tmp_path, queue, nodes, minutes)
    answer = cluster.run(*job)
    assert answer.returncode != 0
    assert answer.stdout == ""
    assert answer.stderr
    assert not FULL.search(answer.stderr)
    assert not cluster.jobs()


@pytest.mark.parametrize("flavour", ["cobalt", "pbs"])
def test_a_user_may_have_so_many_jobs_and_another_when_one_has_gone(
    tmp_path: Path, request: pytest.FixtureRequest, flavour: str
) -> None:
    cluster: Cluster = request.getfixturevalue(flavour)
    cluster.change(queues=QUEUES)
    job = {"cobalt": cobalt_job, "pbs": pbs_job}[flavour](tmp_path, "debug", 1, 10)
    first = cluster.run(*job)
    assert first.returncode == 0, first.stderr
    second = cluster.run(*job)
    assert second.returncode != 0
    assert FULL.search(second.stderr), "it is known for what will pass"
    cluster.run("qdel", first.stdout.strip())
    cluster.wait_for_state(first.stdout.strip(), "done")
    assert cluster.run(*job).returncode == 0


def test_a_jobs_own_folder_of_temporary_files_under_pbs_has_a_path_too_long_for_sockets(
    pbs: Cluster, tmp_path: Path
) -> None:
    path = tmp_path / "job.sh"
    path.write_text("#!/bin/bash\ntest -d $TMPDIR && echo $TMPDIR\n")
    asked = "select=1,walltime=00:10:00,filesystems=home"
    job = pbs.run("qsub", "-A", "EM", "-l", asked, "-o", str(tmp_path / "out"), str(path)).stdout.strip()
    pbs.wait_for_state(job, "done")
    assert len((tmp_path / "out").read_text().strip()) > MOST_BYTES
