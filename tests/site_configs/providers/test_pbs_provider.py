"""What is PBS's own: its script, one id a query, Exit_status, and answers that are not quite JSON."""

from __future__ import annotations

from pathlib import Path

import pytest
from parsl.jobs.states import JobState
from parsl.launchers import SimpleLauncher

from site_configs.providers.pbs import PbsProvider, attribute, end
from site_configs.providers.scheduler import QueuedJob
from tests.emulators.cluster import Cluster


@pytest.fixture
def provider(tmp_path: Path) -> PbsProvider:
    provider = PbsProvider(
        launcher=SimpleLauncher(),
        account="ConnectomicsEM",
        queue="debug-scaling",
        filesystems="home:eagle",
        select_options="ngpus=4",
        scheduler_options="#PBS -W umask=022",
        worker_init="module use /soft/modulefiles",
        nodes_per_block=2,
        cpus_per_node=64,
        max_blocks=4,
        walltime="01:00:00",
    )
    provider.script_dir = str(tmp_path)
    return provider


def test_the_script_is_what_polaris_wants(provider: PbsProvider) -> None:
    text = provider.submit_script("mpiexec -n 2 --ppn 1 process_worker_pool.py", job_name="block-0")
    assert text == (
        "#!/bin/bash\n"
        "#PBS -N block-0\n"
        "#PBS -l select=2:ncpus=64:ngpus=4\n"
        "#PBS -l walltime=01:00:00\n"
        "#PBS -l filesystems=home:eagle\n"
        "#PBS -q debug-scaling\n"
        "#PBS -A ConnectomicsEM\n"
        "#PBS -r n\n"
        "#PBS -l place=scatter\n"
        "#PBS -k doe\n"
        "#PBS -m n\n"
        "#PBS -W umask=022\n"
        "\n"
        'cd "$PBS_O_WORKDIR"\n'
        "module use /soft/modulefiles\n"
        "\n"
        "mpiexec -n 2 --ppn 1 process_worker_pool.py\n"
    )


def test_each_job_is_asked_for_by_itself(pbs: Cluster, provider: PbsProvider) -> None:
    first, second = provider.submit("exit 1", 1), provider.submit("true", 1)
    pbs.wait_for(lambda: all(status.terminal for status in provider.status([first, second])))
    states = [status.state for status in provider.status([first, second])]
    assert states == [JobState.FAILED, JobState.COMPLETED]


def test_after_a_silence_the_other_jobs_wait_for_the_next_look(pbs: Cluster, provider: PbsProvider) -> None:
    """Each question would cost the whole timeout again."""
    pbs.stop()
    keys = [provider.submit("sleep 300", 1) for _ in range(2)]
    pbs.start()
    pbs.wait_for(lambda: all(job.state == "running" for job in pbs.jobs()))
    pbs.break_next("qstat", delay_s=300)
    provider.cmd_timeout = 1
    assert [status.state for status in provider.status(keys)] == [JobState.PENDING] * 2
    provider.cmd_timeout = 20
    assert [status.state for status in provider.status(keys)] == [JobState.RUNNING] * 2


def test_an_error_about_one_job_does_not_hide_the_others(pbs: Cluster, provider: PbsProvider) -> None:
    pbs.stop()
    keys = [provider.submit("sleep 300", 1) for _ in range(2)]
    pbs.start()
    pbs.wait_for(lambda: all(job.state == "running" for job in pbs.jobs()))
    pbs.break_next("qstat", returncode=1)
    assert [status.state for status in provider.status(keys)] == [JobState.PENDING, JobState.RUNNING]


def test_walltime_is_told_without_history_too(pbs: Cluster, provider: PbsProvider) -> None:
    pbs.change(history=False, minute_s=0.01, grace_s=0.2)
    key = provider.submit("sleep 300", 1)
    pbs.wait_for(lambda: provider.status([key])[0].terminal)
    assert provider.status([key])[0].state is JobState.TIMEOUT


def test_a_job_deleted_before_it_ran_is_cancelled(pbs: Cluster, provider: PbsProvider) -> None:
    pbs.stop()
    key = provider.submit("true", 1)
    pbs.run("qdel", key)
    assert provider.status([key])[0].state is JobState.CANCELLED


def test_a_lost_node_is_a_failure(pbs: Cluster, provider: PbsProvider) -> None:
    key = provider.submit("sleep 300", 1)
    pbs.wait_for(lambda: provider.status([key])[0].state is JobState.RUNNING)
    pbs.lose_node("x3001c0s1b0n0")
    pbs.wait_for(lambda: provider.status([key])[0].state is JobState.FAILED)
    assert provider.status([key])[0].exit_code == 265


BROKEN = """{
    "Jobs":{
        "1.pbs":{
            "job_state":"F",
            "Exit_status":-29,
            "Variable_List":{
                "PS1":"\\h "quoted" $",
            }
        }
    }
}"""


def test_attributes_are_read_from_broken_json() -> None:
    assert attribute(BROKEN, "job_state") == "F"
    assert attribute(BROKEN, "Exit_status") == "-29"


@pytest.mark.parametrize("text", ["", "{}", '{"Jobs":{}}', "Connection refused"])
def test_no_job_has_no_attributes(text: str) -> None:
    assert attribute(text, "job_state") is None


@pytest.mark.parametrize(
    ("exit_status", "stderr", "state"),
    [
        (0, "", JobState.COMPLETED),
        (1, "", JobState.FAILED),
        (-29, "", JobState.TIMEOUT),
        (271, "=>> PBS: job killed: walltime 10 exceeded limit 8\n", JobState.TIMEOUT),
        (271, "", JobState.CANCELLED),
        (265, "", JobState.FAILED),
        (None, "", JobState.CANCELLED),
    ],
)
def test_exit_status_tells_how_a_job_ended(
    tmp_path: Path, exit_status: int | None, stderr: str, state: JobState
) -> None:
    job = QueuedJob("y", tmp_path, "1.pbs", JobState.RUNNING)
    job.stderr.write_text(stderr)
    end(job, exit_status)
    assert (job.state, job.exit_code) == (state, exit_status)
