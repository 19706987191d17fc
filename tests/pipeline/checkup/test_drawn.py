"""Labels that people draw in some sections, or of which most is background, are told before a run."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from as_people_have_them import SHAPE, cells, findings, run_on, write_hdf5
from skimage.io import imsave

from pipeline.checkup import drawn
from pipeline.checkup.drawn import is_drawn_too_thin
from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.training.sampling import sample_coordinates
from pipeline.volumes.labels import LabelVolume
from pipeline.volumes.open import open_volume

EVERY_EIGHTH = np.arange(SHAPE[0]) % 8 == 0


def told_of(folder: Path, labels: np.ndarray, **data: object) -> str:
    write_hdf5(folder / "em.h5", image=cells()[0], labels=labels)
    return findings(run_on(folder, data={"labels": "em.h5:labels", **data}))["labels"]


def drawn_in_some_sections(between: int) -> np.ndarray:
    labels = cells()[1].astype(np.uint8)
    labels[~EVERY_EIGHTH] = between
    return labels


def test_labels_of_objects_are_not_doubted(tmp_path: Path) -> None:
    assert told_of(tmp_path, cells()[1]).startswith("ok")


def test_single_sections_among_ground_are_told_and_among_what_is_unknown_are_not(tmp_path: Path) -> None:
    told = told_of(tmp_path, drawn_in_some_sections(between=0))
    assert told.startswith("warn")
    assert "have the same id in the next section, most others none: are single sections labelled?" in told
    assert told_of(tmp_path, drawn_in_some_sections(between=255)).startswith("ok")
    wide = drawn_in_some_sections(between=255).astype(np.uint16)
    assert "id 255 is 88% of the voxels" in told_of(tmp_path, wide)
    assert told_of(tmp_path, wide, ignore_labels=[255]).startswith("ok")


def test_what_a_loss_mask_leaves_out_is_not_doubted(tmp_path: Path) -> None:
    labels = drawn_in_some_sections(between=0)
    write_hdf5(
        tmp_path / "mask.h5", labelled=np.broadcast_to(EVERY_EIGHTH[:, None, None], SHAPE).astype("u1")
    )
    told = told_of(tmp_path, labels, loss_mask="mask.h5:labelled")
    assert "are single sections labelled?" not in told
    assert "are only some objects labelled?" not in told


def test_labels_of_some_objects_among_others_that_nobody_has_labelled_are_told(tmp_path: Path) -> None:
    labels = cells()[1].copy()
    labels[labels % 3 > 0] = 0
    told = told_of(tmp_path, labels)
    assert told.startswith("warn")
    assert "of what was looked at is 0: are only some objects labelled? what is only not labelled" in told
    labels[labels == 0] = 200
    assert "are only some objects labelled?" not in told_of(tmp_path, labels, ignore_labels=[200])


def test_sections_that_were_labelled_each_by_itself_are_told(tmp_path: Path) -> None:
    labels = cells()[1].copy()
    rng = np.random.default_rng(1)
    for section in labels:
        section[section > 0] = rng.permutation(100)[section[section > 0]] + 1
    assert "are sections labelled each by itself?" in told_of(tmp_path, labels)


def test_scores_of_a_box_without_labels_are_told_before_the_run(tmp_path: Path) -> None:
    image, labels = cells()
    labels = labels.copy()
    labels[:, :, 30:] = 0
    write_hdf5(tmp_path / "em.h5", image=image, labels=labels)
    sections = {"data": {"labels": "em.h5:labels"}, "training": {"box": "0:40,0:48,0:30"}}
    beyond = findings(run_on(tmp_path, **sections, inference={"box": "0:40,0:48,40:56"}))["scores"]
    assert beyond.startswith("warn: in 0:40,0:48,40:56: 0.00% of what was looked at there is labelled")
    around = findings(run_on(tmp_path, **sections))["scores"]
    assert "without 0:40,0:48,0:42: 0.00% of what was looked at there is labelled" in around
    seen = findings(run_on(tmp_path, **sections, evaluation={"box": "0:40,0:48,0:56"}))["scores"]
    assert "of it was seen in training" in seen
    seen = findings(run_on(tmp_path, **sections, evaluation={"box": "0:40,0:48,29:56"}))["scores"]
    assert "2.32% of what was looked at there is labelled" in seen
    assert "4% of it was seen in training" in seen


def test_objects_too_small_to_learn_from_are_told_before_the_run(tmp_path: Path) -> None:
    write_hdf5(tmp_path / "em.h5", image=cells()[0], labels=cells()[1])
    largest = int(np.bincount(cells()[1].ravel())[1:].max())

    def of(least: int) -> str:
        sampling = {"min_segment_voxels": least, "radius": [4, 4, 4]}
        run = run_on(tmp_path, data={"labels": "em.h5:labels"}, training={"sampling": sampling})
        return findings(run)["labels"]

    assert of(100).startswith("ok")
    assert "fewer than training.sampling.min_segment_voxels" in of(largest)
    with pytest.raises(InputError, match=f"min_segment_voxels = {largest + 1} or more voxels"):
        of(largest + 1)


def test_labels_of_single_sections_in_which_no_example_can_be_centred_are_told(tmp_path: Path) -> None:
    write_hdf5(tmp_path / "em.h5", image=cells()[0], labels=drawn_in_some_sections(between=255))

    def of(distance: int) -> str:
        sampling = {"min_segment_voxels": 10, "boundary_distance": distance}
        return findings(run_on(tmp_path, data={"labels": "em.h5:labels"}, training={"sampling": sampling}))[
            "labels"
        ]

    assert of(0).startswith("ok")
    assert "goes on through 3 sections, as many as an example needs" in of(1)


@pytest.mark.parametrize(
    ("sections", "distance", "thin"),
    [
        (SHAPE[0], 1, False),
        (SHAPE[0], 9, False),  # an object of more sections than are looked at otherwise
        (2, 1, False),  # beyond the box nothing is asked of it
        (SHAPE[0], 20, True),
    ],
)
def test_objects_are_too_thin_by_the_distance_that_examples_keep(
    sections: int, distance: int, thin: bool, tmp_path: Path
) -> None:
    labels = np.zeros(SHAPE, np.uint8)
    labels[:30] = 7
    write_hdf5(tmp_path / "em.h5", labels=labels)
    volume = LabelVolume(open_volume(f"{tmp_path}/em.h5:labels"))
    assert is_drawn_too_thin(volume, Box.of_shape((sections, *SHAPE[1:])), distance) == thin


def test_labels_that_no_look_has_met_are_not_said_to_be_too_thin(tmp_path: Path) -> None:
    """Where a few objects of a large box are traced, the places that are looked at may have none."""
    labels = np.zeros((16, 128, 64 * 64), np.uint8)
    labels[:, :32, 64:96] = 1
    write_hdf5(tmp_path / "em.h5", labels=labels)
    volume = LabelVolume(open_volume(f"{tmp_path}/em.h5:labels"))
    assert not is_drawn_too_thin(volume, volume.box, 0)


def test_a_training_box_in_whose_middle_alone_examples_are_centred_is_told(tmp_path: Path) -> None:
    write_hdf5(tmp_path / "em.h5", image=cells()[0], labels=cells()[1])
    training = {"box": "0:28,0:48,0:56", "sampling": {"min_segment_voxels": 100}}
    told = findings(run_on(tmp_path, data={"labels": "em.h5:labels"}, training=training))["labels"]
    assert "examples can be centred on 4 of 28 voxels of training.box along z, as their patch is 25" in told


@pytest.mark.parametrize("kept", [0, 1])
def test_a_loss_mask_that_leaves_no_object_to_learn_from_is_refused_before_a_run_and_named(
    kept: int, tmp_path: Path
) -> None:
    image, labels = cells()
    mask = np.zeros(SHAPE, np.uint8)
    mask[20, 20:28, 20:30] = kept
    write_hdf5(tmp_path / "em.h5", image=image, labels=labels, mask=mask)
    data = {"labels": "em.h5:labels", "loss_mask": "em.h5:mask"}
    run = run_on(tmp_path, data=data, training={"box": "0:40,0:48,0:56"})
    largest = np.bincount((labels * mask).ravel())[1:].max(initial=0)
    with pytest.raises(
        InputError, match=f"where data.loss_mask is not 0 is no object .* the largest has {largest}: "
    ):
        findings(run)
    with pytest.raises(InputError, match=r"where data.loss_mask em.h5:mask is 0 nothing counts"):
        sample_coordinates(run)


def test_a_loss_mask_too_large_to_be_read_before_a_run_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, labels = cells()
    box = Box.parse("0:40,0:48,0:50")
    monkeypatch.setattr(drawn, "MOST_COUNTED", box.size)
    write_hdf5(tmp_path / "em.h5", image=image, labels=labels)
    with h5py.File(tmp_path / "em.h5", "r+") as file:  # one chunk, which is unpacked for any part of it
        file.create_dataset("mask", data=np.zeros(SHAPE, np.uint8), chunks=SHAPE, compression="gzip")
    data = {"labels": "em.h5:labels", "loss_mask": "em.h5:mask"}
    found = findings(run_on(tmp_path, data=data, training={"box": str(box)}))
    assert "min_segment_voxels" not in found["labels"]
    assert "nothing would be learned where it was looked at" in found["loss mask"]


@pytest.mark.parametrize(
    ("gaps", "told"), [([], None), ([14], "that leaves 6% of"), ([10, 24], "FAIL"), ([2, 37], None)]
)
def test_gaps_that_leave_few_places_to_learn_at_are_told(
    gaps: list[int], told: str | None, tmp_path: Path
) -> None:
    """Patches have 25 sections, and so are centred on 12 to 27 of 40."""
    image, labels = cells()
    (tmp_path / "em").mkdir()
    for z in set(range(SHAPE[0])) - set(gaps):
        imsave(tmp_path / "em" / f"z{z:04}.png", image[z], check_contrast=False)
    write_hdf5(tmp_path / "truth.h5", labels=labels)
    data = {"image": "em", "labels": "truth.h5:labels", "max_missing": 0.1}
    if told == "FAIL":
        with pytest.raises(InputError, match="the patch of every example that was tried there touches some"):
            findings(run_on(tmp_path, data=data))
    else:
        found = findings(run_on(tmp_path, data=data))["complete"]
        assert (told or "") in found
        assert told or "that leaves" not in found


def test_slices_of_labels_that_are_numbered_otherwise_are_told(tmp_path: Path) -> None:
    image, labels = cells()
    for name, volume, step in (("em", image, 1), ("all", labels[:30], 1), ("tenths", labels[:30], 10)):
        (tmp_path / name).mkdir()
        for z, section in enumerate(volume.astype(np.uint8)):
            imsave(tmp_path / name / f"z{z * step:04}.png", section, check_contrast=False)

    def of(name: str) -> str:
        data = {"image": "em", "labels": name, "labels_box": "0:30,0:48,0:56", "replace_sections": {5: 4}}
        return findings(run_on(tmp_path, data=data))["labels"]

    assert of("all").startswith("ok")
    assert "their slices go up by 10, those of the image by 1" in of("tenths")
    assert 'set data.labelled_sections to "0:291:10"' in of("tenths")


def test_sections_that_are_named_otherwise_than_their_slices_are_told(tmp_path: Path) -> None:
    image, labels = cells()
    for name, volume, step in (("em", image, 1), ("tenths", labels[::10], 10)):
        (tmp_path / name).mkdir()
        for z, section in enumerate(volume.astype(np.uint8)):
            imsave(tmp_path / name / f"z{z * step:04}.png", section, check_contrast=False)
    for sections, is_told in (("0:31:10", False), ("5:36:10", True)):
        data = {"image": "em", "labels": "tenths", "labelled_sections": sections}
        found = findings(run_on(tmp_path, data=data))["labels"]
        assert ('if so, set data.labelled_sections to "0:31:10"' in found) == is_told


def told_of_sections(folder: Path, labels: np.ndarray, **sections: dict[str, object]) -> str:
    write_hdf5(folder / "em.h5", image=cells()[0], labels=labels)
    data = {"labels": "em.h5:labels", "labelled_sections": "0:40:8", **sections.pop("data", {})}
    return findings(run_on(folder, data=data, **sections))["labels"]


def test_labels_of_named_sections_are_looked_at_in_these(tmp_path: Path) -> None:
    labels = drawn_in_some_sections(between=0)
    told = told_of_sections(tmp_path, labels)
    assert told.startswith("ok")
    assert "% of training.box labelled in 5 of its 40 sections" in told
    told = told_of_sections(tmp_path, labels, data={"labelled_sections": "0:40:4"})
    assert "have the same id in the next labelled section, most others none" in told
    told = told_of_sections(tmp_path, labels, data={"labelled_sections": "0:40:32"})
    assert "there are up to 31 sections between two that are labelled, and a network.fov of 13" in told
    told = told_of_sections(tmp_path, labels, data={"labelled_sections": "16"})
    assert "section 16 alone is labelled" in told
    with pytest.raises(InputError, match=r"no voxel in .* is labelled"):
        told_of_sections(tmp_path, labels, data={"labelled_sections": "3:40:8"})
    with pytest.raises(InputError, match=r"none of data.labelled_sections lies in training.box"):
        told_of_sections(
            tmp_path, labels, data={"labelled_sections": "0"}, training={"box": "1:40,0:48,0:56"}
        )


@pytest.mark.parametrize("evaluation", [{"box": "1:8,0:48,0:56"}, {"exclude": "0:33,0:48,0:56"}])
def test_scores_where_no_named_section_lies_are_told(tmp_path: Path, evaluation: dict[str, str]) -> None:
    write_hdf5(tmp_path / "em.h5", image=cells()[0], labels=drawn_in_some_sections(between=0))
    data = {"labels": "em.h5:labels", "labelled_sections": "0:40:8"}
    run = run_on(tmp_path, data=data, evaluation={"box": "0:40,0:48,0:56", **evaluation})
    assert "0.00% of what was looked at there is labelled" in findings(run)["scores"]


def test_named_sections_that_were_labelled_each_by_itself_are_told(tmp_path: Path) -> None:
    labels = drawn_in_some_sections(between=0)
    rng = np.random.default_rng(1)
    for section in labels:
        section[section > 0] = rng.permutation(100)[section[section > 0]] + 1
    assert "are sections labelled each by itself?" in told_of_sections(tmp_path, labels)


@pytest.mark.parametrize(("through", "distance", "is_told"), [(5, 4, False), (1, 1, True), (1, 0, False)])
def test_an_example_keeps_its_distance_between_named_sections(
    through: int, distance: int, is_told: bool, tmp_path: Path
) -> None:
    """Of objects that go on through so many of five."""
    sampling = {"min_segment_voxels": 100, "radius": [4, 4, 4], "boundary_distance": distance}
    labels = np.zeros(SHAPE, np.uint8)
    for number, z in enumerate(np.flatnonzero(EVERY_EIGHTH)):
        labels[z] = 1 + number // through
    told = told_of_sections(tmp_path, labels, training={"sampling": sampling})
    assert ("no object that was looked at goes on through" in told) == is_told


def test_skeletons_are_not_made_of_pieces(tmp_path: Path) -> None:
    pytest.importorskip("kimimaro")
    with pytest.raises(InputError, match=r"with data.labelled_sections objects are labelled in pieces"):
        told_of_sections(
            tmp_path,
            drawn_in_some_sections(between=0),
            data={"voxel_size_nm": [8, 8, 8]},
            evaluation={"skeletons": "from_labels", "box": "0:40,0:48,0:56"},
        )
