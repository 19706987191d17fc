"""How processes that talk to each other on one machine can meet: by sockets with short paths, by its name."""

from __future__ import annotations

import os
import socket
import tempfile
from multiprocessing.util import get_temp_dir
from pathlib import Path

from pipeline.errors import InputError

MOST_BYTES = 60
"""Of a folder's path. A socket's may have 107 on Linux; Python and MPI put up to 47 below the folder."""

SHORT = (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"))


def require_host_name() -> None:
    """Raise InputError unless this machine's host name stands for an address, which Gloo looks up and dies
    without."""
    name = socket.gethostname()
    try:
        socket.getaddrinfo(name, None)
    except OSError:
        raise InputError(
            f"the host name of this machine, {name!r}, stands for no address, and ranks could not meet: add "
            f"the line '127.0.0.1 {name}' to /etc/hosts"
        ) from None


def socket_folder() -> Path:
    """The folder of temporary files or, where its path is too long, another one that can be written.

    Raises InputError when there is none.
    """
    usual = Path(tempfile.gettempdir())
    for folder in (usual, *SHORT):
        if len(os.fsencode(folder)) <= MOST_BYTES and os.access(folder, os.W_OK | os.X_OK):
            return folder
    raise InputError(
        f"no socket can be made in {usual}: its path is longer than {MOST_BYTES} bytes, and none of "
        f"{', '.join(map(str, SHORT))} can be written; set TMPDIR to a folder with a short path"
    )


def keep_sockets_short() -> None:
    """From now on this process's and its children's multiprocessing has its sockets in `socket_folder`."""
    usual = tempfile.tempdir
    tempfile.tempdir = str(socket_folder())
    try:
        get_temp_dir()  # is made once, and removed when the process ends
    finally:
        tempfile.tempdir = usual
