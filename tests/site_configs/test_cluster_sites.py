"""Sites with a batch system: what they ask of the user, and exactly what they would submit."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from parsl.dataflow.memoization import BasicMemoizer
from parsl.executors.status_handling import BlockProviderExecutor

import site_configs
from pipeline.config import RunConfig
from pipeline.errors import InputError
from pipeline.machine import gpus
from pipeline.run_folder import Run
from site_configs import cluster, placement
from site_configs.described import machine
from site_configs.preview import launch_line
from tests.job_pages import PAGE, page, preview
from tests.sites import COMPLETE, run_on


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FFN_ACCOUNT", "FFN_QUEUE", "FFN_FILESYSTEMS", "FFN_ATTEMPT"):
        monkeypatch.delenv(name, raising=False)


def test_what_would_be_submitted_is_what_the_documentation_shows() -> None:
    assert page() == PAGE.read_text(), "read the difference, then python -m tests.job_pages"


@pytest.mark.parametrize("name", COMPLETE)
def test_a_complete_run_is_accepted(name: str) -> None:
    site_configs.check(run_on(name))


@pytest.mark.parametrize(
    ("name", "without", "named"),
    [
        ("slurm", "ranks_per_node", "site slurm needs site.ranks_per_node:"),
        ("slurm", "walltime_s", "site slurm needs site.walltime_s:"),
        ("perlmutter", "account", r"site perlmutter needs site.account \(or FFN_ACCOUNT\):"),
        ("perlmutter", "queue", r"site perlmutter needs site.queue \(or FFN_QUEUE\):"),
        ("frontier", "account", r"site frontier needs site.account \(or FFN_ACCOUNT\):"),
        ("polaris", "account", r"site polaris needs site.account \(or FFN_ACCOUNT\):"),
        ("polaris", "filesystems", r"site polaris needs site.filesystems \(or FFN_FILESYSTEMS\):"),
        ("aurora", "queue", r"site aurora needs site.queue \(or FFN_QUEUE\):"),
        ("aurora", "walltime_s", "site aurora needs site.walltime_s:"),
        ("theta", "account", r"site theta needs site.account \(or FFN_ACCOUNT\):"),
        ("theta", "queue", r"site theta needs site.queue \(or FFN_QUEUE\):"),
    ],
)
def test_what_is_missing_is_asked_for_by_name(name: str, without: str, named: str) -> None:
    with pytest.raises(InputError, match=named):
        site_configs.check(run_on(name, 8, **{without: None}))


def test_account_and_queue_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FFN_ACCOUNT", "m9")
    monkeypatch.setenv("FFN_QUEUE", "debug")
    run = run_on("perlmutter", account=None, queue=None, walltime_s=1800)
    site_configs.check(run)
    assert {"#SBATCH --account=m9", "#SBATCH --qos=debug"} <= set(preview(run).splitlines())


@pytest.mark.parametrize(
    ("name", "ranks", "site", "said"),
    [
        ("perlmutter", 40, {"queue": "debug", "walltime_s": 1800}, "asks for 10 nodes; .*'debug'.* up to 8"),
        ("perlmutter", 8, {"queue": "debug"}, "walltime_s is 3600; .*'debug'.* up to 1800 s"),
        ("perlmutter", 8, {"queue": "interactive", "tile_nodes": 5}, "site.tile_nodes asks for 5 nodes"),
        (
            "frontier",
            8,
            {"walltime_s": 7201, "reservation": None},
            "walltime_s is 7201; .*'batch'.* up to 7200 s for 2 node",
        ),
        (
            "frontier",
            8,
            {"queue": "extended", "tile_nodes": 65, "reservation": None},
            "asks for 65 nodes; .*'extended'",
        ),
        ("slurm", 8, {"walltime_s": 600}, "no job would start a tile"),
        (
            "polaris",
            8,
            {"queue": "debug", "tile_nodes": 3},
            "asks for 3 nodes; .*'debug' of polaris takes up to 2",
        ),
        ("polaris", 8, {"queue": "prod", "tile_nodes": 12}, "asks for 2 node.*'prod'.* no fewer than 10"),
        ("polaris", 8, {"walltime_s": 3601}, "walltime_s is 3601; .*'debug-scaling'.* up to 3600 s"),
        ("aurora", 24, {"queue": "debug", "tile_nodes": 3}, "asks for 3 nodes; .*'debug' of aurora"),
        ("aurora", 24, {"queue": "prod", "tile_nodes": 256}, "asks for 2 node.*'prod'.* no fewer than 256"),
        ("aurora", 13, {"ranks_per_node": 13, "train_on_cpus": False}, "a node of aurora has 12 GPUs"),
        ("aurora", 208, {"ranks_per_node": 208}, "is 416; a node of aurora has 208 hardware threads"),
        ("polaris", 8, {"gpus_per_node": 5}, "gpus_per_node is 5; a node of polaris has 4 GPUs"),
        (
            "polaris",
            8,
            {"tile_jobs": 2},
            "tile_jobs is 2; queue 'debug-scaling' of polaris takes 1 of a user",
        ),
        (
            "polaris",
            8,
            {"training": {"queue": "prod"}},
            "ranks_per_node asks for 2 node.*'prod'.* fewer than 10",
        ),
        (
            "polaris",
            8,
            {"light": {"queue": "debug", "walltime_s": 9000}},
            "light.walltime_s is 9000; .*'debug'",
        ),
        ("polaris", 8, {"light": {"queue": "debog"}}, "site.light.queue is 'debog'; polaris has "),
        (
            "frontier",
            8,
            {"queue": "debug", "walltime_s": 7201, "reservation": None},
            "7201; .*'debug'.* 7200 s",
        ),
        (
            "theta",
            8,
            {"queue": "debug-cache-quad", "tile_nodes": 9},
            "asks for 9 nodes; .*'debug-cache-quad'",
        ),
        ("theta", 128, {"walltime_s": 4 * 3600}, "walltime_s is 14400; .*'default'.* up to 10800 s"),
        ("theta", 200, {"ranks_per_node": 200}, "is 400; a node of theta has 256 hardware threads"),
    ],
)
def test_a_job_too_large_for_its_queue_is_refused(
    name: str, ranks: int, site: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        site_configs.check(run_on(name, ranks, **site))


@pytest.mark.parametrize("name", ["perlmutter", "frontier", "polaris", "aurora", "theta"])
def test_a_queue_that_the_machine_does_not_have_is_refused_with_those_that_it_has(name: str) -> None:
    with pytest.raises(InputError, match=rf"site.queue is 'debugg'; {name} has .*`ffn sites`"):
        site_configs.check(run_on(name, queue="debugg", reservation=None))


def test_larger_jobs_on_frontier_may_run_longer() -> None:
    few = {"light": {"walltime_s": 7200}, "reservation": None}
    site_configs.check(run_on("frontier", 92 * 8, tile_nodes=92, walltime_s=6 * 3600, **few))


def test_the_limits_of_a_queue_do_not_hold_for_a_reservation() -> None:
    run = run_on("theta", queue="debug-cache-quad", tile_nodes=9, reservation="R.brain")
    site_configs.check(run)
    assert "#COBALT -q R.brain" in preview(run).splitlines()


def test_jobs_that_wait_for_each_other_because_a_queue_takes_few_are_told() -> None:
    assert site_configs.remarks(run_on("polaris", queue="debug", tile_nodes=2)) == []
    (told,) = site_configs.remarks(run_on("polaris"))
    assert told.startswith(
        "queue 'debug-scaling' takes 1 job of a user, so jobs take turns: tiles, train, light;"
    )
    own = {"queue": "debug"}
    assert site_configs.remarks(run_on("polaris", training=own, light=own)) == []


def test_what_is_light_has_a_small_job_of_its_own_where_tile_jobs_are_large() -> None:
    assert "=== light" not in preview(run_on("polaris", tile_nodes=1))
    large = preview(run_on("polaris", tile_nodes=10)).split("=== ")
    (light,) = [text for text in large if text.startswith("light")]
    assert "#PBS -l select=1:ncpus=64\n" in light
    in_prod = preview(run_on("polaris", 40, queue="prod", tile_nodes=10, light={"walltime_s": 1200}))
    (light,) = [text for text in in_prod.split("=== ") if text.startswith("light")]
    assert "#PBS -l select=10:" in light
    assert "#PBS -l walltime=00:20:00" in light


@pytest.mark.parametrize("name", ["slurm", "polaris", "theta"])
def test_several_tile_jobs_are_there_at_once_if_asked_for(name: str) -> None:
    run = run_on(name, tile_jobs=3, queue={"polaris": "debug"}.get(name, COMPLETE[name]["queue"]))
    executors = site_configs.parsl_config(run, BasicMemoizer(), lambda error, task: 1.0).executors
    most = {
        e.label: e.provider.max_blocks
        for e in executors
        if isinstance(e, BlockProviderExecutor) and e.provider
    }
    assert (most["tiles"], most["train"]) == (3, 1)


def test_where_nodes_are_shared_jobs_take_the_cpus_of_their_threads_and_are_bound_to_none() -> None:
    shown = preview(
        run_on(
            "slurm", 4, share_nodes=True, workers=3, threads_per_worker=2, ranks_per_node=2, gpus_per_node=2
        )
    )
    _, tiles, train, light, ranks = shown.split("=== ")
    assert "--exclusive" not in shown
    assert ["#SBATCH --cpus-per-task=6" in part for part in (tiles, light)] == [True, True]
    assert "#SBATCH --cpus-per-task=4" in train
    assert "--cpu-affinity none" in tiles
    assert "FFN_GPUS=:0,0,1" in tiles
    assert "--cpus-per-task=2" in ranks
    bound = preview(run_on("frontier", share_nodes=True, light={"nodes": 1}))
    assert "mask_cpu" not in bound
    assert "list:" not in bound


@pytest.mark.parametrize(("name", "process", "gpu"), [("perlmutter", 0, "0"), ("frontier", 1, "5")])
def test_who_uses_some_gpus_of_a_node_asks_for_all_and_finds_those_beside_the_cores(
    name: str, process: int, gpu: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_on(name, 2, gpus_per_node=2, workers=2, ranks_per_node=2)
    given = machine(name).node.gpu_numbers
    assert f"--gpus-per-node={len(given)}" in preview(run)
    shared = placement.gpus_of(run, machine(name), 2)
    variable = gpus.VISIBLE[shared.partition(":")[0]]
    monkeypatch.setenv(variable, ",".join(sorted(given)))  # as Slurm does for a step that has so many
    monkeypatch.setenv(gpus.SHARED_OUT, shared)
    for other in set(gpus.OTHERS_OF_AMD) - {variable}:
        monkeypatch.setenv(other, "")  # so that it is as before afterwards
    gpus.take_own(process)
    assert os.environ[variable] == gpu


def test_in_a_job_that_is_held_no_more_gpus_are_asked_for_than_are_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "1")
    run = run_on("perlmutter", 2, gpus_per_node=2, workers=2, ranks_per_node=2)
    line = launch_line(site_configs.rank_launcher(run), run) or []
    assert [word for word in line if "gpus-per-node" in word] == ["--gpus-per-node=2"]


@pytest.mark.parametrize("name", ["polaris", "theta"])
def test_nodes_are_shared_under_slurm_alone(name: str) -> None:
    with pytest.raises(InputError, match=r"site.share_nodes is for Slurm"):
        site_configs.check(run_on(name, 8, share_nodes=True))


def test_a_training_has_its_own_queue_and_walltime() -> None:
    run = run_on("perlmutter", training={"queue": "premium", "walltime_s": 7200})
    train, tiles = preview(run).split("=== ")[2], preview(run).split("=== ")[1]
    assert (train.startswith("train"), tiles.startswith("tiles")) == (True, True)
    assert ("#SBATCH --qos=premium" in train, "#SBATCH --time=120" in train) == (True, True)
    assert ("#SBATCH --qos=regular" in tiles, "#SBATCH --time=60" in tiles) == (True, True)


@pytest.mark.parametrize("name", COMPLETE)
def test_python_in_a_container_starts_workers_and_ranks_and_the_drivers_what_starts_the_ranks(
    name: str,
) -> None:
    inside = "apptainer exec --nv /lab/ffn.sif /opt/venv/bin/python"
    shown = preview(run_on(name, tile_nodes=2, python=inside)).split("=== ")
    started = {part.split("\n")[0]: f" {inside} REPOSITORY/" in part for part in shown[1:]}
    assert started == {"tiles": True, "light": True, "train": False, "ranks": True}
    with pytest.raises(InputError, match=r"site\.python is 'exec \"', which a shell does not read"):
        site_configs.check(run_on(name, python='exec "'))


@pytest.mark.parametrize("name", COMPLETE)
def test_a_host_name_that_means_nothing_to_nodes_is_refused_before_jobs_wait_in_vain(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("site_configs.executors.address_by_hostname", lambda: "127.0.1.1")
    with pytest.raises(InputError, match=r"stands for 127.0.1.1, .* set site.interface"):
        site_configs.check_address(run_on(name, interface=None))
    site_configs.check_address(run_on(name, interface="lo"))
    site_configs.check_address(Run(Path("/scratch/run"), RunConfig()))


def test_a_strict_shell_of_the_users_ends_no_job() -> None:
    """In which a variable that is not set, such as TMPDIR on many nodes, or a failure ends a script."""
    strict = cluster.worker_init(run_on("slurm", worker_init="set -euo pipefail"), machine("slurm"))
    script = f"{strict}\nfalse\necho status $?"
    done = subprocess.run(["bash", "-c", script], env={}, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("status 1\n", "")


def test_srun_is_not_told_how_many_cpus_the_job_asked_for() -> None:
    """Newer ones end where two variables of a job differ, in words quoted from bug reports of others."""
    srun = """srun() {
        [ "${SLURM_CPUS_PER_TASK-}${SLURM_TRES_PER_TASK-}" ] || return 0
        echo "fatal: cpus_per_task set by two different environment variables" >&2; return 1
    }"""
    init = cluster.worker_init(run_on("slurm"), machine("slurm"))
    told = {"SLURM_CPUS_PER_TASK": "2", "SLURM_TRES_PER_TASK": "cpu:1", "SRUN_CPUS_PER_TASK": "2"}
    script = f"{init}\n{srun}\nsrun && env | grep -c CPUS_PER_TASK"
    done = subprocess.run(["bash", "-c", script], env={**os.environ, **told}, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_a_site_has_defaults_which_the_run_file_can_change() -> None:
    assert run_on("aurora").config.site.workers == 12
    assert run_on("aurora", workers=6).config.site.workers == 6
    assert run_on("theta").config.site.threads_per_worker == 2


def test_what_is_said_of_jobs_does_not_count_on_this_machine() -> None:
    """A run file for a cluster with `--site local`: a plan would tell of workers that there are not."""
    jobs = {
        "workers": 3,
        "tile_nodes": 4,
        "tile_jobs": 2,
        "ranks_per_node": 1,
        "training": {"walltime_s": 60},
    }
    for name, workers, nodes in (("slurm", 24, 2), ("local", 3, 1)):
        document = {"site": {"name": name, **jobs}, "training": {"ranks": 2}}
        run = Run(Path("/scratch/run"), site_configs.with_defaults(RunConfig.model_validate(document)))
        assert (run.config.site.tile_workers, cluster.training_nodes(run)) == (workers, nodes)


def test_a_request_for_gpus_that_does_not_say_how_many_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected \{gpus\} in it"):
        RunConfig.model_validate({"site": {"gpu_request": "--gres=gpu:4"}})
    assert RunConfig.model_validate({"site": {"gpu_request": ""}}).site.gpu_request == ""


@pytest.mark.parametrize(("name", "workers", "sharing"), [("polaris", 16, 4), ("local", 3, 3)])
def test_a_batch_is_refused_that_the_workers_on_one_device_could_not_fill(
    tmp_path: Path, name: str, workers: int, sharing: int
) -> None:
    site = {"name": name, "workers": workers, "walltime_s": 3600, **COMPLETE.get(name, {})}

    def run(batch: int) -> Run:
        document = {"site": site, "inference": {"batch": batch}, "training": {"ranks": 40}}
        return Run(tmp_path, site_configs.with_defaults(RunConfig.model_validate(document)))

    site_configs.check(run(sharing))
    with pytest.raises(InputError, match=rf"inference\.batch is {sharing + 1}, .* which makes {sharing}"):
        site_configs.check(run(sharing + 1))
