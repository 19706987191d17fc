"""Inputs are known by their voxels: touched, copied and moved they are the same, edited they are not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from pipeline.checkup.touched import touched
from pipeline.config import RunConfig
from pipeline.errors import InputError
from pipeline.run_folder import Run
from pipeline.settings import input_identities
from pipeline.settings.input_identities import with_identities, write_kept
from pipeline.volumes import content
from tests.denied import denied

IMAGE = np.random.default_rng(3).integers(0, 256, (40, 40, 40), dtype=np.uint8)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    with h5py.File(folder / "v.h5", "w") as file:
        file.create_dataset("raw", data=np.stack([IMAGE, 255 - IMAGE]), chunks=(1, 20, 20, 20))
        file["labels"] = (IMAGE // 8).astype(np.uint32)
    return folder


def started(folder: Path, **data_settings: object) -> Run:
    """The run as a start of it finds its input, and keeps it for the next one."""
    document = {
        "data": {
            "image": f"{folder}/v.h5:raw",
            "labels": f"{folder}/v.h5:labels",
            "axes": "czyx",
            "channel": 0,
            **data_settings,
        }
    }
    run = with_identities(Run(folder.parent / "run", RunConfig.model_validate(document)))
    write_kept(run)
    return run


def touch(folder: Path) -> Path:
    os.utime(folder / "v.h5", (1, 1))
    return folder


def add_a_dataset(folder: Path) -> Path:
    with h5py.File(folder / "v.h5", "r+") as file:
        file["predictions"] = IMAGE
    return folder


def move(folder: Path) -> Path:
    return folder.rename(folder.with_name("moved"))


def copy(folder: Path) -> Path:
    return Path(shutil.copytree(folder, folder.with_name("copied")))


def link(folder: Path) -> Path:
    other = folder.with_name("linked")
    other.mkdir()
    (other / "v.h5").symlink_to(folder / "v.h5")
    return other


@pytest.mark.parametrize("change", [touch, add_a_dataset, move, copy, link])
def test_the_same_voxels_are_the_same_input(data: Path, change: Callable[[Path], Path]) -> None:
    before = started(data).identities
    assert started(change(data)).identities == before


def test_an_edited_voxel_is_another_input_also_behind_a_link(data: Path) -> None:
    linked = link(data)
    before = started(linked).identities
    with h5py.File(data / "v.h5", "r+") as file:
        file["labels"][20, 20, 20] = 9999
    after = started(linked).identities
    assert after["labels"] != before["labels"]
    assert after["image"] == before["image"]


def test_a_voxel_that_is_to_be_ignored_now_is_another_input(data: Path) -> None:
    """Read as labels it is 0 before and after; but 0 counts in the loss, and what is ignored does not."""
    with h5py.File(data / "v.h5", "r+") as file:
        file["labels"][20, 20, 20] = 0
    before = started(data).identities
    with h5py.File(data / "v.h5", "r+") as file:
        file["labels"][20, 20, 20] = 2**32 - 1
    assert started(data).identities["labels"] != before["labels"]


def test_another_channel_or_ignored_id_is_another_input_whatever_the_files_say(data: Path) -> None:
    before = started(data).identities
    assert started(data, ignore_labels=[0]).identities["labels"] not in (
        before["labels"],
        f"{before['labels']} ignoring [0]",  # as of when it changed nothing
    )
    other = started(data, channel=1, ignore_labels=[3]).identities
    assert other["image"] != before["image"]
    assert other["labels"] != before["labels"]


def test_volumes_are_read_again_only_where_their_files_have_changed(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = started(data).identities
    monkeypatch.delattr(input_identities, "content")
    assert started(data).identities == before
    with pytest.raises(NameError):
        started(touch(data))


def test_what_was_only_looked_at_in_part_is_told(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "MOST_BYTES", 1)
    monkeypatch.setattr(content, "LEAST_BLOCKS", 2)
    started(data)
    again = started(touch(data))
    assert again.touched == ("image", "labels")
    assert touched(again).text.startswith("data.image (25.0% looked at) changed on disk since the last start")


def test_a_section_in_the_place_of_another_is_another_image_wherever_it_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a large volume of slices a few are looked at, and none of these."""
    monkeypatch.setattr(content, "MOST_BYTES", 1)
    monkeypatch.setattr(content, "LEAST_BLOCKS", 2)
    for z in range(20):
        Image.fromarray(IMAGE[z]).save(tmp_path / f"{z:03}.png")
    found = []
    for replaced in ({}, {7: 6}, {7: 8}):
        data = {"image": str(tmp_path), "replace_sections": replaced}
        run = with_identities(Run(tmp_path / "run", RunConfig.model_validate({"data": data})))
        write_kept(run)
        assert not run.touched, "by a setting no file was changed"
        found.append(run.identities["image"])
    assert len({identity.partition(" at ")[0] for identity in found}) == 1
    assert len(set(found)) == 3


