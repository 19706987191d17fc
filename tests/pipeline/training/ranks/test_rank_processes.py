"""Ranks are processes of this machine, on cores of their own, and none outlives the others."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pipeline.errors import InputError
from pipeline.training.ranks import rank_processes
from pipeline.training.ranks.cores import taken
from pipeline.training.ranks.rank import CORES
from pipeline.training.ranks.rank_processes import RankError, RankLaunch, run_locally

SAY_CORES = [sys.executable, "-c", f"import os; print(os.environ['{CORES}'])"]
HERE = sorted(os.sched_getaffinity(0))

needs_two = pytest.mark.skipif(len(HERE) < 2, reason="two ranks need two cores")


@pytest.fixture(autouse=True)
def own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Trainings of other tests that run beside these take cores too."""
    with tempfile.TemporaryDirectory(prefix="f") as folder:  # short: sockets may lie there
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", None)  # Python remembers the first
        yield


def test_a_failing_rank_ends_the_others_and_its_last_words_are_quoted(tmp_path: Path) -> None:
    script = (
        "import os, sys, time\n"
        "if os.environ['WHO'] == '1': sys.exit('no such luck')\n"
        "print(os.getpid(), flush=True); time.sleep(600)"
    )
    launch = RankLaunch([sys.executable, "-c", script], [{"WHO": "0"}, {"WHO": "1"}])
    with pytest.raises(RankError, match=r"(?s)rank 1 exited with status 1.*no such luck"):
        run_locally(launch, threads_per_rank=1, logs_folder=tmp_path)
    assert not any(psutil.pid_exists(int(p)) for p in (tmp_path / "rank_0.log").read_text().split())


def test_a_rank_that_ends_after_those_that_lost_it_is_the_one_at_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python and Horovod take their time to end: what it had said was lost behind what its peers said."""
    monkeypatch.setattr(rank_processes, "LAST_WORDS_S", 120)
    script = (
        "import os, sys, time\n"
        "if os.environ['WHO'] == '1': sys.exit('Horovod has been shut down.')\n"
        "print('image.h5 is cut off', flush=True); time.sleep(2); sys.exit(2)"
    )
    launch = RankLaunch([sys.executable, "-c", script], [{"WHO": "0"}, {"WHO": "1"}])
    with pytest.raises(InputError, match=r"^image\.h5 is cut off$"):
        run_locally(launch, threads_per_rank=1, logs_folder=tmp_path)


def test_a_rank_that_does_not_end_is_not_waited_for_by_those_that_lost_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rank_processes, "LAST_WORDS_S", 0.2)
    script = (
        "import os, sys, time\n"
        "time.sleep(3600) if os.environ['WHO'] == '0' else sys.exit('Horovod has been shut down.')"
    )
    launch = RankLaunch([sys.executable, "-c", script], [{"WHO": "0"}, {"WHO": "1"}])
    with pytest.raises(RankError, match="rank 1 exited with status 1"):
        run_locally(launch, threads_per_rank=1, logs_folder=tmp_path)


@needs_two
def test_each_rank_has_cores_of_its_own(tmp_path: Path) -> None:
    assert cores_of(2, tmp_path) == [HERE[:1], HERE[1:2]]


@needs_two
def test_cores_of_another_training_are_left_to_it(tmp_path: Path) -> None:
    with taken(HERE[:1], 1):
        assert cores_of(1, tmp_path) == [HERE[1:2]]
    assert cores_of(1, tmp_path) == [HERE[:1]]


def test_where_too_few_are_left_each_rank_may_use_all_and_none_is_taken(tmp_path: Path) -> None:
    with taken(HERE[:1], 1):
        assert cores_of(len(HERE), tmp_path) == [[]] * len(HERE)
        with taken(HERE, len(HERE)) as left:
            assert left == []
        with taken(HERE[1:], len(HERE) - 1) as left:
            assert left == HERE[1:]


def test_cores_of_a_process_that_is_killed_are_free_again(tmp_path: Path) -> None:
    script = "import sys, time; from pipeline.training.ranks.cores import taken\n" + (
        f"with taken([{HERE[0]}], 1) as own: print(own, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == f"[{HERE[0]}]\n"
        with taken(HERE[:1], 1) as own:
            other.kill()
            assert own == []
    with taken(HERE[:1], 1) as own:
        assert own == HERE[:1]


def cores_of(ranks: int, logs: Path) -> list[list[int]]:
    """What each rank of a training on this machine is pinned to."""
    run_locally(RankLaunch(SAY_CORES, [{}] * ranks), threads_per_rank=1, logs_folder=logs)
    said = [(logs / f"rank_{rank}.log").read_text().strip() for rank in range(ranks)]
    return [[int(core) for core in line.split(",") if core] for line in said]
