"""What is of an earlier state of a run is neither shown nor taken along as what the run has made."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline.report.earlier import Earlier
from pipeline.report.history import records
from pipeline.results.artifacts import Recipe
from pipeline.results.records import Missing, read, record_path, sealed
from pipeline.results.unreadable import Look
from pipeline.run_folder import Run
from pipeline.settings.run_file import dump_config
from pipeline.viewing.run_layers import layers_of_run
from tests.commands import said
from tests.pipeline.volumes.writers_precomputed import write_precomputed
from tests.workflows.planning.test_explain import finish, make_run
from workflows import evaluate, report
from workflows.export import main
from workflows.planning.earlier import of_now
from workflows.planning.explain import explain
from workflows.view import layers_of

JOINED = "reconciliation.min_overlap_fraction=0.7"
FLOODED = "inference.move_threshold=0.8"


def started(folder: Path, *changes: str) -> Run:
    """The run as a start with these changes leaves it before it has made anything."""
    run = make_run(folder, *changes)
    run.config_file.write_text(dump_config(run.config))
    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run's folder, with a volume that can be read."""
    folder = tmp_path_factory.mktemp("run")
    run = make_run(folder)
    finish(run)
    box = run.inference_box
    write_precomputed(folder, np.ones(box.shape, np.uint64), box.start, (8.0, 8.0, 8.0))
    for file in (folder / "precomputed").iterdir():
        shutil.move(file, run.segmentation_folder)
    return folder


def lines(folder: Path) -> str:
    return "\n".join(layers_of(folder).lacking)


def test_neuroglancer_is_shown_the_run_as_it_is(folder: Path) -> None:
    started(folder)
    shown = layers_of(folder)
    assert "segmentation" in [layer.name for layer in shown.layers]
    assert "earlier state" not in lines(folder)
    for change, tiles in ((JOINED, 8), (FLOODED, 0)):
        started(folder, change)
        shown = layers_of(folder)
        assert "segmentation" not in [layer.name for layer in shown.layers]
        assert f"{tiles} of 8 tiles are finished" in lines(folder)
        assert "of an earlier state of this run, and not shown: " in lines(folder)


def test_what_an_earlier_version_of_the_program_has_made_is_shown_unless_settings_changed_since(
    tmp_path: Path, folder: Path
) -> None:
    """Of a stage that now depends on something more."""
    shutil.copytree(folder, tmp_path / "old")
    run = started(tmp_path / "old")
    paths = list(run.reconciliation_folder.rglob("*.evidence.h5"))
    assert len(paths) == 8
    for path in paths:
        record = read(path)
        assert not isinstance(record, Missing)
        del record["settings"]["core"]
        record["version"] = 4
        parts = (record[name] for name in ("stage", "version", "settings", "inputs"))
        record_path(path).write_bytes(sealed(record | {"fingerprint": Recipe(*parts).fingerprint}))
    assert {status.name for status in explain(run) if status.reasons} >= {"compare", "write"}
    assert "segmentation" in [layer.name for layer in layers_of(run.folder).layers]
    assert "earlier state" not in lines(run.folder)
    started(run.folder, JOINED)
    assert "earlier state" in lines(run.folder)


def test_what_a_browser_takes_out_of_the_volume_itself_is_told(folder: Path) -> None:
    run = started(folder)
    listed = str(run.reconciliation_folder / "properties.json")
    known = {path: stage for path, stage in of_now(run).items() if path != listed}
    earlier = Earlier(run, records(run, Look()), known)
    assert layers_of_run(run, earlier).lacking[-2:] == [
        "of an earlier state of this run, and not shown: properties",
        "but a browser has these from the segmentation itself: properties",
    ]


def test_shapes_that_a_run_has_no_more_are_not_in_the_volume(folder: Path) -> None:
    """Their files stay, and its `info` names them no more."""
    run = started(folder)
    earlier = Earlier(run, records(run, Look()), of_now(run))
    earlier.stages = frozenset({"mesh", "store meshes"})
    assert layers_of_run(run, earlier).lacking[-1].endswith("not shown: mesh, store meshes")


def test_where_it_cannot_be_told_the_rest_is_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = started(folder).config_file
    text = config.read_text()
    config.write_text(text.replace("corrections: null", f"corrections: {folder / 'gone.csv'}"))
    assert config.read_text() != text
    shown = layers_of(folder)
    assert "segmentation" in [layer.name for layer in shown.layers]
    told = "what is of an earlier state of this run cannot be told: "
    assert told in "\n".join(shown.lacking)
    code, printed = said(report.main, [str(folder)], monkeypatch, capsys)
    assert code == 0, printed
    assert told in printed


def test_a_box_of_an_earlier_state_is_warned_of(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for n, (change, told) in enumerate((("seed=1", ""), (JOINED, "write"), (FLOODED, "write"))):
        started(folder, change)
        code, shown = said(main, [str(folder), "all", str(tmp_path / f"{n}.h5")], monkeypatch, capsys)
        assert code == 0, shown
        assert (f"WARNING: run {folder} has yet to make anew" in shown) == bool(told)
        assert told in shown


@pytest.mark.parametrize("place", [0, 1])
def test_a_segmentation_or_truth_of_an_earlier_state_is_warned_of(
    folder: Path, place: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = started(folder, JOINED)
    words = [str(run.segmentation_folder)]
    words.insert(place, str(folder))
    code, shown = said(evaluate.main, [*words, "--workers", "1"], monkeypatch, capsys)
    assert code == 0, shown
    assert shown.count(f"WARNING       run {folder} has yet to make anew") == 1
