"""Whether a resolved run's labels can be read, and look like labels of objects."""

from __future__ import annotations

import numpy as np

from pipeline.checkup.drawn import background, doubts_of_training
from pipeline.checkup.finding import FAIL, Finding, fail, ok, skip, together, warn
from pipeline.checkup.fit import doubts_of_fit
from pipeline.checkup.image import describe
from pipeline.geometry import Box
from pipeline.run_folder import Run
from pipeline.settings.fields import sections_in
from pipeline.volumes import Volume, open_image, open_labels, open_mask
from pipeline.volumes.absence import absence, of_slices
from pipeline.volumes.frame import same_size, size_text
from pipeline.volumes.id_between import id_between
from pipeline.volumes.intensity import sample_blocks
from pipeline.volumes.labelled_sections import LabelledSections, as_opened, sections_by_name
from pipeline.volumes.labels import LabelVolume
from pipeline.volumes.neuroproof import NeuroproofVolume
from pipeline.volumes.slice_folder import SliceVolume
from pipeline.wording import LIKE_A_MASK

FEW = 0.05
"""A smaller labelled share of the voxels looked at is told."""

ONE_AS_FLOAT = {4: 0x3F800000, 8: 0x3FF0000000000000}
"""The bits of 1.0 in floats of 4 and 8 bytes: the least id of labels that are whole numbers stored so."""


def labels(run: Run) -> Finding:
    """What the labels are and where they lie, a sample of them read. Raises InputError."""
    if run.config.data.labels == "phantom":
        return skip("the run makes its own")
    training, evaluation = run.config.training, run.config.evaluation
    wanted = {"evaluation.box": evaluation.box}
    if run.config.trains:
        wanted = {"training.box": training.box, "training.validation_box": training.validation_box}
    boxes = {name: box for name, box in wanted.items() if box is not None}
    if not boxes:
        return skip("the run needs none")
    image, volume = open_image(run), open_labels(run)
    looks = together([_look_in(run, volume, name, box) for name, box in boxes.items()])
    found = f"{describe(volume, volume.stored_dtype)}; {looks.text}"
    numbers = _other_numbers(image, volume, is_placed=run.config.data.labels_box is not None)
    doubts = [*_voxel_size(image, volume), *numbers, *_outside(image, volume), *_fit(run, image, volume)]
    if doubts and looks.state != FAIL:
        return warn(found, "; ".join(doubts))
    return Finding(looks.state, found)


def _look_in(run: Run, volume: LabelVolume, name: str, box: Box) -> Finding:
    """What the labels are in the box of a setting."""
    drawn, where = volume.drawn_in(box)
    if where.is_empty:
        return fail(f"none of data.labelled_sections lies in {name} {box}", "name others, or set another box")
    blocks = sample_blocks(drawn, where)
    stored = [drawn.source.read(block) for block in blocks]
    ids, counts = np.unique(np.concatenate([s.reshape(-1) for s in stored]), return_counts=True)
    unlabelled = volume.is_unlabelled(ids)
    labelled = float(counts[~unlabelled].sum() / counts.sum())
    if labelled == 0:
        judge = fail if sum(block.size for block in blocks) == where.size else warn
        return judge(
            f"no voxel in {box} is labelled{_told(ids, counts, unlabelled)}",
            "0, negative ids, the dtype's largest and data.ignore_labels are not labels",
        )
    doubts = [
        *_look(volume, ids[~unlabelled], labelled),
        *background(ids, counts, ~unlabelled),
        *_between([np.where(volume.is_unlabelled(s), 0, s) for s in stored]),
        *(doubts_of_training(run, volume, box) if name == "training.box" else []),
        *_without_body(drawn, blocks),
        *_gaps(drawn, where),
    ]
    sections = "" if drawn is volume else f" in {where.shape[0]:,} of its {box.shape[0]:,} sections"
    found = f"{labelled:.1%} of {name} labelled{sections}{_told(ids, counts, unlabelled)}"
    return warn(found, "; ".join(doubts)) if doubts else ok(found)


def mask(run: Run) -> Finding:
    """What the mask is and where it lies. Raises InputError."""
    volume, tried_in = open_mask(run), run.config.training.validation_box if run.config.trains else None
    found = [_covering(run, volume, "mask", "inference.box", run.inference_box)]
    if tried_in is not None:
        found.append(_covering(run, volume, "mask", "training.validation_box", tried_in))
    return together(found)


def loss_mask(run: Run) -> Finding:
    """What the mask of what is learned from is, and where it lies. Raises InputError."""
    box = run.config.training.box
    if not run.config.trains or box is None:
        return skip("the run trains nothing")
    return _covering(run, open_mask(run, "loss_mask"), "loss_mask", "training.box", box)


def _covering(run: Run, volume: Volume | None, which: str, named: str, box: Box) -> Finding:
    """What a mask, `data.` and `which`, is like in a box, whose setting is `named`."""
    if volume is None:
        return skip("none is set")
    done, counts = ("seeded", "tissue") if which == "mask" else ("learned", "learned from")
    if (volume.box & box).is_empty:
        return fail(
            f"data.{which} {volume.uri} lies at {volume.box}, {named} {box} elsewhere",
            f"nothing would be {done}",
        )
    blocks = sample_blocks(volume, box)
    share = float(np.mean(np.concatenate([volume.read(block).reshape(-1) for block in blocks]) != 0))
    covered = (volume.box & box).size / box.size
    found = f"{describe(volume)}; {share * covered:.0%} of {named} is {counts}"
    doubts = [] if run.makes_image else _voxel_size(open_image(run), volume)
    if covered < 1:
        doubts.append(f"it covers {covered:.0%} of {named}; nothing is {done} in the rest")
    if not share:
        doubts.append(f"nothing would be {done} where it was looked at")
    missing = absence(volume, box)
    if missing.missing and not volume.may_be_empty:
        doubts.append(f"{missing.text('chunks of the mask')}, and count as 0")
    return warn(found, "; ".join(doubts)) if doubts else ok(found)