@pytest.mark.parametrize(
    ("setting", "changed"),
    [
        ({"replace_sections": {20: 10}}, {"image"}),
        ({"origin": (0, 0, 8)}, {"image", "labels"}),
        ({"axes": "xyz"}, {"image"}),
        ({"ignore_labels": (3,)}, {"labels"}),
        ({"labels_axes": "xyz"}, {"labels"}),
        ({"labelled_sections": "0:128:8"}, {"labels"}),
        ({"max_missing": 0.5}, set()),
    ],
)
def test_a_phantom_that_is_read_otherwise_is_another_one(
    tmp_path: Path, setting: dict[str, object], changed: set[str]
) -> None:
    def known(**of: object) -> dict[str, str]:
        document = {"data": {"image": "phantom", "labels": "phantom", **of}}
        return dict(with_identities(Run(tmp_path, RunConfig.model_validate(document))).identities)

    before, after = known(), known(**setting)
    assert {name for name in before if before[name] != after[name]} == changed
    assert before["image"] == before["labels"], "as ever where nothing is set"


def test_what_a_setting_says_in_other_words_is_the_same_phantom(tmp_path: Path) -> None:
    def known(**of: object) -> str:
        document = {"data": {"labels": "phantom", **of}}
        return with_identities(Run(tmp_path, RunConfig.model_validate(document))).identities["labels"]

    assert known(labelled_sections="0:30:10") == known(labelled_sections=[0, 10, 20])
    assert known(ignore_labels=[3, 5]) == known(ignore_labels=[5, 3, 3])


def test_other_sections_for_the_same_labels_are_another_input_and_no_change_of_files(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "MOST_BYTES", 1)
    with h5py.File(data / "v.h5", "r+") as file:
        file["some"] = file["labels"][:10]
    labels = f"{data}/v.h5:some"
    first, other, *again = (
        started(data, labels=labels, labelled_sections=sections)
        for sections in ("0:40:4", "1:41:4", "1:41:4", list(range(1, 41, 4)))
    )
    assert other.touched == ()
    assert other.identities["labels"] != first.identities["labels"]
    assert {run.identities["labels"] for run in again} == {other.identities["labels"]}


def test_voxels_that_cannot_be_read_are_no_others(public_folder: Path) -> None:
    slices = public_folder / "slices"
    slices.mkdir()
    for z in range(20):
        Image.fromarray(IMAGE[z]).save(slices / f"{z:03}.png")
    run = Run(public_folder / "run", RunConfig.model_validate({"data": {"image": str(slices)}}))
    before = with_identities(run).identities
    with denied(slices / "003.png"), pytest.raises(InputError, match=r"003\.png"):
        with_identities(run)
    assert with_identities(run).identities == before
    (slices / "003.png").write_bytes((slices / "003.png").read_bytes()[:200])
    assert with_identities(run).identities != before  # damage is another content, and stays it


def test_each_missing_chunk_of_labels_that_comes_makes_another_input_also_if_it_holds_nothing(
    data: Path,
) -> None:
    """What is missing is unknown; a 0 is a membrane, at which networks learn to stop."""
    known = []
    for stored in (1, 2, 3, 4):
        with h5py.File(data / "v.h5", "r+") as file:
            del file["labels"]
            labels = file.create_dataset("labels", IMAGE.shape, np.uint32, chunks=(10, 40, 40))
            labels[: 10 * stored] = 0
        known.append(started(data).identities["labels"])
    assert len(set(known)) == 4
