"""What is Cobalt's own: its script, its qstat, and the log that alone tells how a job ended."""

from __future__ import annotations

from pathlib import Path

import pytest
from parsl.jobs.states import JobState
from parsl.launchers import SimpleLauncher

from site_configs.providers.cobalt import CobaltProvider, ending, minutes
from site_configs.providers.scheduler import QueuedJob
from tests.emulators.cluster import Cluster


@pytest.fixture
def provider(tmp_path: Path) -> CobaltProvider:
    provider = CobaltProvider(
        launcher=SimpleLauncher(),
        account="ConnectomicsEM",
        queue="debug-cache-quad",
        attrs="mcdram=cache:numa=quad",
        scheduler_options="#COBALT --env A=1\n#COBALT --notify me@example.org",
        worker_init="module load miniconda-3\nsource activate ffn",
        nodes_per_block=4,
        walltime="01:00:30",
    )
    provider.script_dir = str(tmp_path)
    return provider


def test_the_script_is_what_theta_wants(provider: CobaltProvider) -> None:
    text = provider.submit_script("aprun -n 4 -N 1 process_worker_pool.py", job_name="block-0")
    assert text == (
        "#!/bin/bash\n"
        "#COBALT -n 4\n"
        "#COBALT -t 61\n"
        "#COBALT -q debug-cache-quad\n"
        "#COBALT -A ConnectomicsEM\n"
        "#COBALT --attrs mcdram=cache:numa=quad\n"
        "#COBALT --jobname block-0\n"
        "#COBALT --env A=1\n"
        "#COBALT --notify me@example.org\n"
        "\n"
        "module load miniconda-3\n"
        "source activate ffn\n"
        "\n"
        "aprun -n 4 -N 1 process_worker_pool.py\n"
    )


def test_the_script_needs_no_scheduler_and_no_folder() -> None:
    text = CobaltProvider(launcher=SimpleLauncher()).submit_script("true")
    assert text.startswith("#!/bin/bash\n#COBALT -n 1\n#COBALT -t 20\n")


@pytest.mark.parametrize(("walltime", "expected"), [("00:20:00", 20), ("01:00:01", 61), ("24:00:00", 1440)])
def test_walltime_in_whole_minutes_is_never_less(walltime: str, expected: int) -> None:
    assert minutes(walltime) == expected


def test_a_header_of_the_users_own_does_not_confuse(
    cobalt: Cluster, provider: CobaltProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QSTAT_HEADER", "JobName:User:JobID")
    provider.scheduler_options = ""
    cobalt.stop()
    key = provider.submit("true", 1)
    assert provider.status([key])[0].state is JobState.PENDING


@pytest.mark.parametrize("by", ["user", "admin", "maxrun"])
def test_every_hold_is_held_and_named(cobalt: Cluster, provider: CobaltProvider, by: str) -> None:
    provider.scheduler_options = ""
    cobalt.stop()
    key = provider.submit("true", 1)
    cobalt.hold(key, by=by)
    (status,) = provider.status([key])
    assert (status.state, status.message) == (JobState.HELD, f"{by}_hold")


def test_a_job_that_waits_for_a_failed_one_is_held(cobalt: Cluster, provider: CobaltProvider) -> None:
    provider.scheduler_options = ""
    failed = provider.submit("exit 1", 1)
    cobalt.wait_for_state(failed, "done")
    provider.scheduler_options = f"#COBALT --dependencies {failed}"
    key = provider.submit("true", 1)
    assert provider.status([key])[0].state is JobState.HELD


WHEN = "Thu Nov 05 17:29:30 2020 +0000 (UTC) "
HEAD = f"Jobid: 550270\nqsub -O /x/y /x/y.sh\n{WHEN}submitted with cwd set to: /x\n"
INFO = f"{WHEN}Info: "
NORMAL = "task completed normally with an exit code of {}; initiating job cleanup and removal\n"


@pytest.mark.parametrize(
    ("log", "state", "exit_code"),
    [
        (HEAD, None, None),
        (HEAD + INFO + NORMAL.format(0), JobState.COMPLETED, 0),
        (HEAD + INFO + NORMAL.format(137), JobState.FAILED, 137),
        (HEAD + INFO + NORMAL.format(-9), JobState.FAILED, -9),
        (HEAD + INFO + NORMAL.format(None), JobState.FAILED, None),
        (
            HEAD + INFO + "maximum execution time exceeded; initiating job terminiation\n",
            JobState.TIMEOUT,
            None,
        ),
        (
            HEAD
            + INFO
            + "maximum execution time exceeded; initiating job termination\n"
            + INFO
            + NORMAL.format(0),
            JobState.TIMEOUT,
            None,
        ),
        (
            HEAD + INFO + "user delete requested with signal SIGTERM by user jane\n",
            JobState.CANCELLED,
            None,
        ),
    ],
)
def test_the_log_tells_how_a_job_ended(
    tmp_path: Path, log: str, state: JobState | None, exit_code: int | None
) -> None:
    job = QueuedJob("y", tmp_path, "550270", JobState.RUNNING)
    (tmp_path / "y.cobaltlog").write_text(log)
    assert ending(job) is (state is not None)
    assert (job.state, job.exit_code) == (state or JobState.RUNNING, exit_code)
