"""A study, with real trainings: killed and started again, and with a point that cannot be trained."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import h5py
import numpy as np
import pytest
import typer
import yaml
from parsl.dataflow.memoization import BasicMemoizer
from typer.testing import CliRunner

from pipeline.results.records import record_path
from pipeline.settings.run_file import read_config
from pipeline.training.ranks.launchers import SrunLauncher
from tests.sites import run_on
from tests.tiny_run import RUN_FILE
from workflows.command_line import ending_plainly
from workflows.output import KeepingConsole
from workflows.planning.rates import Rates
from workflows.studies.chain import StudyChain, launcher_of
from workflows.studies.design import Sizes
from workflows.studies.designs import DESIGNS
from workflows.studies.point import make_point
from workflows.studies.results import Results
from workflows.study import study

APP = typer.Typer()
APP.command()(ending_plainly(study))
PROGRAM = Path(__file__).parents[2] / "workflows" / "study.py"
START_S = 300
TINY = (
    "--fovs",
    "60",
    "--set",
    "training.ranks=1",
    "--set",
    "training.batch_size=1",
    "--set",
    "training.fov_moves=fixed",  # so that examples end, and are scored, in every line of so short a log
    "--set",
    "site.idle_s=5",
)
TOO_HIGH = "1e30"
"""A rate after whose first step nothing is finite."""


def options(folder: Path) -> list[str]:
    return ["--config", str(folder / "run.yaml"), "--run-dir", str(folder / "studies"), *TINY]


def call(folder: Path, kind: str, *more: str) -> tuple[int, str]:
    """The exit code and all that was printed, without starting a process."""
    done = CliRunner().invoke(APP, [kind, *options(folder), *more])
    return done.exit_code, done.output


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "run.yaml").write_text(RUN_FILE)
    return tmp_path


@pytest.mark.slow
def test_a_killed_study_goes_on_and_a_point_that_fails_does_not_lose_the_others(folder: Path) -> None:
    pytest.importorskip("horovod", reason="Horovod is not installed")
    rates = ["--ranks", "1", "--rates", f"0.005,{TOO_HIGH}"]
    command = [sys.executable, str(PROGRAM), "learning-rate", *options(folder), *rates]
    killed = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    trained = await_network(folder / "studies" / "points", killed)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    made = trained.stat().st_mtime_ns
    log = (trained.parents[1] / "logs" / "training.jsonl").read_bytes()

    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "error: point ranks_1-batch_1-rate_1e+30-seed_1-" in done.stderr
    assert "no network is published" in done.stderr
    assert "1 point made and kept" in done.stderr
    assert trained.stat().st_mtime_ns == made, "what was made is not made again"
    assert (trained.parents[1] / "logs" / "training.jsonl").read_bytes() == log

    results = folder / "studies" / "learning-rate"
    document = json.loads((results / "study.json").read_text())
    assert [point["rate"] for point in document["points"]] == [0.005]
    assert len(document["missing"]) == 1
    scored = [line["fovs_seen"] for line in map(json.loads, log.splitlines()) if line["f1"] is not None]
    assert document["points"][0]["fovs"] == scored
    assert scored[-1] >= 50
    assert "1 failed and are missing" in (results / "figure.svg").read_text()
    ElementTree.parse(results / "figure.svg")
    assert (results / "table.csv").read_text().startswith("ranks,rate,accuracy,F1,")
    assert (results / "table.md").read_text().count("\n") == 3

    code, said = call(folder, "learning-rate", *rates, "--dry-run")
    assert code == 0
    assert said.count("made already") == 1
    measured = Rates.model_validate_json((trained.parents[1] / "rates.json").read_bytes()).train
    assert measured is not None
    assert measured.step_s, "plans can be made by what a point has measured"
    kept = read_config(trained.parents[1] / "config.yaml")
    assert kept.training.learning_rate == 0.005, "the point is a run that other commands can read"


def await_network(points: Path, process: subprocess.Popen[bytes]) -> Path:
    """The first network that is finished below a study's points."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        for model in points.glob("*/model/ffn.h5"):
            if record_path(model).exists():
                return model
        time.sleep(0.05)
    raise AssertionError(f"no point was trained; the study ended with {process.poll()}")


