"""Where the processes of one user on one machine find each other, and nobody else finds them."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from pipeline.errors import InputError
from pipeline.machine.sockets import socket_folder


def private_folder() -> Path:
    """A folder for sockets and locks of this machine, which only this user can enter.

    Raises InputError where something else has its name: whoever made it could pose as one of us.
    """
    folder = socket_folder() / f"ffn-{os.getuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise InputError(
            f"{folder} is not a folder that only you can enter (your own, mode 700): remove it, or set "
            "TMPDIR to another folder on this machine"
        )
    return folder
