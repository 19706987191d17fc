"""Locks that the kernel frees when their holder dies, where the file system knows them."""

from __future__ import annotations

import errno
import fcntl

ENOTSUPP = 524
"""The kernel's own, which some network file systems let out; Python has no name for it."""

UNSUPPORTED = (errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, ENOTSUPP)


def lock(handle: int, how: int) -> bool:
    """flock an open file with `how`, a combination of fcntl.LOCK_*.

    True: it is locked until the file is closed or the process ends. False: the file system has no such locks.
    Raises BlockingIOError when LOCK_NB is asked for and another holds it.
    """
    try:
        fcntl.flock(handle, how)
    except OSError as error:
        if error.errno in UNSUPPORTED:
            return False
        raise
    return True
