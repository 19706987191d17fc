"""The whole workflow on a small phantom: real ranks, real workers, real files."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from pipeline.config import Network
from pipeline.inference.engines import cpu_engine
from pipeline.results.attempts import processes_of, read_attempts
from pipeline.viewing.browser import FLAGS, browser
from tests.commands import as_from_a_terminal
from tests.pages import Page, loose_numbers, numbers_in
from workflows.watching.status_view import status_view

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]
PROGRAM = REPOSITORY / "workflows" / "full_pipeline.py"

RUN_FILE = """
data:
  image: phantom
  labels: phantom
  phantom: {shape: [48, 48, 112], seed: 3}
network: {fov: [17, 17, 17], deltas: [4, 4, 4], depth: 2, features: 8}
training:
  box: "0:48,0:48,0:56"
  fovs: 400
  checkpoint_every_steps: 20
  report_every_steps: 10
  sampling: {radius: [8, 8, 8], min_segment_voxels: 500, coordinates: 200}
inference: {box: "0:48,0:48,64:112", tile: [33, 33, 33], overlap: [18, 18, 18], min_segment_voxels: 50}
reconciliation: {chunk: [16, 16, 16], block: [32, 32, 32], min_overlap_voxels: 10}
"""


def start(folder: Path, run_dir: str, *options: str) -> subprocess.Popen[str]:
    (folder / "small.yaml").write_text(RUN_FILE)
    command = [sys.executable, str(PROGRAM), "--config", "small.yaml", "--run-dir", run_dir, *options]
    return subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=as_from_a_terminal,
    )


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=400)
    assert process.returncode == 0, output
    return output


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def processes_in(folder: Path) -> list[psutil.Process]:
    """Processes that work in `folder` or name it on their command line."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd().startswith(str(folder)) or str(folder) in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def first(folder: Path) -> str:
    """What the first run printed."""
    return finish(start(folder, "first"))


def test_a_run_ends_with_scores_and_a_volume_under_fixed_names(folder: Path, first: str) -> None:
    from cloudvolume import CloudVolume

    run = folder / "first"
    assert {"config.yaml", "model", "tiles", "segmentation", "metrics.json", "worst.json", "logs"} <= set(
        os.listdir(run)
    )
    metrics = json.loads((run / "metrics.json").read_text())
    conventions = {"gt_foreground", "filled", "both_foreground", "cremi"}
    shares = {"coverage", "seen_in_training", "labelled_share", "ignored_share", "left_out_share"}
    assert set(metrics) == {*conventions, *shares, "box", "voxels"}
    scores = {"are", "rand_f_score", "precision", "recall", "voi_split", "voi_merge"}
    assert set(metrics["filled"]) == scores
    volume = CloudVolume(f"file://{run / 'segmentation'}", progress=False)
    assert volume.dtype == np.uint64
    assert tuple(volume.volume_size) == (48, 48, 48)
    assert tuple(volume.voxel_offset) == (64, 0, 0)
    for shown in (
        "filled",
        "coverage",
        "precomputed://file://",
        "both_foreground",
        f"{cpu_engine(Network(features=8))} in ",
    ):
        assert shown in first


def test_the_log_of_training_counts_every_fov(folder: Path, first: str) -> None:
    lines = [json.loads(line) for line in (folder / "first/logs/training.jsonl").read_text().splitlines()]
    assert lines[-1]["fovs_seen"] == 400
    assert all(line["accuracy"] is None or 0 <= line["accuracy"] <= 1 for line in lines)


def test_a_run_leaves_the_rates_of_its_tiles_and_of_its_training(folder: Path, first: str) -> None:
    rates = json.loads((folder / "first" / "rates.json").read_text())
    assert rates["segment"]["tiles"] == 8
    assert (rates["train"]["ranks"], rates["train"]["batch_size"]) == (2, 4)
    assert rates["train"]["fovs_per_s"] > 0


def test_status_shows_that_it_ended_and_that_everything_is_finished(folder: Path, first: str) -> None:
    shown = [part for part in status_view(folder / "first") if isinstance(part, str)]
    assert any(part.startswith("state       attempt 1, ended with exit code 0 ") for part in shown)
    assert "processes   none on this host" in shown
    assert shown[-1] == "\ntiles: 8 finished"


