"""What listens during a run: on one machine nothing that another machine or another user could reach."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from small_run import SmallRun

from pipeline.training.ranks.horovod_ranks import rendezvous
from tests.listening import assert_nobody_else_can_reach, listening, watching

pytest.importorskip("horovod", reason="Horovod is not installed")
pytestmark = pytest.mark.slow

SMALL = {
    "network.depth": 2,
    "network.features": 8,
    "training.fovs": 80,
    "training.choose_by": "last",
    "training.validation_box": "",
    "inference.box": "0:48,0:48,64:112",
    "inference.deltas": "[4, 4, 4]",
    "inference.batch": 2,  # so that workers share a process that runs the network
    "inference.passes": [],
    "agglomeration.enabled": False,
}


def options(settings: dict[str, object]) -> list[str]:
    return [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]


def test_everything_that_a_local_run_listens_on_is_this_machines_and_this_users(tmp_path: Path) -> None:
    run = SmallRun(tmp_path, options(SMALL))
    with watching(run.processes) as found:
        assert run.finish() == 0, run.tail()
    assert_nobody_else_can_reach(found, ["full_pipeline.py", "HTEX interchange", "engines.batches"])
    certificates = list(run.folder.glob("logs/parsl/*/*/certificates"))
    assert len(certificates) == 2
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in certificates} == {0o700}


def test_a_rank_that_waits_for_others_listens_on_this_machine_alone() -> None:
    """During a run that is over in a moment, and may not be seen."""
    program = "from pipeline.training.ranks.horovod_ranks import Ranks; Ranks()"
    with rendezvous(2) as (environment, _):
        command = [sys.executable, "-c", program]
        with subprocess.Popen(command, env={**os.environ, **environment}) as waiting:
            try:
                rank = psutil.Process(waiting.pid)
                while not (found := listening([rank])):
                    assert waiting.poll() is None, "it has ended"
                    time.sleep(0.1)
            finally:
                waiting.kill()
    assert {one.where for one in found} == {"127.0.0.1"}
