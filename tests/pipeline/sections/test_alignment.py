"""Sections come to lie on each other as they did in the tissue."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from aligned_truth import in_tissue, in_volume, labels_in_volume, looked_up, montage_of
from cloudvolume import CloudVolume
from sections import alignment_errors, montage_errors
from taken import SMALL, Taken, run_now, settings

from pipeline.config import RunConfig
from pipeline.geometry import Box
from pipeline.results.artifacts import Artifact
from pipeline.run_folder import Run
from pipeline.sections import blocks
from pipeline.sections.pair import read_pair
from pipeline.sections.stack import read_stack
from pipeline.settings.sections import Alignment
from pipeline.volumes import open_image
from workflows.section_stages import align

SOMEWHERE = np.array([(y, x) for y in (60.0, 150.5, 240.0) for x in (70.0, 160.0, 250.5)])


def files(folder: Path) -> dict[str, bytes]:
    """All results of an alignment but the records, which say when it was."""
    found = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".done.json")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_tissue_lies_on_itself_from_section_to_section(aligned: Taken) -> None:
    errors = alignment_errors(aligned.stack, aligned.sections, aligned.truth, SMALL.side)
    assert np.median(montage_errors(aligned.stack, aligned.sections, aligned.truth)) < 0.3
    assert np.median(errors["neighbours"]) < 0.7
    assert np.percentile(errors["neighbours"], 95) < 2
    assert errors["drift"].max() < 3


def test_sections_are_compared_up_to_their_edges(aligned: Taken) -> None:
    """Half a patch and nearer, where a part of it alone is in both; the points found there are right."""
    stack, truth, near = aligned.stack, aligned.truth, aligned.stack.config.alignment.patch // 2
    for a, b in stack.section_pairs:
        name = f"{aligned.sections[a].name}_{aligned.sections[b].name}.npz"
        found = read_pair(Artifact(str(stack.file("pairs", name)), "")).flow
        outer = np.minimum(found.points, SMALL.side - found.points).min(axis=1) < near
        assert outer.sum() >= 8
        common = {z: misplaced(aligned, z) for z in (a, b)}
        tissue = truth.distortions[a](found.points[outer] - common[a])
        there, _ = truth.distortions[b].undone(tissue)
        assert np.median(np.linalg.norm(there + common[b] - found.to[outer], axis=1)) < 1.5


def test_a_lost_section_is_bridged_and_blank(aligned: Taken) -> None:
    stack = aligned.stack
    assert (2, 4) in stack.section_pairs
    across = read_pair(Artifact(str(stack.file("pairs", "z000002_z000004.npz")), ""))
    assert not across.is_refused
    voxels = volume(aligned)
    assert not voxels[3].any()
    assert all(voxels[z].any() for z in stack.sections)


def test_the_volume_has_the_grey_values_and_the_place_that_it_says(aligned: Taken) -> None:
    cloud = CloudVolume(f"file://{aligned.stack.volume_folder}", progress=False)
    assert cloud.resolution.tolist() == [10, 10, 40]
    assert cloud.voxel_offset.tolist() == list(aligned.stack.box.start[::-1])
    voxels = volume(aligned)
    assert voxels.shape == aligned.stack.box.shape
    seen = voxels[voxels > 0]
    assert abs(float(seen.mean()) - 128) < 6
    assert 30 < float(seen.std()) < 50


def test_neighbouring_sections_look_alike_as_they_do_in_the_tissue(aligned: Taken) -> None:
    voxels = volume(aligned).astype(float)
    middle = voxels[:, 60:-60, 60:-60]
    for a, b in ((0, 1), (1, 2), (4, 5)):
        both = (middle[a] > 0) & (middle[b] > 0)
        assert np.corrcoef(middle[a][both], middle[b][both])[0, 1] > 0.75


def test_where_points_of_the_tissue_come_to_lie_leads_back_to_them(aligned: Taken) -> None:
    for section in aligned.sections.values():
        places = in_volume(aligned.stack, section, aligned.truth, SOMEWHERE)
        seen = np.isfinite(places[:, 0])
        back = in_tissue(aligned.stack, section, aligned.truth, places[seen])
        assert seen.sum() >= 5
        assert np.abs(back - SOMEWHERE[seen]).max() < 0.3


def test_labels_come_along_with_the_tissue(aligned: Taken) -> None:
    columns = np.broadcast_to(np.arange(SMALL.tissue[2], dtype=np.int32), SMALL.tissue)
    box = Box((1, 100, 100), (5, 110, 140))
    found = labels_in_volume(aligned.stack, aligned.sections, aligned.truth, columns, box)
    assert not found[3 - 1].any(), "section 3 is lost"
    there = np.indices(box.shape[1:]).reshape(2, -1).T + np.array(box.start[1:], float)
    expected = in_tissue(aligned.stack, aligned.sections[1], aligned.truth, there)[:, 1]
    assert np.array_equal(found[0].ravel(), np.rint(expected))


def test_tiles_looked_up_where_they_were_taken_show_the_tissue(aligned: Taken) -> None:
    box = Box((0, 100, 100), (2, 180, 180))
    image = SMALL.phantom(5).image(box)
    shown = looked_up(aligned.stack, aligned.sections, aligned.truth, box)
    for one, other in zip(image, shown):
        seen = other > 0
        assert np.corrcoef(one[seen], other[seen])[0, 1] > 0.85


def test_nothing_is_made_twice_and_another_order_gives_the_same_bytes(aligned: Taken, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in aligned.stack.folder.rglob("*") if path.is_file()}
    align(aligned.stack, aligned.sections, run_now)
    assert before == {p: p.stat().st_mtime_ns for p in aligned.stack.folder.rglob("*") if p.is_file()}
    elsewhere = dataclasses.replace(aligned.stack, folder=tmp_path)
    backwards = dict(reversed(aligned.sections.items()))
    align(elsewhere, backwards, run_now)
    there, here = files(tmp_path), files(aligned.stack.folder)
    judged = "quality.json"  # its list of sections is in their order
    assert {name: of for name, of in there.items() if name != judged} == {
        name: of for name, of in here.items() if name != judged
    }


def test_a_damaged_part_of_the_volume_is_made_again(aligned: Taken) -> None:
    chunk = min((aligned.stack.volume_folder / "10_10_40").iterdir())
    whole = chunk.read_bytes()
    chunk.write_bytes(b"?" + whole[1:])
    align(aligned.stack, aligned.sections, run_now)
    assert chunk.read_bytes() == whole


def test_a_run_reads_the_volume(aligned: Taken) -> None:
    data = {"image": f"precomputed://file://{aligned.stack.volume_folder}"}
    image = open_image(Run(aligned.folder, RunConfig.model_validate({"data": data})))
    assert image.box == aligned.stack.box
    assert image.frame.voxel_size_nm == (40, 10, 10)
    assert (image.read(image.box) == volume(aligned)).all()


def test_what_is_doubtful_is_written_down(aligned: Taken) -> None:
    found = json.loads(aligned.stack.quality_file.read_text())
    assert found["lost"] == [3]
    assert found["missing"] == ["z0001/r0_c1.png"]
    assert found["montage"]["refused"] == found["montage"]["guessed"] == []
    assert found["alignment"]["parts"] == [[0, 1, 2, 4, 5]]
    assert found["alignment"]["refused"] == []
    assert {(one["a"], one["b"]) for one in found["alignment"]["of_pairs"]} == set(
        aligned.stack.section_pairs
    )


def test_sections_that_cannot_be_laid_on_each_other_are_parts(taken: Taken, tmp_path: Path) -> None:
    config = settings(taken.folder, alignment={"min_inliers": 100_000})
    stack, sections = read_stack(config, tmp_path)
    align(stack, sections, run_now)
    found = json.loads(stack.quality_file.read_text())["alignment"]
    assert len(found["refused"]) == len(stack.section_pairs)
    assert found["parts"] == [[z] for z in stack.sections]


def test_groups_that_overlap_give_one_volume_without_a_seam(taken: Taken, tmp_path: Path) -> None:
    config = settings(taken.folder, alignment={"group": 3, "group_overlap": 2})
    stack, sections = read_stack(config, tmp_path)
    assert stack.groups == [(0, 1, 2), (1, 2, 4), (2, 4, 5)]
    align(stack, sections, run_now)
    errors = alignment_errors(stack, sections, taken.truth, SMALL.side)
    assert np.median(errors["neighbours"]) < 0.7


def test_blocks_are_the_volume(taken: Taken) -> None:
    parts = blocks(taken.stack)
    assert sum(block.size for block in parts) == taken.stack.box.size
    assert all(taken.stack.box.contains(block) for block in parts)
    assert not any(not (a & b).is_empty for a in parts for b in parts if a != b)


@pytest.mark.parametrize("overlap", [1, 32])
def test_groups_must_share_what_they_compare(overlap: int) -> None:
    with pytest.raises(ValueError, match=f"group_overlap is {overlap}"):
        Alignment(group_overlap=overlap)


def misplaced(taken: Taken, z: int) -> np.ndarray:
    """By how much the montage of a section as a whole lies elsewhere than the section was."""
    places = montage_of(taken.stack, taken.sections[z])["places"]
    wrong = [np.array(place) - taken.truth.places[name] for name, place in places.items()]
    return np.asarray(np.mean(wrong, axis=0))


def volume(taken: Taken) -> np.ndarray:
    cloud = CloudVolume(f"file://{taken.stack.volume_folder}", progress=False)
    box = Box.of_shape(tuple(cloud.volume_size[::-1].tolist()), taken.stack.box.start)
    assert box == taken.stack.box
    return np.asarray(cloud[:, :, :])[..., 0].T
