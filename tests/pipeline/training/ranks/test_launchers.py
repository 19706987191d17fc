"""Launch lines: the ranks find each other, none outlives its launcher, and what became of them is told."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from pipeline.errors import InputError, Untrainable
from pipeline.training.ranks.launch_line import address_of
from pipeline.training.ranks.launchers import AprunLauncher, LineLauncher, MpiexecLauncher, SrunLauncher
from pipeline.training.ranks.rank_processes import RankError, RankLost

pytestmark = pytest.mark.slow

RANK = ["python", "-m", "rank", "folder"]


def has_hydra() -> bool:
    """Whether mpiexec is MPICH's; that of Open MPI has other options."""
    found = shutil.which("mpiexec")
    return found is not None and "HYDRA" in subprocess.check_output([found, "--version"], text=True)


@dataclass(frozen=True)
class ShellLauncher(LineLauncher):
    """A launch line of our own, for two nodes that are both this machine."""

    rank_variables = ("SHELL_RANK",)
    program: str = ""

    def command(self, rank_command: Sequence[str]) -> list[str]:
        start = " ".join(f"(export SHELL_RANK={rank}; exec {{}}) & pids+=($!);" for rank in range(self.ranks))
        rank = f"{sys.executable} -c '{self.program}' {rank_command[-1]}"
        # `wait -n` would now and then miss one of two that end at the same moment
        waiting = "status=0; for pid in ${pids[@]}; do wait $pid || status=1; done; exit $status"
        return ["bash", "-c", f"trap 'kill $(jobs -p)' EXIT; {start.format(*[rank] * self.ranks)} {waiting}"]


JOIN = """
import os, signal, sys, time
from pathlib import Path
from pipeline.training.ranks.launched_rank import join
status_file = join(Path(sys.argv[1]))
rank = os.environ["HOROVOD_RANK"]
"""


def shell_launcher(program: str, ranks: int = 4) -> ShellLauncher:
    return ShellLauncher(ranks, ranks // 2, 1, 1, interface="lo", program=JOIN + program)


def log(folder: Path, rank: int) -> str:
    return (folder / "logs" / "training" / f"rank_{rank}.log").read_text()


def test_every_rank_learns_its_place_and_computes_with_the_others(tmp_path: Path) -> None:
    pytest.importorskip("horovod", reason="Horovod is not installed")
    program = (
        "import numpy; from pipeline.training.ranks.horovod_ranks import Ranks\n"
        "ranks = Ranks(); total = ranks.total(numpy.array([10.0 ** ranks.rank]))\n"
        'names = ["RANK", "SIZE", "LOCAL_RANK", "LOCAL_SIZE", "CROSS_RANK", "CROSS_SIZE"]\n'
        'print(*(os.environ[f"HOROVOD_{name}"] for name in names), int(total[0]), end=" ")\n'
        'print(*map(ascii, ranks.gather("é" * ranks.rank))); ranks.leave()'
    )
    shell_launcher(program).run(tmp_path)
    words = [log(tmp_path, rank).splitlines()[-1].split() for rank in range(4)]
    gathered = [ascii("é" * rank) for rank in range(4)]
    assert words == [
        ["0", "4", "0", "2", "0", "2", "1111", *gathered],
        ["1", "4", "1", "2", "0", "2", "1111", *gathered],
        ["2", "4", "0", "2", "1", "2", "1111", *gathered],
        ["3", "4", "1", "2", "1", "2", "1111", *gathered],
    ]


def test_only_the_user_can_read_the_secret_of_the_ranks(tmp_path: Path) -> None:
    shell_launcher('print("here")').run(tmp_path)
    (file,) = [path for path in tmp_path.rglob("*") if path.is_file() and "RENDEZVOUS" in path.read_text()]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@dataclass(frozen=True)
class JoinedByMpiexec(MpiexecLauncher):
    """The ranks are a program of the test's."""

    program: str = ""

    def command(self, rank_command: Sequence[str]) -> list[str]:
        return super().command([sys.executable, "-c", self.program, rank_command[-1]])


@pytest.mark.skipif(not has_hydra(), reason="no MPICH: apt-get install mpich")
def test_ranks_started_by_mpiexec_meet_over_mpi_if_horovod_has_it_and_else_by_gloo(tmp_path: Path) -> None:
    horovod = pytest.importorskip("horovod.tensorflow", reason="Horovod is not installed")
    program = JOIN + (
        "import numpy; from pipeline.training.ranks.horovod_ranks import Ranks\n"
        "ranks = Ranks(); total = ranks.total(numpy.array([10.0 ** ranks.rank]))\n"
        'print(rank, ranks.rank, int(total[0]), os.environ["HOROVOD_CONTROLLER"]); ranks.leave()'
    )
    JoinedByMpiexec(2, 1, 1, 1, interface="lo", program=program).run(tmp_path)
    transport = "mpi" if horovod.mpi_built() else "gloo"
    ends = [log(tmp_path, rank).splitlines()[-1] for rank in range(2)]
    assert ends == [f"{rank} {rank} 11 {transport}" for rank in range(2)]


@pytest.mark.parametrize(("status", "kind"), [(2, InputError), (3, Untrainable)])
def test_a_rank_that_refuses_its_input_is_the_users_error(
    status: int, kind: type[InputError], tmp_path: Path
) -> None:
    program = f'print("labels.h5: no labels"); status_file.write_text("{status}"); sys.exit({status})'
    with pytest.raises(InputError, match=r"^labels.h5: no labels$") as caught:
        shell_launcher(program).run(tmp_path)
    assert type(caught.value) is kind


def test_the_rank_at_fault_is_quoted_and_not_the_peers_that_it_took_along(tmp_path: Path) -> None:
    program = (
        'print("Horovod has been shut down" if rank != "2" else "division by zero")\n'
        'status_file.write_text("1"); time.sleep(1); sys.exit(1)'
    )
    with pytest.raises(RankError, match=r"(?s)training rank 2 failed.*division by zero") as caught:
        shell_launcher(program).run(tmp_path)
    assert not isinstance(caught.value, RankLost)


def test_a_killed_rank_is_lost_and_can_be_tried_again(tmp_path: Path) -> None:
    """Its peers fail because it is gone, and are not taken for the ones at fault."""
    pytest.importorskip("horovod", reason="Horovod is not installed")
    program = (
        "import numpy, traceback; from pipeline.training.ranks.horovod_ranks import Ranks\n"
        "ranks = Ranks(); ranks.total(numpy.ones(1))\n"
        'if rank == "1": os.kill(os.getpid(), signal.SIGKILL)\n'
        "try: ranks.total(numpy.ones(1))\n"
        'except Exception: traceback.print_exc(); status_file.write_text("1"); time.sleep(3); sys.exit(1)'
    )
    with pytest.raises(RankLost, match="training rank 1 ended without a word"):
        shell_launcher(program, ranks=2).run(tmp_path)
    assert "Traceback" in log(tmp_path, 0)


def test_a_launch_line_that_starts_nothing_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(RankError, match=r"(?s)no training rank was started.*srun"):
        SrunLauncher(2, 2, 1, 1, options=("--no-such-option",), interface="lo").run(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are tied to each other by a Linux call")
def test_ranks_end_with_a_launcher_that_is_killed(tmp_path: Path) -> None:
    """Its launch line ends by SIGTERM; one that is deaf to it leaves ranks that notice by themselves."""
    program = "print(os.getpid(), flush=True); time.sleep(600)"
    script = (
        "import pickle, sys; from pathlib import Path\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from test_launchers import *\n"
        f"shell_launcher({program!r}).run(Path(sys.argv[2]))"
    )
    launcher = subprocess.Popen(
        [sys.executable, "-c", script, str(Path(__file__).parent), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])},
    )
    logs = [tmp_path / "logs" / "training" / f"rank_{rank}.log" for rank in range(4)]
    wait_until(lambda: all(path.exists() and path.read_text().strip() for path in logs))
    pids = [int(path.read_text().split()[0]) for path in logs]
    (line,) = psutil.Process(launcher.pid).children()
    os.kill(line.pid, signal.SIGSTOP)  # deaf
    launcher.send_signal(signal.SIGKILL)
    launcher.wait()
    # the first rank of each node watches; its peers are told by Horovod, or by their launch line
    wait_until(lambda: not any(is_at_work(pid) for pid in (pids[0], pids[2])))
    os.kill(line.pid, signal.SIGCONT)
    wait_until(lambda: not any(is_at_work(pid) for pid in pids))