def test_a_run_ends_with_a_report_that_says_no_number_of_its_own(folder: Path, first: str) -> None:
    said = json.loads((folder / "first/report.json").read_text())
    page = Page((folder / "first/report.html").read_text())
    assert said["state"]["says"] == "Finished: every task of every stage is done."
    numbers = set(numbers_in(said))
    assert len(page.marked) > 100
    assert [text for value, text in page.marked if value not in numbers] == []
    assert loose_numbers(page, said) == []
    assert all(address.startswith("data:image/") for address in page.fetched)
    assert len(page.fetched) == 10, "three planes of image, truth and segmentation, and the largest objects"
    assert page.pictures_without_words == []
    assert (folder / "first/report.html").stat().st_size < 10e6


@pytest.mark.skipif(browser() is None, reason="no Chromium or Chrome on PATH")
@pytest.mark.parametrize("dark", [False, True])
def test_a_browser_shows_the_report_without_an_error(folder: Path, first: str, dark: bool) -> None:
    program, picture = browser(), folder / f"report_{dark}.png"
    assert program is not None
    scheme = [f"--blink-settings=preferredColorScheme={0 if dark else 1}"]
    options = [
        *FLAGS,
        *scheme,
        "--enable-logging=stderr",
        "--window-size=1200,3000",
        f"--screenshot={picture}",
    ]
    page = (folder / "first/report.html").as_uri()
    profile = f"--user-data-dir={folder / 'profile'}"
    shown = subprocess.run([program, *options, profile, page], capture_output=True, text=True, timeout=120)
    assert "CONSOLE" not in shown.stderr
    pixels = np.asarray(Image.open(picture).convert("RGB")).astype(int)
    paper = pixels[2, 2].sum()
    assert paper < 150 if dark else paper > 700
    coloured = pixels.max(axis=2) - pixels.min(axis=2) > 60
    assert coloured.mean() > 0.01, "no picture is seen"


def test_the_report_has_what_the_files_of_the_run_have(folder: Path, first: str) -> None:
    said = json.loads((folder / "first/report.json").read_text())
    metrics = json.loads((folder / "first/metrics.json").read_text())
    assert {name: said["scores"][name] for name in metrics} == metrics
    assert {stage["name"]: stage["finished"] for stage in said["stages"]}["segment"] == 8
    assert said["training"]["fovs"] == 400
    assert said["settings"]["training"]["fovs"] == 400
    assert said["attempts"][0]["packages"]["numpy"] == np.__version__


def test_the_report_of_a_run_that_is_not_done_says_what_is_missing(folder: Path, first: str) -> None:
    part = folder / "part"
    shutil.copytree(folder / "first", part)
    for name in ("metrics.json", "metrics.json.done.json"):
        (part / name).unlink()
    (part / "worst.json").write_text("{")
    tile = next((part / "tiles").glob("z*/y*/*.h5.done.json"))
    tile.unlink()
    with open(part / "logs/failures.jsonl", "a") as log:
        failure = {"time": time.time(), "app": "segment_tile", "target": tile.name.removesuffix(".done.json")}
        log.write(json.dumps(failure | {"kind": "lost", "error": "Lost: <b>&", "tried_again": False}) + "\n")
    program = REPOSITORY / "workflows" / "report.py"
    subprocess.run([sys.executable, str(program), str(part)], check=True, cwd=folder)
    said = json.loads((part / "report.json").read_text())
    page = Page((part / "report.html").read_text())
    missing = said["state"]["says"].partition("missing: ")[2].rstrip(".").split(", ")
    assert missing[0] == "segment"
    assert {"score", "worst"} < set(missing)
    # what was made of a tile that is not there any more is that of an earlier state
    assert {"merge", "write"} < set(missing)
    assert any(
        text.startswith("of an earlier state of this run, and not shown: compare, ") for text in page.said
    )
    assert [line for line in said["untold"] if line.startswith(f"{part / 'worst.json'} is damaged")]
    assert said["tiles"]["states"] | {"finished": 7, "failed": 1} == said["tiles"]["states"]
    assert "Lost: <b>&" in page.said
    assert said["scores"] is None


@pytest.mark.thorough  # the runs below, which are stopped or die and go on, have to end in these bytes too
def test_a_second_folder_gets_the_same_bytes(folder: Path, first: str) -> None:
    finish(start(folder, "second", "--set", "site.workers=1"))
    for part in ("segmentation", "model/ffn.h5", "metrics.json"):
        one, other = folder / "first" / part, folder / "second" / part
        if one.is_dir():
            assert files(one) == files(other)
        else:
            assert one.read_bytes() == other.read_bytes()