def _between(blocks: list[np.ndarray]) -> list[str]:
    """An id that is no object's: it separates them."""
    found = id_between(blocks)
    if found is None:
        return []
    return [
        f"id {found} lies wherever two objects touch: if it is the membrane between them it should be 0, or "
        "it is learned as one"
    ]


def _told(ids: np.ndarray, counts: np.ndarray, unlabelled: np.ndarray) -> str:
    """The ids other than 0 that count as unlabelled, with their share of the voxels."""
    told = [
        f"{i} ({count / counts.sum():.1%})"
        for i, count, left in zip(ids, counts, unlabelled)
        if left and i != 0
    ]
    return f", id {', '.join(told[:4])} taken for unlabelled" if told else ""


def _without_body(labels: LabelVolume, blocks: list[Box]) -> list[str]:
    """Supervoxels of a NeuroProof stack that its table gives to no body."""
    if not isinstance(labels.source, NeuroproofVolume):
        return []
    lost, size = sum(map(labels.source.without_body, blocks)), sum(block.size for block in blocks)
    return [f"{lost / size:.1%} are of supervoxels without a body, and unlabelled"] if lost else []


def _voxel_size(image: Volume, labels: Volume) -> list[str]:
    """A voxel size that the labels' file states otherwise, or in two ways, or that one of the two files alone
    states."""
    doubts, stated = [], labels.frame.stated_nm
    if labels.frame.stated_otherwise:
        doubts.append(labels.frame.stated_otherwise)
    if stated and labels.voxel_size_nm and not same_size(stated, labels.voxel_size_nm):
        doubts.append(f"their file says {size_text(stated)}")
    if labels.frame.is_placed and (stated is None) != (image.frame.stated_nm is None):
        doubts.append("the voxel size stands in one of the two files alone, and is taken for that of both")
    return doubts


def _outside(image: Volume, labels: LabelVolume) -> list[str]:
    """Labels where there is no image."""
    outside = labels.box.size - (labels.box & image.box).size
    return [f"{outside:,} of their voxels lie outside the image"] if outside else []


def _fit(run: Run, image: Volume, labels: LabelVolume) -> list[str]:
    """Labels that do not lie on the image as they are read, as far as that is soon seen."""
    if run.makes_image or isinstance(labels.source, LabelledSections):
        return []
    return doubts_of_fit(image, labels)


def _gaps(labels: LabelVolume, box: Box) -> list[str]:
    """Chunks of labels that are not stored."""
    missing = absence(labels, box)
    if not missing.missing:
        return []
    noun = "slices of the labels" if of_slices(labels) else "chunks of the labels"
    return [f"{missing.text(noun)} and count as {'0' if labels.may_be_empty else 'unlabelled'}"]


def _other_numbers(image: Volume, labels: LabelVolume, is_placed: bool) -> list[str]:
    """Slices of image and labels that are not numbered alike, some count from 0, some from 1; where they
    begin is no matter if labels are placed by hand."""
    named, image = sections_by_name(image, labels.source), as_opened(image)
    if isinstance(labels.source, LabelledSections):
        if named is None or sections_in(named) == tuple(labels.source.drawn):
            return []
        return [
            f"by the names of their slices these are sections {named}: if so, set data.labelled_sections to "
            f'"{named}"'
        ]
    if not (isinstance(image, SliceVolume) and isinstance(labels.source, SliceVolume)):
        return []
    ours, theirs = image.counted_by, labels.source.counted_by
    if ours is None or theirs is None or ours == theirs:
        return []
    if ours[1] != theirs[1]:
        mend = f'set data.labelled_sections to "{named}"' if named else "give them numbers as the image's"
        return [
            f"their slices go up by {theirs[1]}, those of the image by {ours[1]}, and both are taken for "
            f"sections that follow each other: {mend}"
        ]
    if is_placed:
        return []
    return [
        f"their slices begin with number {theirs[0]}, those of the image with {ours[0]}: both are taken to "
        f"begin at z {labels.box.start[0]}; if not, set data.labels_box"
    ]


def _look(volume: LabelVolume, ids: np.ndarray, labelled: float) -> list[str]:
    """What makes one doubt that `ids`, those found in labelled voxels, are of objects."""
    doubts = []
    if labelled < FEW:
        doubts.append("few voxels are labelled")
    if len(ids) == 1:
        doubts.append(f"all labelled voxels have the id {ids[0]}: {LIKE_A_MASK}")
    size = volume.stored_dtype.itemsize
    if size in ONE_AS_FLOAT and ids.min() >= ONE_AS_FLOAT[size]:
        as_floats = ids.view(f"f{size}")
        if np.all(as_floats == np.round(as_floats)):
            doubts.append("the ids look like floating-point numbers read as integers")
    return doubts
