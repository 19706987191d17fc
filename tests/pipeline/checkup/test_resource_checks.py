"""Disk and cores, against what a run takes."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.checkup import resources
from pipeline.checkup.before_run import folder
from pipeline.checkup.resources import cores, disk, files_written
from pipeline.config import Network, RunConfig
from pipeline.run_folder import Run
from pipeline.settings.estimate import bytes_on_disk, plan
from pipeline.settings.fields import Section
from pipeline.settings.resolve import resolve
from pipeline.settings.run_file import load_config
from tests.tiny_run import RUN_FILE


def phantom_run(folder: Path, side: int = 128, **site: int) -> Run:
    config = {
        "data": {"image": "phantom", "labels": "phantom", "phantom": {"shape": [side] * 3}},
        "inference": {"tile": [74, 74, 74], "overlap": [20, 20, 20]},
        "reconciliation": {"chunk": [64, 64, 64], "block": [128, 128, 128]},
        "training": {"ranks": 1},
        "site": {"workers": 1, **site},
    }
    return resolve(RunConfig.model_validate(config), folder)


def test_a_small_run_has_room(tmp_path: Path) -> None:
    assert disk(phantom_run(tmp_path)).state == "ok"


def test_as_much_is_foretold_as_a_run_with_all_that_is_made_of_a_volume_took(tmp_path: Path) -> None:
    """Of two passes, meshes and skeletons in 20 tiles: 1.2 MB of it were logs."""
    (tmp_path / "run.yaml").write_text(RUN_FILE)
    changes = ["inference.box=0:48,0:48,0:112", "inference.tile=[40, 40, 40]"]
    changes += ["inference.passes=[{}, {seed_order: reverse}]", "reconciliation.skeletons=true"]
    without = plan(resolve(load_config(tmp_path / "run.yaml", changes), tmp_path / "run")).bytes_on_disk
    changes.append("reconciliation.meshes=true")
    run = resolve(load_config(tmp_path / "run.yaml", changes), tmp_path / "run")
    assert plan(run).bytes_on_disk > 10_649_655
    assert plan(run).bytes_on_disk - without == 3 * 48 * 48 * 112


def test_checkpoints_of_a_network_take_disk(tmp_path: Path) -> None:
    """Of one that is small in FOV and large in weights: the published one has 472,353 up to depth 9."""
    run, network = phantom_run(tmp_path), Network(depth=9)
    more = plan(replace(run, config=run.config.model_copy(update={"network": network}))).bytes_on_disk
    fewer = network.model_copy(update={"depth": 1})
    less = plan(replace(run, config=run.config.model_copy(update={"network": fewer}))).bytes_on_disk
    assert 8 * 4 * 440_000 < more - less < 9 * 4 * 472_353


def test_a_run_that_does_not_fit_fails_with_both_numbers(tmp_path: Path) -> None:
    run = phantom_run(tmp_path, side=100_000)
    finding = disk(run)
    assert finding.state == "FAIL"
    assert " GB needed at most, " in finding.text
    assert "make room" in finding.text
    run.config_file.touch()
    assert disk(run).state == "warn", "what it needs is not what it still needs"


@pytest.fixture
def small_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run folder on a disk with room for a run but not for its volume, which is a link to a large one."""
    home, scratch = tmp_path / "home", tmp_path / "scratch"
    for place in (home / "run", scratch):
        place.mkdir(parents=True)
    monkeypatch.setattr(resources, "_file_system", lambda place: place.is_relative_to(scratch))
    room = bytes_on_disk(phantom_run(home / "run")) - 128**3 // 2
    usage = shutil.disk_usage(tmp_path)

    def free(place: Path) -> shutil._ntuple_diskusage:
        return usage._replace(free=10**15 if place.is_relative_to(scratch) else room)

    monkeypatch.setattr(shutil, "disk_usage", free)
    return home / "run"


def test_a_volume_that_is_a_link_is_looked_for_room_where_that_leads(small_home: Path) -> None:
    """It has to be there: the run would find out when it writes the volume."""
    run, scratch = phantom_run(small_home), small_home.parents[1] / "scratch"
    assert disk(run).state == "FAIL"
    (small_home / "segmentation").symlink_to(scratch / "of this run")
    assert folder(run).text.endswith("scratch/of this run, and there is no folder; make it")
    (scratch / "of this run").mkdir()
    assert folder(run).state == "ok"
    found = disk(run)
    assert found.state == "ok", found.text
    assert f" at {small_home}; 0.00 GB needed at most, 1000000.0 GB free" in found.text
    assert f" at {scratch}" in found.text


@pytest.mark.parametrize("name", ["phantom", "aligned", "model", "tiles", "segmentation"])
def test_a_folder_of_results_that_is_a_link_to_nowhere_is_refused(tmp_path: Path, name: str) -> None:
    """Also where the input could not be opened, so that boxes are not known."""
    run = Run(tmp_path / "run", RunConfig())
    run.folder.mkdir()
    (run.folder / name).symlink_to("nowhere")
    assert folder(run).text.endswith(f"{name} is a link to nowhere, and there is no folder; make it")
    (run.folder / "nowhere").mkdir()
    assert folder(run).state == "ok"


def test_what_goes_to_a_bucket_takes_no_room_here(tmp_path: Path) -> None:
    """Of meshes and skeletons the pieces are kept here."""
    run = phantom_run(tmp_path)
    shown = run.config.reconciliation.model_copy(update={"meshes": True, "skeletons": True})
    data = run.config.data.model_copy(update={"output": "s3://bucket/segmentation"})

    def needed(**changes: Section) -> int:
        return bytes_on_disk(replace(run, config=run.config.model_copy(update=changes)))

    volume, pieces = needed() - needed(data=data), needed(data=data, reconciliation=shown) - needed(data=data)
    assert volume == 128**3
    assert 0 < pieces < needed(reconciliation=shown) - needed()


@pytest.mark.parametrize(("sharded", "of_volume"), [(True, 1), (False, 8)])
def test_every_block_or_chunk_and_tile_has_its_files(tmp_path: Path, sharded: bool, of_volume: int) -> None:
    run = phantom_run(tmp_path)
    stored = run.config.reconciliation.model_copy(update={"sharded": sharded, "mips": 0})
    run = replace(run, config=run.config.model_copy(update={"reconciliation": stored}))
    assert files_written(run) == of_volume + 5 * 1 + 8 * 8


def test_a_volume_in_a_bucket_has_no_files_here(tmp_path: Path) -> None:
    run = phantom_run(tmp_path)
    data = run.config.data.model_copy(update={"output": "s3://bucket/segmentation"})
    away = replace(run, config=run.config.model_copy(update={"data": data}))
    assert files_written(away) < files_written(run)


def test_more_threads_than_cores_are_a_warning_that_names_the_setting(tmp_path: Path) -> None:
    assert cores(phantom_run(tmp_path)).state == "ok"
    many = len(os.sched_getaffinity(0)) + 1
    finding = cores(phantom_run(tmp_path, threads_per_worker=many))
    assert finding.state == "warn"
    assert f"{many} threads at most" in finding.text
    assert "lower site.workers x site.threads_per_worker" in finding.text
