"""What a run finds around it and does without: names of folders, a home, room for sockets, namesakes."""

from __future__ import annotations

import math
import os
import resource
from pathlib import Path

import site_configs
from pipeline.checkup import Finding, ok, warn
from pipeline.machine.own import REPOSITORY
from pipeline.machine.sockets import socket_folder
from pipeline.machine.user import LIBRARY_FOLDER, do_without_home, has_home
from pipeline.run_folder import Run
from site_configs.names import check_paths

ENOUGH_BYTES = 8e9
"""Of addresses. TensorFlow and Horovod alone take more than 1.2 GB of them."""

PACKAGES = ("apps", "pipeline", "site_configs", "workflows")


def names(run: Run) -> Finding:
    """Whether the paths of a run can be handed to its jobs. Raises InputError."""
    check_paths(run, site_configs.commands(run))
    return ok(f"{run.folder} can stand in a job's script")


def home() -> Finding:
    """Whether libraries can keep their files in a home."""
    if has_home():
        return ok(os.path.expanduser("~"))
    do_without_home()
    instead = os.environ[LIBRARY_FOLDER]
    return warn(
        f"{os.path.expanduser('~')} cannot be written; CloudVolume's files go to {instead}",
        "set HOME to a folder of yours if you have credentials for clouds there",
    )


def sockets() -> Finding:
    """Where processes of one machine meet. Raises InputError when they cannot."""
    return ok(f"in {socket_folder()}")


def limits() -> Finding:
    """Whether this process, and what it starts here, may have memory and time as they need."""
    memory = min(_limit(resource.RLIMIT_AS), _limit(resource.RLIMIT_DATA))
    seconds = _limit(resource.RLIMIT_CPU)
    if memory < ENOUGH_BYTES:
        return warn(
            f"a process may have {memory / 1e9:.1f} GB of memory here (ulimit -v, -d): libraries for which "
            "that is too little seem to be broken",
            "ulimit -v unlimited; ulimit -d unlimited, or ask the operators",
        )
    if seconds < math.inf:
        return warn(
            f"a process may have {seconds:.0f} s of CPU time here (ulimit -t) and is ended then, as the "
            "driver would be",
            "ulimit -t unlimited, or start the same command again when it was ended",
        )
    return ok("of memory and CPU time there are none that a run would meet")


def _limit(kind: int) -> float:
    soft, _ = resource.getrlimit(kind)
    return math.inf if soft == resource.RLIM_INFINITY else soft


def namesakes() -> Finding:
    """Whether PYTHONPATH has something under the names of this program's packages."""
    folders = [Path(folder) for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    found = [
        str(path)
        for folder in folders
        if not (folder.exists() and folder.samefile(REPOSITORY))
        for name in PACKAGES
        for path in (folder / name, folder / f"{name}.py")
        if path.exists()
    ]
    if not found:
        return ok(f"nothing on PYTHONPATH has the name of a package of {REPOSITORY}")
    return warn(
        f"{', '.join(found)}: not of this program, which the ffn-* commands would take for their own",
        f"take it off PYTHONPATH, or start python {REPOSITORY / 'workflows'}/... instead",
    )
