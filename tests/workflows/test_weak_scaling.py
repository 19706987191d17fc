"""Weak scaling with real workers, whose tiles are all the same work."""

from __future__ import annotations

import json
import os
from pathlib import Path
from xml.etree import ElementTree

import h5py
import numpy as np
import pytest
import typer
import yaml
from bright_blocks import NETWORK, write_image, write_network
from typer.testing import CliRunner

from pipeline.config import RunConfig
from pipeline.errors import InputError
from pipeline.run_folder import Run
from workflows.command_line import ending_plainly
from workflows.studies.scaling_chart import HEIGHT, MARGIN, WIDTH, chart
from workflows.studies.scaling_point import Point, _row_of_cubes, _work
from workflows.weak_scaling import weak_scaling

APP = typer.Typer()
APP.command()(ending_plainly(weak_scaling))


def call(folder: Path, *options: str) -> tuple[int, str]:
    """The exit code and all that was printed; the tiles are segmented by programs of their own."""
    where = ["--config", str(folder / "run.yaml"), "--run-dir", str(folder / "weak")]
    done = CliRunner().invoke(APP, [*where, "--share", "1", "--side", "24", *options])
    return done.exit_code, done.output


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    document = {
        "data": {"image": f"{write_image(tmp_path)}:raw", "voxel_size_nm": [10, 10, 10]},
        "network": {**json.loads(NETWORK.model_dump_json()), "checkpoint": write_network(tmp_path).path},
        "inference": {"tile": [24, 24, 24], "overlap": [8, 8, 8], "min_segment_voxels": 200},
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(document))
    return tmp_path


def test_passes_and_corrections_of_a_run_file_are_no_part_of_the_work(folder: Path) -> None:
    """Times and calls are told of one pass; the corrections lie in another volume."""
    (folder / "corrections.csv").write_text("kind,z1,y1,x1,z2,y2,x2\njoin,0,0,0,40,40,40\n")
    settings = yaml.safe_load((folder / "run.yaml").read_text())
    settings["inference"]["passes"] = [{"seed_order": "reverse"}, {"deltas": [1, 1, 1]}]
    settings["reconciliation"] = {"corrections": str(folder / "corrections.csv")}
    cube = np.zeros((24, 24, 24), np.uint8)
    run = _row_of_cubes(RunConfig.model_validate(settings), folder / "point", cube, 2)
    assert run.passes == [run]
    assert run.config.reconciliation.corrections is None


def test_a_point_that_is_killed_before_it_says_a_word_ends_in_one_line(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", RunConfig())
    with pytest.raises(InputError, match=r"the run in .*/run failed: exit code -9, and not a word"):
        _work(["sh", "-c", "kill -9 $$"], run, tmp_path / "output.txt")


@pytest.mark.thorough  # a command of the pages with one worker
@pytest.mark.slow
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core")
def test_every_worker_has_the_same_work_and_every_point_is_reported(folder: Path) -> None:
    code, said = call(folder, "--workers", "1,2")
    assert code == 0, said
    one, two = json.loads((folder / "weak" / "weak_scaling.json").read_text())
    assert (one["workers"], one["tiles"], two["workers"], two["tiles"]) == (1, 1, 2, 2)
    assert two["calls"] == 2 * one["calls"] > 0
    assert one["efficiency"] == 1
    assert two["efficiency"] == pytest.approx(one["seconds"] / two["seconds"], abs=1e-4)
    left, right = sorted((folder / "weak" / "workers_00002" / "run" / "tiles").glob("z*/y*/*.h5"))
    with h5py.File(left) as a, h5py.File(right) as b:
        np.testing.assert_array_equal(a["segmentation"], b["segmentation"])
    ElementTree.parse(folder / "weak" / "weak_scaling.svg")

    code, said = call(folder, "--workers", "1")
    assert (code, said.count("\n")) == (1, 1)
    assert "workers_00001 is there already" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--workers", "0"], "--workers '0': expected numbers such as 1,2,4"),
        (["--workers", "1", "--nodes", "2"], "not both"),
        (["--side", "45"], "45 voxels a side is more than the inference.box"),
        (["--workers", "1,4096"], "4096 worker threads need as many cores"),
        (["--set", "network.checkpoint=null"], "network.checkpoint is not set"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(folder: Path, options: list[str], said: str) -> None:
    code, output = call(folder, *options)
    assert (code, output.count("\n")) == (1, 1), output
    assert said in output


def test_the_chart_has_a_bar_a_point_as_high_as_its_time() -> None:
    drawn = ElementTree.fromstring(chart([(1, 10.0, 1.0), (2, 20.0, 0.5)], "workers"))
    svg = "{http://www.w3.org/2000/svg}"
    bars = [bar for bar in drawn.iter(f"{svg}rect") if bar.get("x")]
    assert [float(bar.get("height", "")) for bar in bars] == [(HEIGHT - 2 * MARGIN) / 2, HEIGHT - 2 * MARGIN]
    texts = [text.text for text in drawn.iter(f"{svg}text")]
    assert {"1", "2", "10.0 s", "20.0 s", "1.00", "0.50"} <= set(texts)
    places = drawn.find(f"{svg}polyline")
    assert places is not None
    assert all(0 < float(x) < WIDTH for x in (p.split(",")[0] for p in places.get("points", "").split()))


def test_a_point_is_one_job_whatever_the_run_file_has_at_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers of other jobs would take tiles of the few that it is said to have."""
    sites = []

    def measured(settings: RunConfig, *_: object) -> Point:
        sites.append(settings.site)
        return Point(settings.site.tile_workers, settings.site.tile_nodes, 1, 1, 1.0, 1.0, 0.0)

    monkeypatch.setattr("workflows.weak_scaling.measure_point", measured)
    asked = ("--set", "site.tile_jobs=3", "--set", "site.workers=4", "--nodes", "1,2")
    code, said = call(folder, "--site", "slurm", *asked)
    assert code == 0, said
    assert [site.tile_workers for site in sites] == [4, 8]
    code, said = call(folder, *asked)
    assert (code, "--nodes: this machine is one node" in said) == (1, True)


def test_points_that_are_measured_are_told_where_a_later_one_fails(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start that goes on would not measure them again."""

    def measured(settings: RunConfig, *_: object) -> Point:
        if settings.site.tile_nodes > 2:
            raise InputError("the run in x failed: no such nodes")
        return Point(settings.site.tile_workers, settings.site.tile_nodes, 1, 1, 1.0, 1.0, 0.0)

    monkeypatch.setattr("workflows.weak_scaling.measure_point", measured)
    code, said = call(folder, "--site", "slurm", "--nodes", "1,2,4")
    assert (code, said.splitlines()[-1]) == (1, "error: the run in x failed: no such nodes")
    points = json.loads((folder / "weak" / "weak_scaling.json").read_text())
    assert [point["nodes"] for point in points] == [1, 2]
