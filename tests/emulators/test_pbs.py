"""The PBS Pro emulator behaves as PBS Pro is documented to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.emulators.cluster import Cluster

HEAD = "#PBS -A EM -l filesystems=home:eagle\n"


def submit(cluster: Cluster, folder: Path, body: str, *options: str, walltime: str = "00:30:00") -> str:
    script = folder / "job.sh"
    script.write_text(f'#!/bin/bash\n{HEAD}\ncd "$PBS_O_WORKDIR"\n{body}\n')
    files = ("-o", str(folder / "out"), "-e", str(folder / "err"))
    answer = cluster.run("qsub", "-l", f"walltime={walltime}", *files, *options, str(script), cwd=folder)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip()


def told(cluster: Cluster, job_id: str) -> dict[str, object]:
    """What qstat tells of a job that is known."""
    document = json.loads(cluster.run("qstat", "-x", "-f", "-F", "json", job_id).stdout)
    attributes: dict[str, object] = document["Jobs"][job_id]
    return attributes


def finished(cluster: Cluster, folder: Path, body: str, *options: str) -> tuple[str, object]:
    """Output and Exit_status of a job that has run to its end."""
    job_id = submit(cluster, folder, body, *options)
    cluster.wait_for_state(job_id, "done")
    return (folder / "out").read_text(), told(cluster, job_id)["Exit_status"]


@pytest.mark.parametrize(
    ("directive", "complaint"),
    [
        ("-l walltime=1:00:00,filesystems=home", "Account"),
        ("-A EM -l walltime=1:00:00", "filesystems"),
        ("-A EM -l filesystems=home", "walltime"),
        ("-A EM -l walltime=1:00:00,filesystems=home,select=5", "resource limits"),
    ],
)
def test_what_is_mandatory_is_asked_for(pbs: Cluster, tmp_path: Path, directive: str, complaint: str) -> None:
    (tmp_path / "job.sh").write_text(f"#!/bin/bash\n#PBS {directive}\n")
    answer = pbs.run("qsub", str(tmp_path / "job.sh"))
    assert answer.returncode != 0
    assert complaint in answer.stderr
    assert not pbs.jobs()


def test_a_job_finds_its_nodes_and_little_else(
    pbs: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_LOGIN_SHELL", "yes")
    output, _ = finished(pbs, tmp_path, "cat $PBS_NODEFILE; env", "-l", "select=2:ngpus=4", "-N", "tiles")
    assert output.splitlines()[:2] == ["x3001c0s1b0n0", "x3001c0s2b0n0"]
    assert "PBS_JOBNAME=tiles" in output
    assert f"PBS_O_WORKDIR={tmp_path}" in output
    assert "OF_THE_LOGIN_SHELL" not in output


def test_pbs_runs_its_copy_of_the_script(pbs: Cluster, tmp_path: Path) -> None:
    pbs.stop()
    job_id = submit(pbs, tmp_path, "echo as submitted")
    (tmp_path / "job.sh").write_text("#!/bin/bash\necho changed\n")
    pbs.start()
    pbs.wait_for_state(job_id, "done")
    assert (tmp_path / "out").read_text() == "as submitted\n"


def test_states_and_exit_status(pbs: Cluster, tmp_path: Path) -> None:
    pbs.stop()
    job_id = submit(pbs, tmp_path, "while ! [ -e go ]; do sleep 0.05; done; exit 7", "-h")
    assert told(pbs, job_id)["job_state"] == "H"
    pbs.hold(job_id, by="")
    assert told(pbs, job_id)["job_state"] == "Q"
    pbs.start()
    assert told(pbs, job_id)["job_state"] == "R"
    (tmp_path / "go").touch()
    pbs.wait_for_state(job_id, "done")
    assert (told(pbs, job_id)["job_state"], told(pbs, job_id)["Exit_status"]) == ("F", 7)


def test_walltime_is_told_in_stderr_and_exit_status(pbs: Cluster, tmp_path: Path) -> None:
    pbs.change(minute_s=0.5, grace_s=0.5)
    job_id = submit(pbs, tmp_path, "trap '' TERM; while :; do sleep 0.1; done", walltime="00:02:00")
    pbs.wait_for_state(job_id, "done")
    assert told(pbs, job_id)["Exit_status"] == -29
    assert "=>> PBS: job killed: walltime 122 exceeded limit 120" in (tmp_path / "err").read_text()


def test_a_deleted_job_ends_by_sigterm_and_one_that_never_ran_has_no_status(
    pbs: Cluster, tmp_path: Path
) -> None:
    running = submit(pbs, tmp_path, "sleep 300")
    pbs.wait_for_state(running, "running")
    pbs.stop()
    waiting = submit(pbs, tmp_path, "sleep 300")
    assert pbs.run("qdel", running, waiting).returncode == 0
    pbs.wait_for_state(running, "done")
    assert told(pbs, running)["Exit_status"] == 271
    assert told(pbs, waiting)["job_state"] == "F"
    assert "Exit_status" not in told(pbs, waiting)
    assert pbs.run("qdel", running).returncode == 35
    assert pbs.run("qdel", "4711").returncode == 153


def test_qstat_on_finished_and_unknown_jobs(pbs: Cluster, tmp_path: Path) -> None:
    job_id = submit(pbs, tmp_path, "true")
    pbs.wait_for_state(job_id, "done")
    without_x = pbs.run("qstat", "-f", "-F", "json", job_id)
    assert (without_x.returncode, "Jobs" in json.loads(without_x.stdout)) == (35, False)
    pbs.change(history=False)
    second = submit(pbs, tmp_path, "true")
    pbs.wait_for(lambda: pbs.job(second) is None)
    gone = pbs.run("qstat", "-x", "-f", "-F", "json", second)
    assert (gone.returncode, gone.stderr) == (153, f"qstat: Unknown Job Id {second}\n")


def test_qstat_json_answers_for_the_first_of_several(pbs: Cluster, tmp_path: Path) -> None:
    pbs.stop()
    first, second = submit(pbs, tmp_path, "true"), submit(pbs, tmp_path, "true")
    answer = pbs.run("qstat", "-x", "-f", "-F", "json", first, second)
    assert (answer.returncode, list(json.loads(answer.stdout)["Jobs"])) == (0, [first])


def test_qselect_finds_jobs_by_name(pbs: Cluster, tmp_path: Path) -> None:
    job_id = submit(pbs, tmp_path, "true", "-N", "mine")
    pbs.wait_for_state(job_id, "done")
    assert pbs.run("qselect", "-x", "-N", "mine").stdout == f"{job_id}\n"
    assert pbs.run("qselect", "-N", "mine").stdout == ""


def test_mpiexec_tells_ranks_who_and_where_they_are(pbs: Cluster, tmp_path: Path) -> None:
    names = "PMI_RANK PMI_SIZE PALS_RANKID PALS_LOCAL_RANKID PALS_LOCAL_SIZE PALS_NODEID"
    tell = " ".join(f"${name}" for name in [*names.split(), "EMULATED_NODE", "EMULATED_CPUS", "A"])
    body = f"mpiexec -n 3 --ppn 2 --depth=2 --cpu-bind depth --env A=1 bash -c 'echo {tell}'"
    output, _ = finished(pbs, tmp_path, body, "-l", "select=2")
    assert sorted(output.splitlines()) == [
        "0 3 0 0 2 0 x3001c0s1b0n0 0,1 1",
        "1 3 1 1 2 0 x3001c0s1b0n0 2,3 1",
        "2 3 2 0 1 1 x3001c0s2b0n0 0,1 1",
    ]


def test_a_rank_that_fails_takes_the_others_with_it(pbs: Cluster, tmp_path: Path) -> None:
    body = "mpiexec -n 2 bash -c 'if [ $PMI_RANK = 1 ]; then exit 5; fi; sleep 300'"
    _, status = finished(pbs, tmp_path, body)
    assert status in (5, 137)


def test_the_loss_of_the_first_node_kills_the_job(pbs: Cluster, tmp_path: Path) -> None:
    job_id = submit(pbs, tmp_path, "sleep 300")
    pbs.wait_for_state(job_id, "running")
    pbs.lose_node("x3001c0s1b0n0")
    pbs.wait_for_state(job_id, "done")
    assert told(pbs, job_id)["Exit_status"] == 265
