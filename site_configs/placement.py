"""How workers and ranks get onto the nodes of a job, each onto its own cores and next to its own GPU."""

from __future__ import annotations

from pipeline.errors import InputError
from pipeline.machine.gpus import HIDDEN, share_out
from pipeline.run_folder import Run
from pipeline.training.ranks import launchers as ranks
from pipeline.wording import counted
from site_configs import cluster
from site_configs.allocation import allocation
from site_configs.machine import Machine, Node
from site_configs.providers.launchers import WithPrefix
from site_configs.providers.slurm import OWN_LIMITS
from site_configs.stage_jobs import StageJob, gpu_request, gpus_asked
from site_configs.topology import Share, as_list, as_mask, shared_out, shares


def pools(run: Run, machine: Machine, job: StageJob) -> WithPrefix:
    """How the pools of workers are started: one on every node, which has all of it, or one on the first."""
    if not job.everywhere:
        return WithPrefix()
    nodes, launcher = job.nodes, machine.starts_by
    if launcher == "srun":
        # one task a node would be bound to one core; -l: every line of what they print begins with its node
        words = ["srun", f"--ntasks={nodes}", "-l", "--cpu-bind=none", *_beside_others(run, machine)]
        return WithPrefix(" ".join([*words, *gpu_request(run, machine, job.gpus).split()]))
    if launcher == "aprun":
        # -cc none: the manager has the whole node; -b: the program is read from the file system, not sent
        return WithPrefix(f"aprun -n {nodes} -N 1 -d {machine.node.cores or 1} -cc none -b")
    unbound = " --cpu-bind none" if launcher == "mpiexec" else ""
    return WithPrefix(f"mpiexec -n {nodes} --ppn 1{unbound}")


def affinity(run: Run, machine: Machine, workers: int) -> str:
    """Parsl's word for the cores of each worker of a node."""
    found = shares(_used(run, machine), workers)
    if found:
        return f"list:{':'.join(as_list(share.cpus) for share in found)}"
    return "none" if machine.node.cores is None or run.config.site.share_nodes else "block"


def gpus_of(run: Run, machine: Machine, processes: int) -> str:
    """The GPU of each process of a node, as `share_out` says it; empty where they have none."""
    count = run.config.site.gpus_per_node
    if not count:
        return "" if count is None else HIDDEN
    found = [share.gpu for share in shares(_used(run, machine), processes) if share.gpu is not None]
    plain = [str(gpu) for gpu in shared_out(range(count), processes)]
    return share_out(machine.node.gpus or "", found or plain)


def check(run: Run, machine: Machine) -> None:
    """Raise InputError when a node has not the GPUs or the hardware threads that the run would use."""
    site, name, node = run.config.site, run.config.site.name, machine.node
    there = len(node.gpu_numbers)
    if there and (site.gpus_per_node or 0) > there:
        raise InputError(
            f"site.gpus_per_node is {site.gpus_per_node}; a node of {name} has {counted(there, 'GPU')}"
        )
    if site.share_nodes and machine.scheduler != "slurm":
        raise InputError(f"site.share_nodes is for Slurm; {name} is under {machine.scheduler}: leave it out")
    if site.filesystems and machine.scheduler != "pbs":
        raise InputError(
            f"site.filesystems is for PBS; {name} is under {machine.scheduler}: say what it calls them in "
            "site.scheduler_options"
        )
    if site.gpu_request and site.gpus_per_node is None:
        raise InputError(
            f"site.gpu_request is {site.gpu_request!r}, and nothing says how many GPUs a node has: set "
            "site.gpus_per_node, 0 for CPUs"
        )
    asked = gpu_request(run, machine, gpus_asked(run, machine))
    if asked and asked.startswith("-") == (machine.scheduler == "pbs"):
        usual = {"pbs": "ngpus={gpus}"}.get(machine.scheduler, "--gres=gpu:{gpus}")
        raise InputError(
            f"GPUs are asked for by {asked!r} (gpu_request, of site or its description); {machine.scheduler} "
            f"takes words such as {usual}"
        )
    _check_threads(
        "site.workers x site.threads_per_worker", site.workers * site.threads_per_worker, run, node
    )
    if not run.config.trains:
        return
    per_node = cluster.ranks_per_node(run)
    if there and not site.train_on_cpus and per_node > there:
        raise InputError(f"site.ranks_per_node is {per_node}; a node of {name} has {counted(there, 'GPU')}")
    threads = run.config.training.threads_per_rank * per_node
    _check_threads("site.ranks_per_node x training.threads_per_rank", threads, run, node)


