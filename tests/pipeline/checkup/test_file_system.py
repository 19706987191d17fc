"""Which folders the nodes of a cluster see, by the mounts of a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.checkup.file_system import MOUNTS, mount_of, sharing

CLUSTER = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:21 / /dev/shm rw - tmpfs tmpfs rw
24 22 0:40 / /home rw,relatime shared:7 master:2 - nfs4 server:/home rw
25 22 0:41 / /lus/grand rw - lustre 10.0.0.1@tcp:/grand rw
26 22 0:42 / /gpfs/alpine rw - gpfs alpine rw
27 22 0:43 / /mnt/with\040blank rw - fuse.sshfs far: rw
28 24 8:2 / /home/me/local rw - xfs /dev/sdb1 rw
29 22 0:44 / /late rw - nfs server:/late rw
30 22 0:45 / /late rw - tmpfs tmpfs rw
""".strip()


@pytest.mark.parametrize(
    ("path", "kind", "state"),
    [
        ("/home/me/run", "nfs4", "ok"),
        ("/lus/grand/projects/run", "lustre", "ok"),
        ("/gpfs/alpine/run", "gpfs", "ok"),
        ("/mnt/with blank/run", "fuse.sshfs", "ok"),
        ("/home/me/local/run", "xfs", "warn"),
        ("/homes/run", "ext4", "warn"),
        ("/late/run", "tmpfs", "FAIL"),
        ("/dev/shm/run", "tmpfs", "FAIL"),
        ("/tmp/run", "ext4", "FAIL"),
    ],
)
def test_the_type_of_the_file_system_decides(path: str, kind: str, state: str) -> None:
    assert mount_of(Path(path), CLUSTER).kind == kind
    assert sharing(Path(path), CLUSTER).state == state


def test_a_link_counts_as_what_it_leads_to(tmp_path: Path) -> None:
    link = tmp_path / "scratch"
    link.symlink_to("/lus/grand")
    assert sharing(link / "run", CLUSTER).state == "ok"


def test_the_mounts_of_this_machine_can_be_read() -> None:
    assert mount_of(Path("/proc/self"), MOUNTS.read_text()).kind == "proc"
