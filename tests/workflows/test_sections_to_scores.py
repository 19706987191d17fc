"""One run from the tiles of sections to scores: what waits for what, what is made again, what is told."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tissue import TISSUE, take

from apps.targets import target_of
from pipeline.checkup.before_run import check
from pipeline.checkup.resources import files_written
from pipeline.errors import InputError
from pipeline.ffn.weights import weight_shapes, write_weights
from pipeline.geometry import Box
from pipeline.report.history import expected_tasks, records, stages
from pipeline.results.artifacts import Artifact, file_sha256
from pipeline.results.unreadable import Look
from pipeline.run_folder import Run
from pipeline.settings.resolve import resolve
from pipeline.settings.run_file import load_config
from pipeline.settings.sections import GREY
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.launch import lineage, model_target
from pipeline.training.progress import Progress, Stretch
from pipeline.training.sampling import sample_coordinates
from pipeline.training.start import where_training_starts
from pipeline.viewing.run_layers import layers_of_run
from pipeline.volumes import open_image
from pipeline.volumes.aligned import aligned_blocks
from tests.pages import Page, loose_numbers
from workflows.planning.discards import discarded
from workflows.planning.explain import explain
from workflows.running.gates import check_gates, places
from workflows.stages import build

PROGRAM = Path(__file__).parents[2] / "workflows" / "full_pipeline.py"
IMPORTED = "network.checkpoint=network.h5"


@pytest.fixture(scope="module")
def tissue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run file, beside tiles, labels and a network that is not trained."""
    folder = tmp_path_factory.mktemp("tissue")
    path = take(folder)
    network, rng = load_config(path).network, np.random.default_rng(1)
    shapes = weight_shapes(network)
    weights = {name: rng.normal(size=shape).astype(np.float32) / 10 for name, shape in shapes.items()}
    write_weights(weights, network, folder / "network.h5")
    return path


def resolved(path: Path, folder: Path, *changes: str) -> Run:
    return resolve(load_config(path, [IMPORTED, *changes]), folder)


def work(run: Run) -> list[str]:
    """Make every task of a run here and now; returns the names of those that were not there."""
    made = []

    def submit(app: Any, *args: Any, **kwargs: Any) -> Artifact:
        path = target_of(app.__name__, args, kwargs).path
        before = path.stat().st_mtime_ns if path.exists() else None
        artifact = app.func(*args, **kwargs)
        assert isinstance(artifact, Artifact), artifact
        if path.stat().st_mtime_ns != before:
            made.append(app.__name__)
        return artifact

    build(run, submit)
    return made


