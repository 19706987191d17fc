"""Skeletons are made from labels: they lie in their objects, and are kept with how they were made."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from test_evaluation_stage import INFERENCE, PARTS, make_run

from pipeline.checkup.scores import skeletons as check
from pipeline.config import RunConfig
from pipeline.errors import InputError
from pipeline.evaluation import make_skeletons, measure_run_length, traced
from pipeline.evaluation.skeleton_files import read_skeletons, read_traced, write_skeletons
from pipeline.evaluation.traced import check_size, trace
from pipeline.geometry import Box, Triple, triple
from pipeline.run_folder import Run
from pipeline.settings.input_identities import with_identities
from pipeline.tracing import LEAST_VOXELS, TEASAR

SIZE_NM = (40.0, 10.0, 10.0)
BOX = Box((5, 100, 1000), (17, 148, 1150))


@pytest.fixture
def _kimimaro() -> None:
    """Where it is not installed nothing can be made."""
    pytest.importorskip("kimimaro", reason="kimimaro, of the extra `skeletons`, is not installed")


def rods() -> np.ndarray:
    """Over BOX two fibres along x, the second in two pieces, and an object that is too small."""
    labels = np.zeros(BOX.shape, np.uint64)
    labels[2:6, 4:16] = 2**40
    labels[7:11, 22:34, :60] = labels[7:11, 22:34, 80:] = 7
    labels[0, 40:44, :9] = 3
    return labels


def from_labels(folder: Path, **evaluation: object) -> Run:
    """A run with 3 fibres as labels and as segmentation, whose skeletons are made from them."""
    run, _, _ = make_run(folder)
    labels = np.zeros((20, 24, 28), np.int64)
    for i, y in enumerate((5, 11, 17)):
        labels[3:19, y : y + 5] = i + 1
    with h5py.File(folder / "data.h5", "r+") as file:
        file["labels"][...] = labels
    changes = {"skeletons": "from_labels", **evaluation}
    data = run.config.data.model_copy(update={"voxel_size_nm": (10.0, 10.0, 10.0)})
    config = run.config.model_copy(
        update={"data": data, "evaluation": run.config.evaluation.model_copy(update=changes)}
    )
    return with_identities(replace(run, config=config))


@pytest.mark.usefixtures("_kimimaro")
def test_a_skeleton_runs_through_its_object_and_small_ones_have_none() -> None:
    labels = rods()
    skeletons, how = trace(labels, BOX, SIZE_NM)
    assert skeletons.names == ("7", str(2**40))
    voxels = skeletons.voxels(SIZE_NM) - BOX.start
    names = np.array([int(name) for name in skeletons.names], np.uint64)
    np.testing.assert_array_equal(labels[tuple(voxels.T)], names[skeletons.owner])
    lengths = np.bincount(skeletons.owner[skeletons.edges[:, 0]], skeletons.lengths_nm)
    assert lengths == pytest.approx([1300, 1500], rel=0.15)  # their ends lead to corners
    assert skeletons.lengths_nm.max() < 100  # no edge from piece to piece
    assert (how.objects, how.skeletons, how.by.split()[0]) == (3, 2, "kimimaro")
    assert "scale 1.5, const 300" in how.what
    assert "1,000 voxels at least): 2 of 3 objects" in how.what


@pytest.mark.usefixtures("_kimimaro")
@pytest.mark.parametrize(("size_nm", "turned"), [((30, 6, 6), 0), ((30, 6, 6), 30), ((8, 8, 8), 20)])
def test_a_fibre_is_as_long_as_it_is_whatever_its_voxels(size_nm: Triple, turned: float) -> None:
    """kimimaro's path leads from voxel to voxel, and was up to 1.6 times as long."""
    length, radius = 2400.0, 100.0
    towards = np.array([np.sin(np.deg2rad(turned)), 0, np.cos(np.deg2rad(turned))])
    shape = np.ceil((towards * length + 2 * radius) / size_nm).astype(int) + 2
    at = (np.moveaxis(np.indices(shape), 0, -1) + 0.5 - shape / 2) * size_nm
    along = at @ towards
    away = np.linalg.norm(at - along[..., np.newaxis] * towards, axis=-1)
    labels = ((away < radius) & (np.abs(along) < length / 2)).astype(np.uint32)
    skeletons, _ = trace(labels, Box.of_shape(triple(shape.tolist())), size_nm)
    assert skeletons.lengths_nm.sum() == pytest.approx(length, rel=0.08)
    assert labels[tuple(skeletons.voxels(size_nm).T)].all()


