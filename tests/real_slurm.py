"""A real Slurm on this machine: four virtual nodes of four CPUs each, one partition, no accounting."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

TEMPLATE = Path(__file__).with_name("slurm.conf.in")
DAEMONS = ("munged", "slurmctld", "slurmd")
SBIN = "/usr/sbin:/sbin"


@contextmanager
def running_slurm(folder: Path) -> Iterator[None]:
    """Slurm's commands work inside this context; tests are skipped where its daemons cannot be started."""
    search = f"{os.environ['PATH']}:{SBIN}"
    missing = [name for name in DAEMONS if shutil.which(name, path=search) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)}: apt-get install slurm-wlm munge")
    if os.geteuid() != 0:
        pytest.skip("Slurm's daemons are started by root only")
    for name in ("state", "spool", "log"):
        (folder / name).mkdir()
    ports = free_ports(5)
    text = TEMPLATE.read_text().replace("@D@", str(folder))
    text = text.replace("@PORT@", str(ports[0])).replace("@PORTS@", f"{ports[1]}-{ports[4]}")
    configuration = folder / "slurm.conf"
    configuration.write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", search)
        patch.setenv("SLURM_CONF", str(configuration))
        try:
            start(folder, configuration)
            yield
        finally:
            stop(folder)


def start(folder: Path, configuration: Path) -> None:
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o600)
    munged = {
        "key-file": key,
        "socket": folder / "munge.sock",
        "pid-file": folder / "munged.pid",
        "log-file": folder / "log" / "munged.log",
        "seed-file": folder / "munged.seed",
    }
    call("munged", *(f"--{name}={path}" for name, path in munged.items()), "--force")
    call("slurmctld", "-c", "-f", str(configuration))
    for node in range(1, 5):
        call("slurmd", "-f", str(configuration), "-N", f"n{node}")
    deadline = time.monotonic() + 30
    while call("sinfo", "--noheader", "--format=%T %D") != "idle 4":
        assert time.monotonic() < deadline, "Slurm's nodes do not come up"
        time.sleep(0.2)


def stop(folder: Path) -> None:
    """End the jobs and then the daemons, each by its own process id."""
    subprocess.run(["scancel", "--user=root"], check=False)
    time.sleep(1)
    subprocess.run(["scontrol", "shutdown"], check=False, capture_output=True)
    pid_files = [*folder.glob("*.pid")]
    time.sleep(1)
    for path in pid_files:
        try:
            os.kill(int(path.read_text()), signal.SIGTERM)
        except (OSError, ValueError):
            continue  # it has ended


def end_walltime(job_id: str) -> None:
    """Let the walltime of a running job be over in 3 s. Slurm looks at that every half a minute."""
    call("scontrol", "update", f"JobId={job_id}", "EndTime=now+3")


def free_ports(count: int) -> list[int]:
    """Consecutive ports below the range from which the kernel gives some away."""
    for first in range(16800 + os.getpid() % 1000 * 5, 30000, count):
        ports = list(range(first, first + count))
        if all(is_free(port) for port in ports):
            return ports
    raise RuntimeError("no free ports")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def call(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout.strip()
