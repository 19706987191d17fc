"""Tie a process to its parent: when the parent dies, however it dies, so does the process.

Parsl's interchange outlives a driver that is killed and goes on feeding the workers. Started
through this module it ends with its driver, and the managers end when it stops answering.
"""

from __future__ import annotations

import os
import resource
import runpy
import shutil
import sys
from pathlib import Path

from pipeline.errors import InputError
from pipeline.machine.own import module_command
from pipeline.machine.processes import die_with_parent


def interchange_command(output: Path) -> list[str]:
    """The command that starts Parsl's interchange tied to the driver; what it prints goes to `output`.

    The script is looked for beside the running Python first: the environment may not be activated. Raises
    InputError when there is none.
    """
    beside = Path(sys.executable).parent / "interchange.py"
    script = str(beside) if beside.exists() else shutil.which("interchange.py")
    if script is None:
        raise InputError(
            f"Parsl's interchange.py is neither beside {sys.executable} nor on PATH: install Parsl again"
        )
    return module_command("site_configs.tether", str(os.getpid()), str(output), script)


def main() -> None:
    """Run the script that the command line names."""
    parent, output, *script = sys.argv[1:]
    handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    for stream in (1, 2):
        os.dup2(handle, stream)
    die_with_parent(int(parent))
    # Each node's pool of workers is a connection; login nodes often allow 1024 open files, and more to
    # whoever asks.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # Ctrl-C goes to every process of the terminal's group: it must reach the driver alone, which needs its
    # interchange to stop in order.
    os.setsid()
    # Parsl gives the process another title, which would overwrite the environment by which it is known.
    os.environ["SPT_NOENV"] = "1"
    sys.argv = script
    # here, and not by exec: site_configs/light_parsl.py shortens its start
    runpy.run_path(script[0], run_name="__main__")


if __name__ == "__main__":
    main()