@pytest.mark.usefixtures("_kimimaro")
def test_they_are_read_as_they_were_written_and_the_same_bytes_each_time(tmp_path: Path) -> None:
    made = trace(rods(), BOX, SIZE_NM)
    files = [tmp_path / f"{name}.npz" for name in "ab"]
    write_skeletons(files[0], *made)
    write_skeletons(files[1], *trace(rods(), BOX, SIZE_NM))
    assert files[0].read_bytes() == files[1].read_bytes()
    found = read_skeletons(files[0])
    assert found.names == made[0].names
    np.testing.assert_array_equal(found.nodes_nm, made[0].nodes_nm)
    assert found.lengths_nm.sum() == pytest.approx(made[0].lengths_nm.sum())
    assert read_traced(files[0])["parameters"] == TEASAR


@pytest.mark.usefixtures("_kimimaro")
def test_objects_that_are_all_too_small_are_an_error() -> None:
    labels = np.where(rods() == 3, 3, 0)
    with pytest.raises(InputError, match=f"none of 1 object has {LEAST_VOXELS:,} voxels"):
        trace(labels, BOX, SIZE_NM)


@pytest.mark.usefixtures("_kimimaro")
def test_a_run_measures_along_those_that_it_made_and_says_how(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traced, "LEAST_VOXELS", 100)
    run = from_labels(tmp_path)
    assert check(run).text == f"will be made from the labels in {run.config.evaluation.box}"
    made = make_skeletons(run)
    found = json.loads(Path(measure_run_length(run, PARTS, made).path).read_text())
    assert found["traced"] == read_traced(Path(made.path))
    assert (found["skeletons"], found["traced"]["objects"]) == (3, 3)
    read = run.config.evaluation.model_copy(update={"skeletons": made.path})
    other = with_identities(replace(run, config=run.config.model_copy(update={"evaluation": read})))
    again = json.loads(Path(measure_run_length(other, PARTS).path).read_text())
    assert again == {name: value for name, value in found.items() if name != "traced"}


@pytest.mark.usefixtures("_kimimaro")
def test_what_is_excluded_is_not_traced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traced, "LEAST_VOXELS", 100)
    run = from_labels(tmp_path, exclude=Box.parse("0:20,0:16,0:28"), ignore_border_nm=10.0)
    assert read_skeletons(Path(make_skeletons(run).path)).names == ("3",)


def test_without_kimimaro_an_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "kimimaro", None)
    with pytest.raises(InputError, match=r"by kimimaro, which cannot .* pip install 'kimimaro>=5.8'"):
        check(from_labels(tmp_path))


def test_boxes_too_large_and_runs_without_labels_are_refused() -> None:
    with pytest.raises(InputError, match="cannot be made at once: at most 536,870,912"):
        check_size(Box.of_shape((1024, 1024, 1024)))
    with pytest.raises(ValueError, match=r"from_labels, but there are none: set data\.labels"):
        RunConfig.model_validate({"data": {"image": "a.h5:raw"}, "evaluation": {"skeletons": "from_labels"}})


def test_where_nothing_is_labelled_nothing_is_measured(tmp_path: Path) -> None:
    evaluation = from_labels(tmp_path).config.evaluation
    assert evaluation.makes_skeletons
    nowhere = evaluation.model_copy(update={"box": None})
    assert not nowhere.makes_skeletons
    assert not nowhere.measures_run_length
    assert INFERENCE.contains(evaluation.box or INFERENCE)
