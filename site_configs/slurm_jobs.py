"""What the jobs of all Slurm sites have in common."""

from __future__ import annotations

from typing import Any

from pipeline.run_folder import Run
from pipeline.training.ranks import launchers as ranks
from site_configs import cluster
from site_configs.providers.launchers import WithPrefix
from site_configs.providers.slurm import SlurmProvider

COMMANDS = ("sbatch", "squeue", "scancel", "srun")


def training_job(run: Run, nodes: int, **machine: Any) -> SlurmProvider:
    """Jobs of `nodes` nodes, on the first of which Parsl's worker runs; `machine` is added to the request."""
    return _provider(run, nodes, WithPrefix(), machine)


def tile_job(run: Run, **machine: Any) -> SlurmProvider:
    """Jobs of `site.tile_nodes` nodes, each of which runs a manager that has the whole node."""
    nodes = run.config.site.tile_nodes
    # one task a node would be bound to one core; -l: every line of what they print begins with its node
    return _provider(run, nodes, WithPrefix(f"srun --ntasks={nodes} -l --cpu-bind=none"), machine)


def rank_per_gpu(run: Run, gpus: int, cpus: int, *options: str) -> ranks.SrunLauncher:
    """One rank a GPU unless `site.ranks_per_node` says otherwise, on nodes of so many GPUs and CPUs."""
    training, per_node = run.config.training, cluster.ranks_per_node(run, gpus)
    return ranks.SrunLauncher(
        ranks=training.ranks,
        ranks_per_node=per_node,
        cpus_per_rank=cpus // max(per_node, gpus),
        threads_per_rank=training.threads_per_rank,
        options=("--cpu-bind=cores", "--gpus-per-task=1", *options),
        interface=run.config.site.interface or "hsn0",
    )


def _provider(run: Run, nodes: int, launcher: WithPrefix, machine: dict[str, Any]) -> SlurmProvider:
    """A job is submitted when there is a task for it, one at a time."""
    site = run.config.site
    options = [*([f"--reservation={site.reservation}"] if site.reservation else []), *site.scheduler_options]
    return SlurmProvider(
        account=cluster.account(site),
        nodes_per_block=nodes,
        init_blocks=0,
        min_blocks=0,
        max_blocks=1,
        walltime=cluster.walltime(site),
        scheduler_options="\n".join(f"#SBATCH {option}" for option in options),
        worker_init=cluster.worker_init(run),
        launcher=launcher,
        poll_s=site.poll_s,
        **machine,
    )
