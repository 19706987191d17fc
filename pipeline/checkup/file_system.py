"""Whether a folder is seen by other machines too, by the type of the file system it lies on."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.checkup.finding import Finding, fail, ok, warn

MOUNTS = Path("/proc/self/mountinfo")

SHARED = re.compile(
    r"nfs4?|lustre|gpfs|beegfs|ceph|panfs|wekafs|daos|dvs|afs|cifs|smb3|glusterfs|orangefs|pvfs2|9p|fuse\b.*"
)
"""File systems that many machines mount; dvs is that of Cray's compute nodes."""

MEMORY = ("tmpfs", "ramfs", "devtmpfs")
PRIVATE = (Path("/tmp"), Path("/dev/shm"))
"""Folders that every machine has for itself."""


@dataclass(frozen=True)
class Mount:
    """Where a file system is mounted, and its type."""

    point: Path
    kind: str


def sharing(path: Path, mounts: str | None = None) -> Finding:
    """Whether the nodes of a cluster see `path`; `mounts` is the text of /proc/self/mountinfo."""
    real = Path(os.path.realpath(path))
    mount = mount_of(real, MOUNTS.read_text() if mounts is None else mounts)
    found = f"{path} is on {mount.kind} at {mount.point}"
    mend = "put it on a file system that the compute nodes mount"
    if SHARED.fullmatch(mount.kind):
        return ok(found)
    if mount.kind in MEMORY:
        return fail(f"{found}: in this machine's memory", mend)
    if any(real.is_relative_to(private) for private in PRIVATE):
        return fail(f"{path} is in a folder that every machine has for itself", mend)
    return warn(f"{found}: it looks local to this machine", f"unless the compute nodes see it too, {mend}")


def mount_of(real: Path, mounts: str) -> Mount:
    """The mount under which a resolved path lies; of several at one point, the last."""
    found = Mount(Path("/"), "unknown")
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        point = Path(_unescaped(before.split()[4]))
        if real.is_relative_to(point) and point.is_relative_to(found.point):
            found = Mount(point, after.split()[0])
    return found


def _unescaped(point: str) -> str:
    """The kernel writes blanks and backslashes as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), point)
