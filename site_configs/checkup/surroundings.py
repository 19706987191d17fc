"""What a run finds around it and does without: names of folders, a home, room for sockets, namesakes."""

from __future__ import annotations

import os
from pathlib import Path

import site_configs
from pipeline.checkup import Finding, ok, warn
from pipeline.machine.own import REPOSITORY
from pipeline.machine.sockets import socket_folder
from pipeline.machine.user import LIBRARY_FOLDER, do_without_home, has_home
from pipeline.run_folder import Run
from site_configs.names import check_paths

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
