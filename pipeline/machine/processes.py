"""Processes that must not outlive the one that started them.

`python -m pipeline.machine.processes PID COMMAND...` becomes COMMAND, which gets SIGTERM when its parent PID
ends.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # from <linux/prctl.h>


def die_with_parent(parent: int, signum: int = signal.SIGKILL) -> None:
    """Ask the kernel to send this process a signal as soon as its parent, process id `parent`, ends.

    Holds however the parent ends, SIGKILL included; a parent that is gone already counts. Linux only,
    elsewhere nothing happens. What the process becomes by exec keeps the promise.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signum)
    if os.getppid() != parent:
        os.kill(os.getpid(), signum)


if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]), signal.SIGTERM)
    try:
        os.execvp(sys.argv[2], sys.argv[2:])
    except OSError as error:
        sys.exit(f"{sys.argv[2]}: {error.strerror}")
