"""Labels that are drawn in some sections lie where they are said to, and say nothing elsewhere."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from skimage.io import imsave

from pipeline.config import Data, RunConfig
from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.run_folder import Run
from pipeline.settings.fields import sections_in, sections_text
from pipeline.settings.input_identities import with_identities
from pipeline.volumes import labelled_sections_by_name, open_image, open_labels
from pipeline.volumes.labelled_sections import sections_by_name
from pipeline.volumes.labels import LabelVolume

SHAPE = (30, 6, 7)
DRAWN = tuple(range(4, 30, 8))
TEXT = "4:30:8"
RNG = np.random.default_rng(4)
LABELS = RNG.integers(0, 4, SHAPE).astype(np.uint16)
BOXES = st.tuples(*[st.tuples(st.integers(0, n - 1), st.integers(1, n)) for n in SHAPE])


def labels_of(folder: Path, **data: Any) -> LabelVolume:
    return open_labels(run_of(folder, **data))


def run_of(folder: Path, **data: Any) -> Run:
    document = {"folder": str(folder), "image": "em.npy", "labelled_sections": TEXT, **data}
    return Run(folder / "run", RunConfig.model_validate({"data": document}))


def known(drawn: Sequence[int] = DRAWN) -> np.ndarray:
    """What is labelled, 0 elsewhere."""
    labels = np.zeros_like(LABELS)
    labels[list(drawn)] = LABELS[list(drawn)]
    return labels


def goes_on(drawn: Sequence[int] = DRAWN) -> np.ndarray:
    """The same, and between two sections what both have, voxel by voxel."""
    labels = known(drawn)
    for a, b in itertools.pairwise(drawn):
        for z in range(a + 1, b):
            labels[z] = np.where(LABELS[a] == LABELS[b], LABELS[a], 0)
    return labels


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image, and labels of all sections, of each eighth among blank ones, and of these alone."""
    folder = tmp_path_factory.mktemp("sections")
    image = RNG.integers(0, 255, SHAPE).astype(np.uint8)
    np.save(folder / "em.npy", image)
    alone = LABELS[list(DRAWN)]
    for name, array in (("all", LABELS), ("among_0", known()), ("alone", alone)):
        np.save(folder / f"{name}.npy", array)
        stored = zarr.create_array(f"{folder}/{name}.zarr", shape=array.shape, chunks=(3, 4, 4), dtype="u2")
        stored[:] = array
    write_slices(folder / "em", image, 1, 100)
    write_slices(folder / "tiff", alone, 8, 104)
    return folder


def write_slices(folder: Path, array: np.ndarray, step: int, first: int) -> None:
    write_numbered(folder, array, [first + k * step for k in range(len(array))])


def write_numbered(folder: Path, array: np.ndarray, numbers: Sequence[int]) -> None:
    folder.mkdir()
    for number, section in zip(numbers, array):
        imsave(folder / f"z{number:04}.tif", section, check_contrast=False)


@pytest.mark.parametrize(
    "name", ["all.npy", "among_0.npy", "alone.npy", "all.zarr", "among_0.zarr", "alone.zarr", "tiff"]
)
def test_what_is_labelled_is_read_from_every_kind_of_volume(name: str, folder: Path) -> None:
    labels = labels_of(folder, labels=name)
    assert labels.box == Box.of_shape(SHAPE)
    np.testing.assert_array_equal(labels.read(labels.box), known())
    np.testing.assert_array_equal(labels.read_filled(labels.box), goes_on())
    between = np.ones(SHAPE, bool)
    between[list(DRAWN)] = False
    np.testing.assert_array_equal(labels.ignored(labels.box), between)
    drawn, where = labels.drawn_in(labels.box)
    np.testing.assert_array_equal(drawn.read(where), LABELS[list(DRAWN)])


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from(["all.npy", "all.zarr"]))
def test_parts_are_parts_of_the_whole_wherever_sections_are(
    folder: Path, data: st.DataObject, name: str
) -> None:
    drawn = sorted(data.draw(st.sets(st.integers(0, SHAPE[0] - 1), min_size=1)))
    labels = labels_of(folder, labels=name, labelled_sections=drawn)
    corners = [(a, min(n, a + length)) for (a, length), n in zip(data.draw(BOXES), SHAPE)]
    box = Box(*zip(*corners))
    np.testing.assert_array_equal(labels.read(box), known(drawn)[box.slices()])
    np.testing.assert_array_equal(labels.read_filled(box), goes_on(drawn)[box.slices()])
    alone, where = labels.drawn_in(box)
    there = [z for z in drawn if corners[0][0] <= z < corners[0][1]]
    assert where.shape[0] == len(there)
    np.testing.assert_array_equal(alone.read(where), LABELS[there][(slice(None), *box.slices()[1:])])


@pytest.mark.parametrize(("ignore_labels", "are"), [([], [False, False]), ([0, 3], [True, True])])
def test_what_is_ignored_is_so_where_the_sections_are_looked_at_alone(
    ignore_labels: list[int], are: list[bool], folder: Path
) -> None:
    labels = labels_of(folder, labels="all.npy", ignore_labels=ignore_labels)
    drawn, _ = labels.drawn_in(labels.box)
    assert drawn.is_ignored(np.array([0, 3], np.uint16)).tolist() == are


def test_sections_alone_may_cover_a_part_of_the_image(folder: Path) -> None:
    np.save(folder / "part.npy", LABELS[list(DRAWN), 1:5, 2:6])
    labels = labels_of(folder, labels="part.npy", labels_box="3:29,1:5,2:6")
    assert labels.box == Box.parse("3:29,1:5,2:6")
    np.testing.assert_array_equal(labels.read(labels.box), known()[3:29, 1:5, 2:6])


