"""What the user reads when the input is wrong: one line, exit code 1, and nothing on disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.commands import said
from workflows.full_pipeline import main

REPOSITORY = Path(__file__).parents[2]
PROGRAM = REPOSITORY / "workflows" / "full_pipeline.py"

RUN_FILE = """
data: {folder: ., image: "em.h5:raw", labels: "em.h5:labels"}
network: {fov: [17, 17, 17], deltas: [4, 4, 4], depth: 2, features: 4}
inference: {tile: [40, 40, 40], overlap: [20, 20, 20]}
training: {box: "0:40,0:64,0:64"}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "em.h5", "w") as file:
        file["raw"] = rng.integers(0, 255, (64, 64, 64), dtype=np.uint8)
        file["labels"] = rng.integers(0, 5, (64, 64, 64), dtype=np.uint32)
        file["short"] = np.zeros((60, 64, 64), np.uint32)
        nan = np.zeros((64, 64, 64), np.float32)
        nan[3, 4, 5] = np.nan
        file["nan"] = nan
        huge = np.zeros((64, 64, 64))
        huge[:, :, ::2] = 1e300
        file["huge"] = huge
        file["wide"] = np.zeros((64, 64, 64), np.int64)
        file["blank"] = np.zeros((64, 64, 64), np.uint8)
        file["flat"] = np.zeros((64, 64), np.uint8)
    (tmp_path / "torn.h5").write_bytes((tmp_path / "em.h5").read_bytes()[:3000])
    (tmp_path / "run.yaml").write_text(RUN_FILE)
    return tmp_path


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROGRAM), "--config", "run.yaml", "--run-dir", "result", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def published_checkpoint(fib25: Path) -> str:
    return str(fib25 / "checkpoint" / "model.ckpt-27465036")


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("data.image=absent.h5:raw", "absent.h5: no such file"),
        ("data.image=torn.h5:raw", "torn.h5 is not a readable HDF5 file"),
        ("data.image=em.h5:grey", "no dataset 'grey'; its datasets: blank, flat, huge, labels"),
        ("data.image=em.h5:wide", "holds int64; expected integers of 8 to 32 bits"),
        ("data.image=em.h5:blank", "is blank in 0:64,0:64,0:64"),
        ("data.image=em.h5:flat", "(64, 64)"),
        ("data.image=em.h5:nan", "NaN"),
        ("data.image=em.h5:huge", "em.h5:huge has values as large as 1e+300"),
        ("training.learning_rate=.nan", "training.learning_rate is nan: Input should be a finite number"),
        ("seed=-1", "seed is -1"),
        ("training.ranks=010", "training.ranks is 010: a number that begins with 0"),
        ("data.labels=em.h5:short", "has shape (60, 64, 64)"),
        ("data.labels=em.h5:nan", "holds float32; expected integer ids"),
        ("inference.box=0:64,0:64,0:65", "inference.box 0:64,0:64,0:65 reaches outside the image"),
        ("inference.box=0:64,0:10,0:64", "smaller than the network.fov of 17"),
        ("training.box=0:99,0:64,0:64", "training.box 0:99,0:64,0:64 reaches outside"),
        ("evaluation.box=0:99,0:64,0:64", "evaluation.box 0:99,0:64,0:64 reaches outside"),
        ("inference.tile=[16,40,40]", "inference.tile is 16 along z, smaller than the network.fov of 17"),
        ("inference.overlap=[40,20,20]", "must be less than the tile, 40"),
        ("inference.tyle=[40,40,40]", "did you mean 'tile'?"),
        ("network.checkpoint=absent", "no such checkpoint"),
        ("site.name=thetta", "unknown site 'thetta'; known sites: aurora, frontier, local"),
    ],
)
def test_a_wrong_input_ends_in_one_line_and_leaves_nothing(
    folder: Path,
    setting: str,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In this process, as there are many of them; those below start the program."""
    monkeypatch.chdir(folder)
    before = sorted(os.listdir(folder))
    code, shown = said(
        main, ["--config", "run.yaml", "--run-dir", "result", "--set", setting], monkeypatch, capsys
    )
    assert code == 1
    assert shown.startswith("error: ")
    assert expected in shown
    assert len(shown.splitlines()) == 1
    assert sorted(os.listdir(folder)) == before


def test_a_checkpoint_of_another_depth_is_refused(folder: Path, fib25: Path) -> None:
    ended = run(folder, "--set", f"network.checkpoint={published_checkpoint(fib25)}")
    assert ended.returncode == 1
    assert "has depth 12, 32 features, 638,433 weights" in ended.stderr
    assert "the configured network has depth 2, 4 features" in ended.stderr


def test_a_run_folder_that_is_a_file_is_refused(folder: Path) -> None:
    (folder / "result").write_text("in the way")
    ended = run(folder)
    assert ended.returncode == 1
    assert "result is a file, not a folder" in ended.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_run_folder_without_permission_is_refused(folder: Path) -> None:
    (folder / "result").mkdir(mode=0o555)
    ended = run(folder)
    assert ended.returncode == 1
    assert "no permission to write in" in ended.stderr


def test_a_disk_without_room_is_refused(folder: Path) -> None:
    shape = "data.phantom.shape=[400000,400000,400000]"
    ended = run(folder, "--set", "data.image=phantom", "--set", shape, "--set", "data.labels=phantom")
    assert ended.returncode == 1
    assert "GB needed at most" in ended.stderr


def test_a_dry_run_says_what_would_run_and_writes_nothing(folder: Path) -> None:
    before = sorted(os.listdir(folder))
    ended = run(folder, "--dry-run")
    assert ended.returncode == 0, ended.stderr
    assert "27 tiles (3 x 3 x 3)" in ended.stdout
    assert "2 ranks of 1 thread" in ended.stdout
    assert "metrics.json" in ended.stdout
    assert sorted(os.listdir(folder)) == before
