"""The Cobalt emulator behaves as Cobalt is documented to."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.emulators.cluster import Cluster


def write(path: Path, body: str, directives: str = "#COBALT -n 1 -t 30\n") -> Path:
    path.write_text(f"#!/bin/bash\n{directives}{body}\n")
    path.chmod(0o755)
    return path


def submit(cluster: Cluster, folder: Path, body: str, *options: str) -> str:
    # Cobalt runs a script where it lies, so no two jobs may share one.
    script = write(folder / f"job{cluster.submissions()}.sh", body)
    answer = cluster.run("qsub", *options, str(script), cwd=folder)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip()


def finished(cluster: Cluster, folder: Path, body: str, *options: str) -> tuple[str, str]:
    """Output and log of a job that has run to its end."""
    job_id = submit(cluster, folder, body, *options)
    cluster.wait_for(lambda: cluster.job(job_id) is None)
    return (folder / f"{job_id}.output").read_text(), (folder / f"{job_id}.cobaltlog").read_text()


def state(cluster: Cluster, job_id: str) -> str:
    return cluster.run("qstat", "--header", "State", job_id).stdout.splitlines()[2]


def test_qsub_prints_the_id_alone_and_remarks_to_stderr(cobalt: Cluster, tmp_path: Path) -> None:
    answer = cobalt.run("qsub", str(write(tmp_path / "job.sh", "true")), cwd=tmp_path)
    assert answer.stdout == "100001\n"
    assert answer.stderr


def test_qsub_refuses_a_script_that_cannot_be_executed(cobalt: Cluster, tmp_path: Path) -> None:
    script = write(tmp_path / "job.sh", "true")
    script.chmod(0o644)
    answer = cobalt.run("qsub", str(script))
    assert (answer.returncode, answer.stderr) == (1, f"command {script} is not executable\n")


def test_directives_count_only_directly_after_the_first_line(cobalt: Cluster, tmp_path: Path) -> None:
    script = write(tmp_path / "job.sh", "true", "\n#COBALT -n 1 -t 5\n")
    assert "'time' not provided" in cobalt.run("qsub", str(script)).stderr


def test_more_nodes_than_there_are_is_refused(cobalt: Cluster, tmp_path: Path) -> None:
    answer = cobalt.run("qsub", "-n", "5", str(write(tmp_path / "job.sh", "true")))
    assert (answer.returncode, answer.stderr) == (1, "node count out of realistic range\n")


def test_a_job_finds_its_nodes_and_little_else(
    cobalt: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_LOGIN_SHELL", "yes")
    output, _ = finished(cobalt, tmp_path, "env", "-n", "3", "--env", "A=1:B=2", "-A", "EM", "-q", "debug")
    found = dict(line.split("=", 1) for line in output.splitlines())
    assert found["COBALT_PARTNAME"] == "3824-3826"
    assert found["COBALT_PARTSIZE"] == found["COBALT_JOBSIZE"] == "3"
    assert (found["COBALT_PROJECT"], found["COBALT_QUEUE"]) == ("EM", "debug")
    assert (found["A"], found["B"], found["PWD"]) == ("1", "2", str(tmp_path))
    assert "OF_THE_LOGIN_SHELL" not in found


def test_neighbouring_nodes_are_merged(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "cobalt", "cobalt", nodes=6)
    output, _ = finished(cluster, tmp_path, "echo $COBALT_PARTNAME", "-n", "5")
    assert output == "3824-3827,3832\n"


def test_the_exit_code_stands_in_the_log_alone(cobalt: Cluster, tmp_path: Path) -> None:
    output, log = finished(cobalt, tmp_path, "echo out; echo err >&2; exit 7")
    assert output == "out\n"
    assert "Info: task completed normally with an exit code of 7; initiating job cleanup and removal" in log


def test_qstat_shows_columns_under_a_rule(cobalt: Cluster, tmp_path: Path) -> None:
    cobalt.stop()
    submit(cobalt, tmp_path, "true")
    header, rule, row = cobalt.run("qstat").stdout.splitlines()
    assert header.split() == ["JobID", "User", "WallTime", "Nodes", "State", "Location"]
    assert set(rule) == {"="}
    assert [row.split()[i] for i in (0, 2, 3, 4, 5)] == ["100001", "00:30:00", "1", "queued", "None"]


def test_an_unknown_id_exits_1_without_a_word(cobalt: Cluster) -> None:
    answer = cobalt.run("qstat", "4711")
    assert (answer.returncode, answer.stdout, answer.stderr) == (1, "", "")


def test_walltime_is_sigterm_then_sigkill_and_leaves_no_process(cobalt: Cluster, tmp_path: Path) -> None:
    cobalt.change(minute_s=0.5, grace_s=0.5)
    stubborn = "trap 'echo told' TERM; setsid sleep 300 & echo $! > hidden; while :; do sleep 0.1; done"
    output, log = finished(cobalt, tmp_path, stubborn, "-t", "2")
    assert output == "told\n"
    assert "maximum execution time exceeded; initiating job termin" in log
    assert "exit code of" not in log
    cobalt.wait_for(lambda: not psutil.pid_exists(int((tmp_path / "hidden").read_text())))


def test_what_a_script_leaves_running_ends_with_it(cobalt: Cluster, tmp_path: Path) -> None:
    finished(cobalt, tmp_path, "setsid sleep 300 & echo $! > hidden")
    cobalt.wait_for(lambda: not psutil.pid_exists(int((tmp_path / "hidden").read_text())))


def test_a_held_job_waits_for_its_release(cobalt: Cluster, tmp_path: Path) -> None:
    job_id = submit(cobalt, tmp_path, "true", "-h")
    assert state(cobalt, job_id) == "user_hold"
    cobalt.hold(job_id, by="admin")
    assert state(cobalt, job_id) == "admin_hold"
    cobalt.hold(job_id, by="")
    cobalt.wait_for(lambda: cobalt.job(job_id) is None)


def test_a_job_depends_on_the_success_of_another(cobalt: Cluster, tmp_path: Path) -> None:
    first = submit(cobalt, tmp_path, "while ! [ -e go ]; do sleep 0.05; done; exit 1")
    second = submit(cobalt, tmp_path, "true", "--dependencies", first)
    assert state(cobalt, second) == "dep_hold"
    (tmp_path / "go").touch()
    cobalt.wait_for(lambda: state(cobalt, second) == "dep_fail")


def test_jobs_wait_for_nodes_and_follow_each_other(cobalt: Cluster, tmp_path: Path) -> None:
    body = "date +%s.%N; sleep 0.3; date +%s.%N"
    ids = [submit(cobalt, tmp_path, body, "-n", "3") for _ in range(2)]
    cobalt.wait_for(lambda: not cobalt.jobs())
    times = [[float(t) for t in (tmp_path / f"{i}.output").read_text().split()] for i in ids]
    assert times[0][1] < times[1][0]


def test_qdel_tells_what_it_deleted_and_passes_over_the_rest(cobalt: Cluster, tmp_path: Path) -> None:
    job_id = submit(cobalt, tmp_path, "sleep 300")
    cobalt.wait_for_state(job_id, "running")
    answer = cobalt.run("qdel", job_id)
    assert answer.returncode == 0
    assert answer.stdout.splitlines()[0] == "      Deleted Jobs"
    assert answer.stdout.splitlines()[3].split()[0] == job_id
    cobalt.wait_for(lambda: cobalt.job(job_id) is None)
    assert "user delete requested with signal SIGTERM" in (tmp_path / f"{job_id}.cobaltlog").read_text()
    again = cobalt.run("qdel", job_id)
    assert (again.returncode, again.stdout) == (0, "")


def test_aprun_places_and_binds_ranks(cobalt: Cluster, tmp_path: Path) -> None:
    tell = "bash -c 'echo \"$ALPS_APP_PE $EMULATED_NODE $EMULATED_CPUS $A $B\"'"
    body = f"export A=script\naprun -n 4 -N 2 -d 2 -j 2 -cc depth -e B=option {tell}"
    output, _ = finished(cobalt, tmp_path, body, "-n", "2")
    told = sorted(line for line in output.splitlines() if not line.startswith("Application"))
    assert told == [
        "0 3824 0,64 script option",
        "1 3824 1,65 script option",
        "2 3825 0,64 script option",
        "3 3825 1,65 script option",
    ]


def test_aprun_keeps_to_the_jobs_nodes(cobalt: Cluster, tmp_path: Path) -> None:
    _, log = finished(cobalt, tmp_path, "aprun -n 3 -N 1 true", "-n", "2")
    assert "exit code of 1;" in log
    outside = cobalt.run("aprun", "-n", "1", "true")
    assert outside.returncode == 1


def test_aprun_returns_the_exit_code_of_its_ranks(cobalt: Cluster, tmp_path: Path) -> None:
    output, log = finished(cobalt, tmp_path, "aprun -n 2 bash -c 'exit $((ALPS_APP_PE * 5))'")
    assert "exit codes: 5" in output
    assert "exit code of 5;" in log


def test_a_lost_node_kills_the_application_but_not_the_script(cobalt: Cluster, tmp_path: Path) -> None:
    body = "aprun -n 2 -N 1 bash -c 'touch up.$ALPS_APP_PE; sleep 300'; echo aprun: $?"
    job_id = submit(cobalt, tmp_path, body, "-n", "2")
    cobalt.wait_for(lambda: len(list(tmp_path.glob("up.*"))) == 2)
    cobalt.lose_node("3825")
    cobalt.wait_for(lambda: cobalt.job(job_id) is None)
    assert "aprun: 137" in (tmp_path / f"{job_id}.output").read_text()


def test_sigterm_reaches_the_ranks(cobalt: Cluster, tmp_path: Path) -> None:
    rank = 'trap "echo saved; exit" TERM; touch up; while :; do sleep 0.1; done'
    job_id = submit(cobalt, tmp_path, f"aprun -n 1 bash -c '{rank}'")
    cobalt.wait_for(lambda: (tmp_path / "up").exists())
    cobalt.run("qdel", job_id)
    cobalt.wait_for(lambda: cobalt.job(job_id) is None)
    assert "saved" in (tmp_path / f"{job_id}.output").read_text()


def test_a_job_that_vanishes_leaves_no_word(cobalt: Cluster, tmp_path: Path) -> None:
    job_id = submit(cobalt, tmp_path, "sleep 300 & echo $! > pid; wait")
    cobalt.wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    cobalt.vanish(job_id)
    assert cobalt.run("qstat", job_id).returncode == 1
    log = (tmp_path / f"{job_id}.cobaltlog").read_text()
    assert "Info:" not in log
    cobalt.wait_for(lambda: not psutil.pid_exists(int((tmp_path / "pid").read_text())))


def test_each_fault_happens_once(cobalt: Cluster, tmp_path: Path) -> None:
    cobalt.break_next("qstat", returncode=1, stderr="Failed to connect to queue manager\n")
    assert cobalt.run("qstat").stderr == "Failed to connect to queue manager\n"
    assert cobalt.run("qstat").returncode == 0
    cobalt.break_next("qsub", after=True, returncode=1)
    assert cobalt.run("qsub", str(write(tmp_path / "job.sh", "true")), cwd=tmp_path).stdout == ""
    assert cobalt.submissions() == 1


def test_in_a_silence_nothing_answers_until_it_is_over(cobalt: Cluster) -> None:
    cobalt.silence(1.0)
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run([cobalt.bin / "qstat"], timeout=0.5, capture_output=True)
    assert cobalt.run("qstat").returncode == 0
    assert time.time() > cobalt.system.peek().silent_until