def test_they_may_say_that_they_are_as_thick_as_they_are_apart(folder: Path) -> None:
    """As programs do that save each eighth section."""
    with h5py.File(folder / "thick.h5", "w") as file:
        for name, array, size in (
            ("em", np.load(folder / "em.npy"), 40.0),
            ("ids", LABELS[list(DRAWN)], 320.0),
        ):
            file[name] = array
            file[name].attrs["resolution"] = (size, 8.0, 8.0)
    labels = labels_of(folder, image="thick.h5:em", labels="thick.h5:ids")
    np.testing.assert_array_equal(labels.read(labels.box), known())


def test_a_slice_that_is_missing_says_nothing(folder: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "em.npy", np.load(folder / "em.npy"))
    write_slices(tmp_path / "tiff", LABELS[list(DRAWN)], 8, 104)
    (tmp_path / "tiff" / "z0112.tif").unlink()
    labels = labels_of(tmp_path, labels="tiff")
    assert labels.missing(labels.box) == [Box.parse("12:13,0:6,0:7")]
    assert labels.ignored(labels.box)[12].all()
    np.testing.assert_array_equal(labels.read(labels.box), known([4, 20, 28]))


def test_the_names_of_slices_tell_which_sections_they_are(folder: Path) -> None:
    run = run_of(folder, image="em", labels="tiff", labelled_sections=None)
    assert sections_in(labelled_sections_by_name(run) or "") == DRAWN
    with pytest.raises(
        InputError, match=r'set data.labelled_sections to "4:29:8", where they lie by their names'
    ):
        open_labels(run)


def test_slices_whose_numbers_go_up_unevenly_are_sections_that_are_named(
    folder: Path, tmp_path: Path
) -> None:
    drawn = [4, 7, 15, 29]
    write_numbered(tmp_path / "uneven", LABELS[drawn], [100 + z for z in drawn])
    of = {"image": "em", "labels": str(tmp_path / "uneven")}
    labels = labels_of(folder, **of, labelled_sections=drawn)
    np.testing.assert_array_equal(labels.read(labels.box), known(drawn))
    with pytest.raises(InputError, match=r"is followed by z0115\.tif; set data\.labelled_sections"):
        labels_of(folder, **of, labelled_sections=None)
    with pytest.raises(InputError, match=r"set data\.labelled_sections to the z"):
        labels_of(folder, **of, labelled_sections=drawn[1:])
    others = run_of(folder, **of, labelled_sections=[4, 7, 16, 29])
    assert sections_by_name(open_image(others), open_labels(others).source) == "4, 7, 15, 29"
    assert labelled_sections_by_name(run_of(folder, **of, labelled_sections=None)) == "4, 7, 15, 29"


def test_a_lost_slice_does_not_make_the_others_single_sections(folder: Path, tmp_path: Path) -> None:
    write_slices(tmp_path / "lost", LABELS, 1, 100)
    for z in (3, 4, 17):
        (tmp_path / "lost" / f"z{100 + z:04}.tif").unlink()
    run = run_of(folder, image="em", labels=str(tmp_path / "lost"), labelled_sections=None)
    assert labelled_sections_by_name(run) is None
    for z in (*range(5, 17), *range(18, 26)):
        (tmp_path / "lost" / f"z{100 + z:04}.tif").unlink()
    assert labelled_sections_by_name(run) == "0, 1, 2, 26, 27, 28, 29"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (
            {"labels": "alone.npy", "labelled_sections": "0:40:10"},
            "names section 30; .* has 4 sections, for z 0 to 29",
        ),
        (
            {"labels": "alone.npy", "labelled_sections": "4:30:6"},
            "names section 4; .* has 4 sections, .* and 5 are",
        ),
        ({"labels": "alone.npy", "labelled_sections": None}, "or data.labelled_sections where only some"),
    ],
)
def test_sections_that_are_not_there_are_refused(folder: Path, data: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        labels_of(folder, **data)


@pytest.mark.parametrize("value", [5, "10:0:2", "0:10:0", "a:b", "", [3, 2], [1, 1], True, "0:10:-1"])
def test_what_are_no_sections_is_refused(value: object) -> None:
    with pytest.raises(ValidationError, match="expected z as first:end:step"):
        Data.model_validate({"labelled_sections": value})


@pytest.mark.parametrize(
    ("value", "is_read_as"), [("0:7:3", (0, 3, 6)), ([2, 9], (2, 9)), ("1, 4:6", (1, 4, 5))]
)
def test_sections_are_listed_or_counted(value: object, is_read_as: tuple[int, ...]) -> None:
    data = Data.model_validate({"labelled_sections": value})
    assert data.labelled_sections is not None
    assert sections_in(data.labelled_sections) == is_read_as
    assert sections_in(sections_text(is_read_as)) == is_read_as


def test_a_run_knows_labels_by_the_sections_that_are_labelled(folder: Path, tmp_path: Path) -> None:
    """What stands in the others changes nothing; which they are does."""

    def identity(**data: Any) -> str:
        run = run_of(folder, **data)
        return with_identities(Run(tmp_path, run.config)).identities["labels"]

    assert identity(labels="all.npy") == identity(labels="among_0.npy")
    assert identity(labels="all.npy") != identity(labels="all.npy", labelled_sections="4:22:8")
    assert identity(labels="alone.npy") != identity(labels="alone.npy", labelled_sections="3:29:8")
