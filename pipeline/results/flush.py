"""Flush what is written to the disk, where the file system knows how."""

from __future__ import annotations

import errno
import os

UNSUPPORTED = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)


def flush(handle: int) -> bool:
    """fsync an open file or folder.

    False: the file system does not know how. Only a crash of the machine can then tear what was written, and
    the record of a torn file does not fit it. Raises OSError when the disk refuses what was written.
    """
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno in UNSUPPORTED:
            return False
        raise
    return True