def test_the_engine_written_out_as_it_was_pinned_is_no_other_setting(folder: Path, first: str) -> None:
    pin = json.loads((folder / "first/tiles/engine.json").read_text())["environment"]
    written_out = [f"inference.{name}={pin[name]}" for name in ("engine", "precision")]
    options = [option for setting in written_out for option in ("--set", setting)]
    shown = finish(start(folder, "first", "--dry-run", *options))
    assert f"engine      {pin['engine']} in {pin['precision']}, as host {socket.gethostname()} began" in shown
    assert re.search(r"^segment +8/8 *$", shown, re.MULTILINE)
    assert "would throw away" not in shown


def test_the_same_command_again_computes_nothing_again(folder: Path, first: str) -> None:
    results = [folder / "first" / part for part in ("model/ffn.h5", "metrics.json")]
    results += sorted((folder / "first" / "tiles").glob("z*/y*/*.h5"))
    before = {path: path.stat().st_mtime_ns for path in results}
    finish(start(folder, "first"))
    assert {path: path.stat().st_mtime_ns for path in results} == before


@pytest.mark.thorough  # below it is stopped once more
@pytest.mark.skipif(sys.platform != "linux", reason="processes are tied to each other by a Linux call")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_run_leaves_no_process_and_goes_on_to_the_same_bytes(
    folder: Path, first: str, how: signal.Signals
) -> None:
    """Ctrl-C and a batch system's SIGTERM reach the whole group of processes, SIGKILL the driver alone."""
    name = f"stopped_{how.name}"
    stop_in_training(folder, name, how)
    finish(start(folder, name))
    assert files(folder / name / "segmentation") == files(folder / "first" / "segmentation")


def stop_in_training(folder: Path, name: str, how: signal.Signals) -> None:
    """Start a run and stop it; none of its processes is left."""
    process = start(folder, name)
    log = folder / name / "logs" / "training.jsonl"
    wait_for(log.exists)
    if how == signal.SIGKILL:
        process.kill()
    else:
        os.killpg(process.pid, how)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == (-signal.SIGKILL if how == signal.SIGKILL else 130), output
    wait_for(lambda: not processes_in(folder / name), timeout_s=15)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are tied to each other by a Linux call")
def test_a_driver_that_is_killed_while_its_workers_start_leaves_no_process(folder: Path) -> None:
    driver = start(folder, "starting")
    wait_for(lambda: any(process.kind == "manager" for process in processes_of(folder / "starting")))
    driver.kill()
    driver.communicate()
    wait_for(lambda: not processes_in(folder / "starting"), timeout_s=20)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are tied to each other by a Linux call")
def test_a_run_that_is_stopped_and_whose_processes_die_ends_in_the_same_bytes(
    folder: Path, first: str
) -> None:
    """SIGTERM ends all. Interchange: the run says so. Manager: it goes on. Driver: the next ends the rest."""
    run = folder / "deaths"

    def pids(kind: str) -> list[int]:
        return [process.pid for process in processes_of(run) if process.kind == kind]

    stop_in_training(folder, run.name, signal.SIGTERM)
    driver = start(folder, run.name)
    wait_for(lambda: pids("rank"))
    os.kill(pids("interchange")[0], signal.SIGKILL)
    output, _ = driver.communicate(timeout=300)
    assert driver.returncode == 1
    assert output.count("interchange for executor 'train' has died") == 1
    assert not processes_of(run)

    driver = start(folder, run.name)
    wait_for(lambda: pids("rank"))
    refused = start(folder, run.name)
    said, _ = refused.communicate(timeout=300)
    assert (refused.returncode, said.count("\n")) == (1, 1)
    assert f"in use by {socket.gethostname()}, pid {driver.pid}, " in said
    worker = psutil.Process(pids("rank")[0]).ppid()
    its_own = {worker, *pids("rank")}
    os.kill(psutil.Process(worker).ppid(), signal.SIGKILL)
    wait_for(lambda: not its_own & {process.pid for process in processes_of(run)}, timeout_s=15)
    assert not (run / "model" / "ffn.h5").exists(), "the training went on without its manager"
    wait_for((run / "logs" / "tiles").exists)
    driver.kill()
    driver.communicate()

    output = finish(start(folder, run.name))
    assert "ended what an older attempt had left running" in output
    assert [attempt["exit"] for attempt in read_attempts(run)] == ["interrupted", 1, None, 0]
    assert files(run / "segmentation") == files(folder / "first" / "segmentation")


def wait_for(condition: object, timeout_s: float = 600) -> None:
    assert callable(condition)
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)
