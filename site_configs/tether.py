"""Tie a process to its parent: when the parent dies, however it dies, so does the process.

Parsl's interchange outlives a driver that is killed and goes on feeding the workers. Started
through this module it ends with its driver, and the managers end when it stops answering.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1  # from <linux/prctl.h>


def die_with_parent() -> None:
    """Ask the kernel to kill this process as soon as its parent ends (Linux only)."""
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before we asked
        os.kill(os.getpid(), signal.SIGKILL)


def interchange_command() -> list[str]:
    """The command that starts Parsl's interchange tied to the driver.

    The script is looked for beside the running Python first: the environment may not be activated.
    """
    beside = Path(sys.executable).parent / "interchange.py"
    script = str(beside) if beside.exists() else shutil.which("interchange.py")
    if script is None:
        raise FileNotFoundError(f"Parsl's interchange.py is neither beside {sys.executable} nor on PATH")
    return [sys.executable, "-m", "site_configs.tether", script]


if __name__ == "__main__":
    die_with_parent()
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
