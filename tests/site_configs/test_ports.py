"""What listens during a run: on one machine nothing that another machine or another user could reach."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from small_run import SmallRun

from tests.listening import assert_nobody_else_can_reach, watching

pytest.importorskip("horovod", reason="Horovod is not installed")
pytestmark = pytest.mark.slow

SMALL = {
    "network.depth": 2,
    "network.features": 4,
    "training.fovs": 800,
    "inference.box": "0:48,0:48,64:112",
    "inference.batch": 2,  # so that workers share a process that runs the network
}


def options(settings: dict[str, object]) -> list[str]:
    return [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]


def test_everything_that_a_local_run_listens_on_is_this_machines_and_this_users(tmp_path: Path) -> None:
    run = SmallRun(tmp_path, options(SMALL))
    with watching(run.processes) as found:
        assert run.finish() == 0, run.tail()
    assert_nobody_else_can_reach(
        found, ["full_pipeline.py", "HTEX interchange", "pipeline.training.ranks.rank", "engines.batches"]
    )
    certificates = list(run.folder.glob("logs/parsl/*/*/certificates"))
    assert len(certificates) == 2
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in certificates} == {0o700}
