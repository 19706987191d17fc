"""What listens during a run: on one machine nothing that another machine or another user could reach."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest
from small_run import SmallRun

from tests.listening import PRIVATE, Listening, listening

pytest.importorskip("horovod", reason="Horovod is not installed")
pytestmark = pytest.mark.slow

SMALL = {
    "network.depth": 2,
    "network.features": 4,
    "training.fovs": 800,
    "inference.box": "0:48,0:48,64:112",
    "inference.batch": 2,  # so that workers share a process that runs the network
}
EVERY_S = 0.05


def options(settings: dict[str, object]) -> list[str]:
    return [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]


def watched(run: SmallRun) -> set[Listening]:
    """All that was seen listening while the run was at work."""
    driver = run.start()
    found: set[Listening] = set()
    try:
        while driver.poll() is None:
            found |= listening(run.processes())
            time.sleep(EVERY_S)
    finally:
        run.end()
    assert driver.returncode == 0, run.tail()
    return found


def test_everything_that_a_local_run_listens_on_is_this_machines_and_this_users(tmp_path: Path) -> None:
    run = SmallRun(tmp_path, options(SMALL))
    found = watched(run)
    assert {one.where for one in found} == {"127.0.0.1", PRIVATE}
    for expected in (
        "full_pipeline.py",
        "HTEX interchange",
        "pipeline.training.ranks.rank",
        "engines.batches",
    ):
        assert any(expected in one.who for one in found), f"{expected} was not seen: {found}"
    certificates = list(run.folder.glob("logs/parsl/*/*/certificates"))
    assert len(certificates) == 2
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in certificates} == {0o700}
