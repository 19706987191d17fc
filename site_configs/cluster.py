"""What a run must say on a machine with a batch system, and what its jobs must know."""

from __future__ import annotations

import os
import shlex

from pipeline.config import Site
from pipeline.errors import InputError
from pipeline.machine.sockets import MOST_BYTES
from pipeline.results.attempts.fencing import ATTEMPT, RUN, newest_attempt
from pipeline.run_folder import Run
from site_configs.machine import Machine
from site_configs.names import check_commands, check_line, check_words

VARIABLES = {"account": "FFN_ACCOUNT", "queue": "FFN_QUEUE", "filesystems": "FFN_FILESYSTEMS"}
"""Settings of `site` that the environment may give instead."""

OF_SRUN = ("SLURM_EXPORT_ENV", "SLURM_CPUS_PER_TASK", "SRUN_CPUS_PER_TASK", "SLURM_TRES_PER_TASK")
"""Where a user lets sbatch export nothing, srun would do the same with what a job has set up. Since 23.11
it ends where two of the others differ, as they do where memory brought a job more CPUs than it asked for, and
takes them for the number of CPUs of each of its tasks."""


def account(site: Site) -> str | None:
    """The project to charge."""
    return site.account or os.environ.get(VARIABLES["account"])


def queue(site: Site) -> str | None:
    """The queue, partition or QOS to submit to."""
    return site.queue or os.environ.get(VARIABLES["queue"])


def filesystems(site: Site) -> str | None:
    """The file systems without which a job is not to start."""
    return site.filesystems or os.environ.get(VARIABLES["filesystems"])


def ranks_per_node(run: Run) -> int:
    """Training ranks on a node; never more than there are in all."""
    ranks = run.config.training.ranks
    return min(run.config.site.ranks_per_node or ranks, ranks)


def training_nodes(run: Run) -> int:
    """Nodes of the job that trains."""
    return -(-run.config.training.ranks // ranks_per_node(run))


def require(run: Run, *names: str) -> None:
    """Raise InputError unless all these settings of `site` are given and a job has the time for a tile."""
    site = run.config.site
    given = {
        **site.model_dump(),
        "account": account(site),
        "queue": queue(site),
        "filesystems": filesystems(site),
    }
    named = {name: given[name] for name in (*VARIABLES, "reservation")}
    own = {"training.queue": site.training.queue, "light.queue": site.light.queue}
    check_words({**named, **own}, site.scheduler_options)
    check_line("gpu_request", site.gpu_request or "")
    check_commands(site.worker_init)
    missing = [name for name in names if given[name] in (None, "")]
    if missing:
        how = ", ".join(f"site.{n}" + (f" (or {VARIABLES[n]})" if n in VARIABLES else "") for n in missing)
        raise InputError(f"site {site.name} needs {how}: set it in the run file or by --set")
    if site.walltime_s is not None and site.walltime_s <= site.tile_time_s:
        raise InputError(
            f"site.walltime_s is {site.walltime_s}: no job would start a tile; it must be more than "
            f"site.tile_time_s, {site.tile_time_s}"
        )


def worker_init(run: Run, machine: Machine) -> str:
    """Shell commands that make a job ready to work for the run, whatever the batch system hands on.

    The machine's and the site's own commands come first, so that none of them changes what is this
    program's. By a `set -eu` in them a variable that is not set would end the job, or a failure before its
    exit status is kept. A job's own folder of temporary files may have a path that is too long for sockets.
    Of Slurm's variables those are unset by which srun would take what is asked of the job for what is asked
    of it, OF_SRUN.
    """
    attempt = os.environ.get(ATTEMPT) or newest_attempt(run.folder) + 1
    folder = shlex.quote(os.path.realpath(run.folder))
    commands = [
        machine.worker_init,
        run.config.site.worker_init,
        "set +eu",
        f"unset {' '.join(OF_SRUN)}" if machine.scheduler == "slurm" else "",
        f'[ "${{#TMPDIR}}" -le {MOST_BYTES} ] || export TMPDIR=/tmp',
        f"export {RUN}={folder} {ATTEMPT}={attempt}",
    ]
    return "\n".join(command for command in commands if command)


def python_of(site: Site) -> tuple[str, ...]:
    """The words that start Python on nodes; none where it is the driver's. Raises InputError."""
    try:
        return tuple(shlex.split(site.python or ""))
    except ValueError as error:
        raise InputError(f"site.python is {site.python!r}, which a shell does not read: {error}") from None


def walltime(seconds: int | None) -> str:
    """HH:MM:SS, as Parsl's providers take it."""
    seconds = seconds or 0
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