@pytest.fixture(scope="module")
def finished(tissue: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run")
    work(resolved(tissue, folder))
    return resolved(tissue, folder)


def test_where_the_image_lies_and_how_grey_it_is_are_known_before_it_is_there(tissue: Path) -> None:
    run = resolved(tissue, tissue.parent / "nowhere")
    image = open_image(run)
    end = TISSUE.side + 16
    assert image.box == Box((0, -16, -16), (TISSUE.sections, end, end))
    assert (image.voxel_size_nm, run.normalisation) == ((10, 10, 10), GREY)
    found = {one.what: one.finding.text for one in check(run)}
    assert found["sections"] == f"12 sections of 48 images, a volume at {image.box}"
    assert found["image"] == found["intensity"] == "the run makes its own"
    assert files_written(run) > image.box.size // 64**3 + 12 * 8
    assert not run.folder.exists()


def test_a_tile_waits_for_the_blocks_that_it_reads_and_for_no_others(tissue: Path) -> None:
    run, waits = resolved(tissue, tissue.parent / "nowhere", "inference.reflect=false"), {}

    def submit(app: Any, *args: Any, **kwargs: Any) -> str:
        if app.__name__ == "segment_tile":
            _, tile, _, image = args
            waits[tile.box] = image
        return f"{app.__name__} {args[1]}" if app.__name__ == "render_block" else app.__name__

    build(run, submit)
    tile = run.tiles[0].box
    assert waits[tile] == [f"render_block {block}" for block in aligned_blocks(run, tile)]
    blocks = [block for block in open_image(run).box.parts((6, 64, 64)) if not (block & tile).is_empty]
    assert aligned_blocks(run, tile) == blocks
    assert len(blocks) < len(open_image(run).box.parts((6, 64, 64)))


def test_a_section_that_is_shown_in_place_of_another_makes_another_image_of_the_same_blocks(
    tissue: Path, finished: Run
) -> None:
    """1 and 2 lie in one block: the blocks that are read are the same, and what is read of them is not."""
    run = resolved(tissue, finished.folder, "data.replace_sections={1: 2}")
    before, (_, y, x) = open_image(finished), finished.inference_box.start
    box = Box((1, y, x), (2, y + 20, x + 20))
    assert (open_image(run).read(box) != before.read(box)).any()
    state = {stage.name: stage for stage in explain(run)}
    assert state["render"].finished == state["render"].tasks
    assert state["segment"].finished == 0
    assert state["segment"].reasons == [("input changed: image", len(run.tiles))]


def test_a_section_that_is_shown_in_place_of_another_is_waited_for_too(tissue: Path) -> None:
    run = resolved(tissue, tissue.parent / "nowhere", "data.replace_sections={1: 7}")
    box = Box((0, 0, 0), (3, 40, 40))
    assert [block.start[0] for block in aligned_blocks(run, box)] == [0, 6]


def test_a_training_waits_for_the_blocks_of_its_box(tissue: Path, tmp_path: Path) -> None:
    run = resolve(load_config(tissue), tmp_path)
    sample_coordinates(run)
    reasons = {status.name: status.reasons for status in explain(run)}
    assert reasons["sample"] == []
    assert reasons["train"] == [("an earlier stage has to run first", 1)]
    assert where_training_starts(run) is None


def test_a_training_under_way_is_lost_by_another_alignment(
    finished: Run, tissue: Path, tmp_path: Path
) -> None:
    """Its checkpoint is of the sections as they are, and those are to be made anew."""
    folder = Path(shutil.copytree(finished.folder, tmp_path / "run"))
    run = resolve(load_config(tissue), folder)
    coordinates = sample_coordinates(run)
    box = run.config.training.box
    assert box is not None
    image = [Artifact(str(f), file_sha256(f)) for f in map(run.aligned_block_file, aligned_blocks(run, box))]
    weights, seen = {"conv/bias": np.zeros(1)}, Progress(1, 10, (Stretch(20, 2, 1),))
    of = lineage(model_target(run, coordinates, None, image).recipe)
    Checkpoint(of, seen, weights, [weights["conv/bias"]]).save(run.checkpoint_file)
    assert "train" not in {each.stage for each in discarded(run)}
    other = resolve(load_config(tissue, ["sections.alignment.drift_length=77"]), folder)
    assert "train" in {each.stage for each in discarded(other)}


@pytest.mark.parametrize(("gate", "first"), [("quality", "render"), ("render", "segment")])
def test_a_gate_at_a_stage_of_the_alignment_holds_back_what_is_made_of_it(
    tissue: Path, gate: str, first: str
) -> None:
    run = resolved(tissue, tissue.parent / "nowhere", f"gates=[{gate}]")
    check_gates(run)
    behind = {place.stage for place in places(run) if gate in place.behind}
    assert {first, "segment", "score"} <= behind
    assert not {"shifts", "montage", "match", "place", "relax", "quality", "import network"} & behind


def test_the_volume_is_shown_beside_what_is_made_of_it(finished: Run) -> None:
    shown = layers_of_run(Run(finished.folder, finished.config))
    assert [layer.name for layer in shown.layers] == ["image", "segmentation", "truth"]


def test_the_image_is_what_was_rendered_and_is_segmented_and_scored(finished: Run) -> None:
    voxels = open_image(finished).read(finished.inference_box)
    assert abs(voxels.mean() - GREY[0]) < 15
    assert finished.metrics_file.is_file()
    assert finished.quality_file.is_file()


def test_every_stage_of_it_is_known_to_plan_and_report(finished: Run) -> None:
    planned = {status.name: status.tasks for status in explain(finished) if status.name != "report"}
    assert list(expected_tasks(finished).items()) == list(planned.items())
    assert {status.finished - status.tasks for status in explain(finished)} == {0}
    look = Look()
    found = stages(finished, records(finished, look), [])
    assert {row["name"]: row["finished"] for row in found} == planned
    assert look.untold == []


def test_the_report_shows_how_well_the_sections_fit(finished: Run) -> None:
    said = json.loads(finished.report_file.read_text())
    page = Page(finished.report_page.read_text())
    assert loose_numbers(page, said) == []
    assert "Pairs of sections that fit worst" in page.said
    assert said["alignment"]["alignment"]["pairs"] == 11
    assert "quality.json" in {file["path"] for file in said["files"]}


def test_nothing_is_made_twice_and_an_image_that_is_touched_changes_no_tile(
    tissue: Path, finished: Run
) -> None:
    assert work(resolved(tissue, finished.folder)) == []
    image = tissue.parent / "z0011" / "r0_c0.png"
    os.utime(image, ns=(1, 1))
    again = resolved(tissue, finished.folder)
    assert {status.name for status in explain(again) if status.finished < status.tasks} >= {"shifts"}
    made = work(again)
    assert "render_block" in made
    assert "segment_tile" not in made


def test_other_settings_of_the_alignment_segment_again_what_comes_out_otherwise(
    tissue: Path, finished: Run
) -> None:
    again = resolved(tissue, finished.folder, "sections.alignment.stiffness=5")
    would = {status.name: status for status in explain(again)}
    assert would["match"].finished == would["match"].tasks
    assert would["relax"].finished == would["segment"].finished == 0
    assert would["segment"].reasons == [("an earlier stage has to run first", 3)]


def test_a_folder_without_its_tiles_still_tells_what_is_done(
    finished: Run, tissue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.results.artifacts import publishing
    from pipeline.settings.run_file import dump_config
    from workflows.watching.status_view import read_run

    with publishing(finished.config_file) as temporary:
        temporary.write_text(dump_config(finished.config))
    table = tissue.parent / "tiles.csv"
    table.rename(tmp_path / "away.csv")
    try:
        run, unreadable = read_run(finished.folder)
        assert "tiles.csv: No such file or directory" in str(unreadable)
        assert open_image(run).box == open_image(finished).box
    finally:
        (tmp_path / "away.csv").rename(table)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            ["sections=null"],
            "data.image is sections, and of sections there are none: `data",
        ),
        (["data.image=other.h5:raw"], "data.image is other.h5:raw, and of sections there are some"),
        (["data.labels=phantom"], "data.labels is phantom, which is no truth of sections"),
        (["data.mip=1"], "data.mip is 1; leave it out, the run makes its image itself"),
        (["sections.tiles.tabel=a"], "unknown key 'sections.tiles.tabel'; did you mean 'table'?"),
        (["sections.tiles.table=absent.csv"], "absent.csv: No such file or directory"),
        (["inference.box=0:12,0:900,0:90"], "inference.box 0:12,0:900,0:90 reaches outside the image"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    tissue: Path, tmp_path: Path, changes: list[str], expected: str
) -> None:
    with pytest.raises(InputError) as refused:
        resolved(tissue, tmp_path, *changes)
    assert expected in str(refused.value)
    assert "\n" not in str(refused.value)


def start(folder: Path, run_dir: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(PROGRAM), "--config", "tissue.yaml", "--run-dir", run_dir]
    return subprocess.Popen(
        [*command, "--set", IMPORTED], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def results(folder: Path) -> dict[str, bytes]:
    """What a run came to, but for what says when and where."""
    kinds = ("aligned", "segmentation", "metrics.json", "quality.json")
    files = [file for kind in kinds for file in [folder / kind, *folder.glob(f"{kind}/**/*")]]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files if file.is_file()}


@pytest.mark.thorough
def test_a_chain_whose_driver_is_killed_goes_on_to_the_same_bytes(tissue: Path) -> None:
    folder = tissue.parent
    killed = start(folder, "killed")
    while killed.poll() is None and not list((folder / "killed" / "aligned").rglob("*-*_*-*_*-*")):
        time.sleep(0.2)
    assert killed.poll() is None
    killed.kill()
    killed.wait()
    for run_dir in ("killed", "whole"):
        process = start(folder, run_dir)
        shown, _ = process.communicate(timeout=200)
        assert process.returncode == 0, shown
    assert results(folder / "killed") == results(folder / "whole")
    shown, _ = start(folder, "killed").communicate(timeout=200)
    assert all("reused" in line for line in shown.splitlines() if " done " in line)
