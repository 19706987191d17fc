"""`ffn align` on machines with a batch system: the bytes of an alignment on this one."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.synthetic.microscope import Microscope
from tests.machines import Machine, thorough

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).parents[2] / "workflows" / "align.py"
MICROSCOPE = Microscope(sections=4, tile=96, overlap=30, wavelength=240, bent=1, moved=2, turned=1, margin=32)
SETTINGS = """
tiles: {table: tiles.csv, voxel_size_nm: [40, 10, 10]}
volume: {chunk: [2, 64, 64], block: [2, 128, 128]}
"""
ON_NODES = ("workers=1", "tile_nodes=2", "walltime_s=3600", "interface=lo", "poll_s=1")


def align(folder: Path, run: str, *options: str) -> dict[str, str]:
    """What it leaves: the SHA-256 of each file, but for records, logs and what says where it was made."""
    command = [sys.executable, str(PROGRAM), "--config", "align.yaml", "--run-dir", run, *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    made = sorted(path for part in ("aligned", "alignment") for path in (folder / run / part).rglob("*"))
    return {
        str(path.relative_to(folder / run)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in made
        if path.is_file() and not path.name.endswith(".done.json")
    }


@pytest.mark.parametrize("machine", [*thorough("theta", "polaris", "aurora"), "slurm"], indirect=True)
def test_an_alignment_on_nodes_ends_in_the_bytes_of_a_local_one(machine: Machine, tmp_path: Path) -> None:
    MICROSCOPE.take(tmp_path, seed=3)
    (tmp_path / "align.yaml").write_text(SETTINGS)
    settings = [word for setting in ON_NODES for word in ("--set", f"site.{setting}")]
    on_nodes = align(tmp_path, "nodes", "--site", machine.site, *machine.needs, *settings)
    assert on_nodes == align(tmp_path, "local")
    assert any(name.startswith("aligned/") and name.endswith("_0-2") for name in on_nodes)
