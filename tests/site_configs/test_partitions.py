"""Partitions of a real Slurm: what they do not take is refused before it is submitted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import site_configs
from pipeline.config import RunConfig
from pipeline.errors import InputError
from pipeline.run_folder import Run
from site_configs.partitions import seconds


def run_with(**site: Any) -> Run:
    settings = {"name": "slurm", "walltime_s": 3600, "ranks_per_node": 1, **site}
    return Run(Path("/scratch/run"), RunConfig.model_validate({"site": settings}))


def sinfo_says(folder: Path, monkeypatch: pytest.MonkeyPatch, *rows: str) -> None:
    """Put a `sinfo` that prints these rows before the real one."""
    command = folder / "sinfo"
    command.write_text("#!/bin/sh\n" + "".join(f"echo '{row}'\n" for row in rows))
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.mark.usefixtures("slurm")
@pytest.mark.parametrize(
    ("site", "said"),
    [
        ({"queue": "debug,nope"}, "site.queue: no partition 'nope'; there are debug"),
        ({"queue": "nope"}, "site.queue: no partition 'nope'; there are debug"),
        ({"tile_nodes": 5}, "site.tile_nodes asks for 5 nodes; queue 'debug' of slurm takes up to 4"),
        ({"walltime_s": 3601}, "site.walltime_s is 3601; queue 'debug' of slurm takes up to 3600 s"),
    ],
)
def test_what_the_partition_does_not_take_is_refused(site: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        site_configs.check(run_with(**site))


@pytest.mark.usefixtures("slurm")
def test_what_it_takes_is_accepted() -> None:
    site_configs.check(run_with(tile_nodes=4))
    site_configs.check(run_with(queue="debug"))
    site_configs.check(run_with(queue="debug,debug", tile_nodes=4))


@pytest.mark.usefixtures("slurm")
def test_a_qos_is_not_looked_for_among_the_partitions(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("description: mine\nscheduler: slurm\nqueue_option: qos\n")
    site_configs.check(run_with(name=str(mine), queue="normal"))


def test_the_sizes_that_a_partition_takes_of_one_job_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slurm queues what is smaller or larger, without end (PartitionNodeLimit)."""
    sinfo_says(
        tmp_path, monkeypatch, "few*|1:00:00|1-2|100", "large|1:00:00|4-infinite|100", "four|1:00:00|4|100"
    )
    site_configs.check(run_with(tile_nodes=2))
    with pytest.raises(InputError, match="asks for 3 nodes; queue 'few' of slurm takes up to 2"):
        site_configs.check(run_with(tile_nodes=3))
    with pytest.raises(InputError, match=r"asks for 3 nodes; queue 'large' of slurm takes no fewer than 4"):
        site_configs.check(run_with(tile_nodes=3, queue="large"))
    with pytest.raises(InputError, match="asks for 5 nodes; queue 'four' of slurm takes up to 4"):
        site_configs.check(run_with(tile_nodes=5, queue="four", light={"nodes": 4}))


def test_a_partition_that_an_option_names_is_the_one_that_must_take_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sinfo_says(tmp_path, monkeypatch, "short*|1:00:00|1-infinite|4", "long|2-00:00:00|1-infinite|2")
    site_configs.check(run_with(walltime_s=86400, scheduler_options=["-p long"]))
    with pytest.raises(InputError, match="asks for 4 nodes; queue 'long' of slurm takes up to 2"):
        site_configs.check(run_with(tile_nodes=4, scheduler_options=["--partition=long"]))
    with pytest.raises(InputError, match=r"no partition 'longer'; there are long, short"):
        site_configs.check(run_with(scheduler_options=["--partition=longer"]))


def test_a_qos_beside_the_partition_may_lift_what_that_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sinfo_says(tmp_path, monkeypatch, "short*|1:00:00|1-infinite|4")
    site_configs.check(run_with(walltime_s=86400, scheduler_options=["--qos=long"]))
    with pytest.raises(InputError, match=r"site.walltime_s is 86400"):
        site_configs.check(run_with(walltime_s=86400))
    monkeypatch.setenv("SBATCH_QOS", "long")
    site_configs.check(run_with(walltime_s=86400))


def test_what_a_site_prints_around_the_partitions_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sinfo_says(tmp_path, monkeypatch, "Maintenance | on Monday", "a|b|c|3", "debug*|1:00:00|1-infinite|4", "")
    with pytest.raises(InputError, match="asks for 5 nodes; queue 'debug' of slurm takes up to 4"):
        site_configs.check(run_with(tile_nodes=5))


def test_of_several_partitions_one_must_take_the_job_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One has the nodes, and another the time: such a job would stay in the queue."""
    sinfo_says(tmp_path, monkeypatch, "wide|1:00:00|1-infinite|100", "long|1-00:00:00|1-infinite|4")
    site_configs.check(run_with(queue="wide,long", tile_nodes=4, walltime_s=86400))
    site_configs.check(run_with(queue="long,wide", tile_nodes=100))
    with pytest.raises(InputError, match=r"walltime_s is 86400; .*'wide,long'.* up to 3600 s for 5 node"):
        site_configs.check(run_with(queue="wide,long", tile_nodes=5, walltime_s=86400))


def test_where_the_run_names_no_partition_that_of_a_users_environment_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it does for sbatch: the default one takes no such job, and is not asked."""
    sinfo_says(tmp_path, monkeypatch, "debug*|1:00:00|1-infinite|4", "long|1-00:00:00|1-infinite|4")
    with pytest.raises(InputError, match="queue 'debug' of slurm takes up to 3600 s"):
        site_configs.check(run_with(walltime_s=86400))
    monkeypatch.setenv("SBATCH_PARTITION", "long")
    site_configs.check(run_with(walltime_s=86400))


def test_where_no_slurm_answers_it_has_the_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    site_configs.check(run_with(tile_nodes=10_000))


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("30:00", 1800),
        ("1:00:00", 3600),
        ("2-00:00:00", 172_800),
        ("1-12:30:05", 131_405),
        ("infinite", 10**9),
    ],
)
def test_times_are_read_as_slurm_writes_them(time: str, expected: int) -> None:
    assert seconds(time) == expected
