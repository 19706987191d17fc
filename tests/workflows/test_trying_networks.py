"""A whole run that chooses its network: killed on the way, it does not try again what it has tried."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.results.artifacts import file_sha256
from tests.commands import as_from_a_terminal
from tests.tiny_run import RUN_FILE

pytestmark = pytest.mark.slow

pytest.importorskip("horovod", reason="Horovod is not installed")

PROGRAM = Path(__file__).parents[2] / "workflows" / "full_pipeline.py"
CHOICE = (
    "training.fovs=160",
    "training.validate_every_fovs=80",
    "training.choose_by=segmentation",
    "training.validation_box=0:48,0:48,56:88",
    "evaluation.box=0:48,0:48,72:104",
)


def start(folder: Path) -> subprocess.Popen[str]:
    (folder / "tiny.yaml").write_text(RUN_FILE)
    options = [part for setting in CHOICE for part in ("--set", setting)]
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), "--config", "tiny.yaml", "--run-dir", "run", *options],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=as_from_a_terminal,
    )


def kill_when(process: subprocess.Popen[str], path: Path) -> None:
    """SIGKILL the driver as soon as a file is there."""
    deadline = time.monotonic() + 180
    while not path.exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, f"{path} does not come"
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def record(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(f"{path}.done.json").read_text())
    return found


def test_a_killed_run_goes_on_and_takes_the_network_that_scored_best(tmp_path: Path) -> None:
    run = tmp_path / "run"
    first, network = run / "validation" / "fovs000000000080.json", run / "model" / "ffn.fovs000000000080.h5"
    kill_when(start(tmp_path), Path(f"{first}.done.json"))
    before = record(first), record(network)

    process = start(tmp_path)
    told = process.communicate(timeout=300)[0]
    assert process.returncode == 0, told
    assert (record(first), record(network)) == before

    found = json.loads((run / "validation.json").read_text())
    assert [one["fovs"] for one in found["networks"]] == [80, 160]
    chosen = run / "model" / f"ffn.fovs{found['chosen_fovs']:012d}.h5"
    assert file_sha256(run / "model" / "ffn.h5") == file_sha256(chosen)
    tile = next((run / "tiles").glob("z*/y*/*.h5"))
    assert record(tile)["inputs"]["model"] == file_sha256(chosen)

    assert f"chosen        the network after {found['chosen_fovs']:,} FOVs" in told
    assert told.count("FOVs: filled ARE") == 2
    assert "WARNING: 50% of the scored voxels chose the network" in told
    assert json.loads((run / "metrics.json").read_text())["chosen_by"] == 0.5
    report = json.loads((run / "report.json").read_text())
    points = report["choice"]["chart"]["series"][0]["points"]
    assert points == [[one["fovs"], one["filled"]["are"]] for one in found["networks"]]
    assert "Networks were tried on 0:48,0:48,56:88" in (run / "report.html").read_text()
