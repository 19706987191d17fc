"""Sites with a batch system: what they ask of the user, and exactly what they would submit."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from parsl.dataflow.memoization import BasicMemoizer

import site_configs
from pipeline.config import RunConfig
from pipeline.errors import InputError
from pipeline.run_folder import Run
from site_configs.executors import shared_out, shared_out_cuda
from site_configs.preview import launch_line, submit_scripts
from tests.sites import COMPLETE, run_on

REPOSITORY = Path(__file__).parents[2]
SNAPSHOTS = Path(__file__).parent / "snapshots"
"""To renew one: delete it and run the test, which then writes it and fails; read the difference."""


def preview(run: Run) -> str:
    """Scripts and launch line, with this machine's paths by name."""
    config = site_configs.parsl_config(run, BasicMemoizer(), lambda error, task: 1.0)
    line = launch_line(site_configs.rank_launcher(run), run)
    assert line is not None
    texts = [f"=== {label}\n{script}" for label, script in submit_scripts(run, config).items()]
    text = "\n".join([*texts, "=== ranks", " ".join(line), ""])
    text = text.replace(sys.executable, "PYTHON").replace(str(REPOSITORY), "REPOSITORY")
    return re.sub(r" +$", "", text, flags=re.MULTILINE)


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FFN_ACCOUNT", "FFN_QUEUE", "FFN_FILESYSTEMS", "FFN_ATTEMPT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", COMPLETE)
def test_what_would_be_submitted_is_as_it_was_read_and_approved(name: str) -> None:
    found, snapshot = preview(run_on(name)), SNAPSHOTS / f"{name}.txt"
    if not snapshot.exists():
        snapshot.parent.mkdir(exist_ok=True)
        snapshot.write_text(found)
        pytest.fail(f"{snapshot} was not there and is written now")
    assert found == snapshot.read_text()


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
        ("frontier", 8, {"walltime_s": 7201}, "walltime_s is 7201; .*'batch'.* up to 7200 s for 2 node"),
        ("frontier", 8, {"queue": "extended", "tile_nodes": 65}, "asks for 65 nodes; .*'extended'"),
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
        ("aurora", 24, {"walltime_s": 7 * 3600}, "walltime_s is 25200; .*'prod'.* up to 21600 s for 1 node"),
        ("aurora", 13, {"ranks_per_node": 13}, "a node of aurora has 12 GPU tiles"),
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
    with pytest.raises(InputError, match=rf"site.queue is 'debugg'; {name} has .* site_configs/{name}.py"):
        site_configs.check(run_on(name, queue="debugg"))


def test_larger_jobs_on_frontier_may_run_longer() -> None:
    site_configs.check(run_on("frontier", 92 * 8, tile_nodes=92, walltime_s=6 * 3600))


def test_the_limits_of_a_queue_do_not_hold_for_a_reservation() -> None:
    run = run_on("theta", queue="debug-cache-quad", tile_nodes=9, reservation="R.brain")
    site_configs.check(run)
    assert "#COBALT -q R.brain" in preview(run).splitlines()


@pytest.mark.parametrize("name", COMPLETE)
def test_a_host_name_that_means_nothing_to_nodes_is_refused_before_jobs_wait_in_vain(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("site_configs.executors.address_by_hostname", lambda: "127.0.1.1")
    with pytest.raises(InputError, match=r"stands for 127.0.1.1, .* set site.interface"):
        site_configs.check_address(run_on(name, interface=None))
    site_configs.check_address(run_on(name, interface="lo"))
    site_configs.check_address(Run(Path("/scratch/run"), RunConfig()))


def test_a_site_has_defaults_which_the_run_file_can_change() -> None:
    assert run_on("aurora").config.site.workers == 12
    assert run_on("aurora", workers=6).config.site.workers == 6
    assert run_on("theta").config.site.threads_per_worker == 2


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


def test_workers_share_the_gpus_of_a_node_evenly() -> None:
    assert shared_out(2, ["0", "1", "2", "3"]) == ["0", "2"]
    assert shared_out(6, ["0.0", "0.1", "1.0"]) == ["0.0", "0.0", "0.1", "0.1", "1.0", "1.0"]


@pytest.mark.parametrize("workers", [1, 2, 4, 6, 8, 12, 13])
def test_workers_share_nvidias_gpus_evenly_after_parsl_has_divided(workers: int) -> None:
    """Parsl 2026.10, process_worker_pool: a worker's GPU is its accelerator // (workers // GPUs)."""
    per_gpu = workers // 4
    used = [int(given) // per_gpu if per_gpu else int(given) for given in shared_out_cuda(workers, 4)]
    assert used == [int(gpu) for gpu in shared_out(workers, ["0", "1", "2", "3"])]