def test_the_command_lines_say_ranks_nodes_and_cpus() -> None:
    srun = SrunLauncher(8, 4, 16, 8, options=("--gpus-per-task=1",)).command(RANK)
    assert srun[0] == "srun"
    assert {"--nodes=2", "--ntasks=8", "--ntasks-per-node=4", "--cpus-per-task=16"} <= set(srun)
    assert srun[-5:] == ["--gpus-per-task=1", *RANK]
    mpiexec = MpiexecLauncher(8, 4, 8, 8, options=("--depth=8",)).command(RANK)
    assert mpiexec == ["mpiexec", "-n", "8", "--ppn", "4", "--depth=8", *RANK]
    aprun = AprunLauncher(4, 1, 64, 64, options=("-cc", "depth")).command(RANK)
    assert aprun == ["aprun", "-n", "4", "-N", "1", "-d", "64", "-cc", "depth", *RANK]
    launcher = SrunLauncher(8, 4, 16, 8)
    assert pickle.loads(pickle.dumps(launcher)) == launcher


def test_ranks_that_do_not_fill_their_nodes_are_refused() -> None:
    with pytest.raises(InputError, match=r"training.ranks is 5; .* must be a multiple of 2"):
        SrunLauncher(5, 2, 1, 1)


def test_an_interface_that_is_not_there_is_named_with_those_that_are() -> None:
    assert address_of("lo", 2) == "127.0.0.1"
    with pytest.raises(InputError, match=r"site.interface: .* no network interface 'hsn9' .* it has .*lo"):
        address_of("hsn9", 1)


@pytest.mark.parametrize(
    ("found", "nodes", "said"),
    [
        ("10.1.2.3", 2, ""),
        ("127.0.1.1", 1, ""),
        ("127.0.1.1", 2, "stands for 127.0.1.1 there, and ranks could not meet: set site.interface"),
        ("", 1, "stands for no IPv4 address there"),
    ],
)
def test_the_name_of_a_node_must_lead_the_ranks_of_others_to_it(
    monkeypatch: pytest.MonkeyPatch, found: str, nodes: int, said: str
) -> None:
    def look_up(name: str) -> str:
        if not found:
            raise socket.gaierror(-2, "Name or service not known")
        return found

    monkeypatch.setattr("socket.gethostbyname", look_up)
    if not said:
        assert address_of(None, nodes) == found
        return
    with pytest.raises(InputError, match=f"^the name of node {socket.gethostname()} {said}"):
        address_of(None, nodes)


def is_at_work(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