@pytest.mark.parametrize(
    ("kind", "more", "said"),
    [
        ("curves", ["--rates", "0.1"], "--rates is of no use to the study curves; it takes --repeats and"),
        ("strong-scaling", ["--ranks", "0,1"], "--ranks '0,1': expected numbers such as 1,2,4"),
        ("batch-size", ["--batches", "1,1"], "--batches '1,1': expected numbers such as 1,2,4, each once"),
        ("learning-rate", ["--rates", "fast"], "--rates 'fast': expected numbers such as 1,2,4"),
        ("throughput", ["--precisions", "float16"], "expected float32 or mixed_bfloat16, or both"),
        ("strong-scaling", ["--ranks", "64"], "ranks is 64, more than sampling.coordinates, 50"),
        ("search", ["--ranks", "1"], "--ranks is of no use to the study search; it takes --space, --trials"),
        ("search", ["--space", "training.rnks=1,2"], "training.rnks is no setting"),
        ("curves", ["--set", "network.checkpoint=x.h5"], "a study trains its networks"),
    ],
)
def test_what_cannot_be_studied_is_refused_in_one_line(
    folder: Path, kind: str, more: list[str], said: str
) -> None:
    code, output = call(folder, kind, *more)
    assert (code, output.count("\n")) == (1, 1), output
    assert said in output
    assert not (folder / "studies").exists()


def test_studies_with_a_training_in_common_share_its_point(folder: Path) -> None:
    names = []
    for kind in ("strong-scaling", "batch-size", "curves"):
        code, said = call(folder, kind, "--dry-run")
        assert code == 0, said
        names.append({line.split()[0] for line in said.splitlines() if line.startswith("ranks_")})
    assert len(set.intersection(*names)) == 1
    assert len(set.union(*names)) == 2 + 3 + 3 - 2
    assert not (folder / "studies").exists(), "a dry run writes nothing"


def test_a_study_needs_no_disk_for_a_segmentation(folder: Path) -> None:
    """As of a volume of terabytes of which a little is labelled."""
    with h5py.File(folder / "volumes.h5", "w") as file:
        shape, chunks = (48, 48, 56), (64, 64, 64)
        image = file.create_dataset("raw", (20_000,) * 3, np.uint8, chunks=chunks, fillvalue=100)
        image[: shape[0], : shape[1], : shape[2]] = np.random.default_rng(0).integers(0, 255, shape)
        file["labels"] = np.repeat(np.array([1, 2], np.uint64), 24)[:, None, None] + np.zeros(
            shape, np.uint64
        )
    data: dict[str, object] = {
        "image": "volumes.h5:raw",
        "labels": "volumes.h5:labels",
        "labels_box": "0:48,0:48,0:56",
    }
    data |= {"folder": str(folder), "voxel_size_nm": [8, 8, 8], "image_mean": 128, "image_stddev": 40}
    document = {**yaml.safe_load(RUN_FILE), "data": {**data, "max_missing": 1}}
    del document["inference"]["box"]
    (folder / "run.yaml").write_text(yaml.safe_dump(document))
    code, said = call(folder, "batch-size", "--batches", "1", "--dry-run")
    assert code == 0, said


def test_that_results_are_of_an_earlier_start_is_told_where_no_point_was_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = Results("curves", DESIGNS["curves"], Sizes(fovs=100), tmp_path / "curves")
    results.folder.mkdir()
    told = f"WARNING: figure, tables and study.json in {results.folder} are of an earlier start\n"
    with (tmp_path / "log").open("w") as log:
        for there in (False, True):
            results.publish([], {"p": OSError("no GPU")}, KeepingConsole(log))
            assert (told in capsys.readouterr().err) == there
            (results.folder / "study.json").touch()


def test_a_batch_system_gets_a_job_of_its_own_size_for_each_number_of_ranks(tmp_path: Path) -> None:
    base = run_on("slurm")
    points = [
        make_point(base, tmp_path / "points", 100, {"ranks": n, "seed": s}) for n in (2, 8) for s in (1, 2)
    ]
    sizes = Sizes(fovs=100)
    chain = StudyChain(base, points, Results("curves", DESIGNS["curves"], sizes, tmp_path / "curves"))
    config = chain.parsl_config(BasicMemoizer(), lambda error, task: 1.0)
    nodes = {e.label: e.provider.nodes_per_block for e in config.executors if hasattr(e, "provider")}
    assert nodes == {"train_2": 1, "train_8": 4}
    assert isinstance(launcher := launcher_of(points[-1]), SrunLauncher)
    assert (launcher.ranks, launcher.nodes) == (8, 4)