def _check_threads(settings: str, threads: int, run: Run, node: Node) -> None:
    if node.cores is not None and threads > node.cores * node.threads_per_core:
        raise InputError(
            f"{settings} is {threads}; a node of {run.config.site.name} has "
            f"{node.cores * node.threads_per_core} hardware threads"
        )


def rank_launcher(run: Run, machine: Machine) -> ranks.LineLauncher:
    """The line that starts the ranks; each has cores of its own, and its GPU where there are some."""
    site, training, per_node = run.config.site, run.config.training, cluster.ranks_per_node(run)
    gpus = HIDDEN if site.train_on_cpus else gpus_of(run, machine, per_node)
    found = shares(_used(run, machine), per_node)
    kinds: dict[str, type[ranks.LineLauncher]] = {"srun": ranks.SrunLauncher, "aprun": ranks.AprunLauncher}
    return kinds.get(machine.starts_by, ranks.MpiexecLauncher)(
        ranks=training.ranks,
        ranks_per_node=per_node,
        cpus_per_rank=_cpus_per_rank(run, machine, found),
        threads_per_rank=training.threads_per_rank,
        options=(*_binding(run, machine, found), *machine.rank_options),
        gpus=gpus,
        interface=site.interface or machine.interface,
        python=cluster.python_of(site),
    )


def _used(run: Run, machine: Machine) -> Node:
    """The node without the groups whose GPUs are not used; a part of one is any part."""
    count = run.config.site.gpus_per_node
    if run.config.site.share_nodes:
        return machine.node.model_copy(update={"groups": ()})
    if not count or not machine.node.gpu_numbers:
        return machine.node
    return machine.node.model_copy(update={"groups": machine.node.groups[:count]})


def _binding(run: Run, machine: Machine, found: list[Share]) -> list[str]:
    launcher, site = machine.starts_by, run.config.site
    if launcher == "srun":
        gpus = 0 if site.train_on_cpus else gpus_asked(run, machine)
        asked = gpu_request(run, machine, gpus).split()
        masks = ",".join(as_mask(share.cpus) for share in found)
        bound = f"--cpu-bind=mask_cpu:{masks}" if found else "--cpu-bind=cores"
        return [bound, *_beside_others(run, machine), *asked]
    if launcher == "aprun":
        of_a_core = _threads_of_a_core(run, machine)
        return ["-j", str(of_a_core), "-cc", "depth", "-b"]
    if launcher == "mpiexec" and found:
        return ["--cpu-bind", f"list:{':'.join(as_list(share.cpus) for share in found)}"]
    return []


def _beside_others(run: Run, machine: Machine) -> list[str]:
    """In a job that is held the ranks' step begins while that of the workers is there, idle; and srun may be
    on a login node, whose limits are not those of the job's."""
    return ["--overlap", OWN_LIMITS] if allocation(run.config.site, machine.scheduler) else []


def _cpus_per_rank(run: Run, machine: Machine, found: list[Share]) -> int | None:
    """None where the ranks' cores are listed: what else is asked for could be others."""
    if found:
        return None
    cores = machine.node.cores
    if machine.starts_by == "aprun" and cores is not None:
        return cores * _threads_of_a_core(run, machine) // cluster.ranks_per_node(run)
    return run.config.training.threads_per_rank


def _threads_of_a_core(run: Run, machine: Machine) -> int:
    """As many hardware threads of a core as the ranks of a node need."""
    threads = run.config.training.threads_per_rank * cluster.ranks_per_node(run)
    return -(-threads // (machine.node.cores or threads))
