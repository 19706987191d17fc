"""The points at which two segmentations beside each other differ most, and objects that one has worse."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pipeline.errors import InputError
from pipeline.evaluation.comparison import blocks
from pipeline.evaluation.contingency import ContingencyTable
from pipeline.evaluation.differing import differing
from pipeline.evaluation.points import located
from pipeline.evaluation.worst import Wrong, worst
from pipeline.geometry import Box, triple
from pipeline.viewing.beside import BESIDE, FIRST, first_of
from pipeline.viewing.layers import Shown
from pipeline.volumes import Volume
from pipeline.volumes.absence import absence
from pipeline.volumes.frame import same_size, size_text
from pipeline.volumes.labels import LabelVolume
from pipeline.wording import counted

MOST = 50
"""Points of either kind: as many as a run lists errors."""
LOOKED_AT = 1000
"""Of the costliest errors, those of most voxels are taken."""

Watch = Callable[[Sequence[Box]], Iterable[Box]]
Counted = list[tuple[Box, ContingencyTable]]


def compare(shown: Shown, wanted: Box | None, watch: Watch) -> None:
    """Set where the two segmentations of a scene differ most, and what of the truth one of them has worse.

    That is in the box `wanted`, or in all that both cover. Of each `point` (z, y, x, in voxels of the scene),
    `text`, and the ids in the layers. `watch` gives the blocks that it is given, one after the other. Raises
    InputError where the two cannot be compared, and as reading does.
    """
    beside = shown.volume(BESIDE)
    assert beside is not None
    first, other = (LabelVolume(volume, all_are_ids=True) for volume in (first_of(shown), beside))
    box = _shared(first, other, wanted)
    for name, gone in ((FIRST, absence(first, box)), (BESIDE, absence(other, box))):
        if gone.missing:
            shown.lacking.append(f"{name} is compared as blank where it is not there: {gone.text('chunks')}")
    own = first.voxel_size_nm or other.voxel_size_nm or shown.voxel_size_nm
    scale = [a / b for a, b in zip(own, shown.voxel_size_nm)]
    shown.differ = _ranked(_differences(first, other, box, watch), scale)
    if not shown.differ:
        shown.lacking.append(f"{FIRST} and {BESIDE} differ nowhere in {box}")
    elif {first.box, other.box} != {box}:
        shown.lacking.append(f"{FIRST} and {BESIDE} are compared in {box} alone")
    truth = shown.volume("truth")
    if truth is None:
        return
    if (truth.box & box).is_empty or not same_size(truth.voxel_size_nm or own, own):
        shown.lacking.append("which is better is not told: the truth lies elsewhere, or has other voxels")
        return
    shown.worse = _ranked(_worse(first, other, truth, truth.box & box, watch), scale)


def _shared(first: Volume, other: Volume, wanted: Box | None) -> Box:
    own, others = first.voxel_size_nm, other.voxel_size_nm
    if own and others and not same_size(own, others):
        raise InputError(
            f"--beside {other.uri} has voxels of {size_text(others)}, the segmentation {first.uri} of "
            f"{size_text(own)} (z, y, x): name volumes whose voxels are of one size"
        )
    shared = first.box & other.box
    if shared.is_empty:
        raise InputError(
            f"--beside {other.uri} lies at {other.box}, the segmentation {first.uri} at {first.box}: they "
            "share no voxel; set --beside-origin to where it begins"
        )
    if wanted is not None and not shared.contains(wanted):
        raise InputError(f"--box {wanted} reaches outside {shared}, which both segmentations cover")
    return wanted or shared


Point = tuple[str, Wrong, dict[str, Sequence[int]]]
"""In words, the error that has its place, and ids by the name of their layer."""


def _differences(first: Volume, other: Volume, box: Box, watch: Watch) -> list[Point]:
    """The errors that `ffn evaluate` tells of the first against the other, and what the other one lacks.

    Those of most voxels come first: what one lacks all of costs little of the VOI, or nothing.
    """
    of_blocks = _count(first, other, box, watch)
    turned = [(block, table.turned) for block, table in of_blocks]
    whole = ContingencyTable.total(table for _, table in of_blocks)
    errors = [(wrong, FIRST) for wrong in worst(whole, LOOKED_AT)]
    errors += [(wrong, BESIDE) for wrong in worst(whole.turned, LOOKED_AT) if wrong.kind == "blank"]
    errors = sorted(errors, key=lambda each: -each[0].voxels)[:MOST]
    found: dict[int, Point] = {}
    for volume, against, name, tables in (
        (first, other, FIRST, of_blocks),
        (other, first, BESIDE, turned),
    ):
        own = {rank: wrong for rank, (wrong, of) in enumerate(errors) if of == name}
        wrongs = located(list(own.values()), tables, volume.read, against.read, box)
        found |= {rank: _difference(wrong, name) for rank, wrong in zip(own, wrongs)}
    return [found[rank] for rank in sorted(found)]


def _difference(wrong: Wrong, of: str) -> Point:
    """What is wrong in the layer `of`, if the other one is right."""
    (against,) = {FIRST, BESIDE} - {of}
    there, here = (" and ".join(map(str, ids)) for ids in (wrong.truth, wrong.segments))
    what = {
        "split": f"one in {against} ({there}), cut in {of} ({here})",
        "merger": f"one in {of} ({here}), cut in {against} ({there})",
        "blank": f"in {against} ({there}), nothing in {of}",
    }[wrong.kind]
    return f"{what}: {counted(wrong.voxels, 'voxel')}", wrong, {of: wrong.segments, against: wrong.truth}


def _worse(first: Volume, other: Volume, truth: Volume, box: Box, watch: Watch) -> list[Point]:
    """What `ffn evaluate` of both against the truth tells: objects, and what is wrong in the worse one."""
    of_blocks = {volume: _count(volume, truth, box, watch) for volume in (first, other)}
    one, two = (ContingencyTable.total(table for _, table in tables) for tables in of_blocks.values())
    objects = differing(one, two, MOST)
    found: dict[int, Point] = {}
    for volume, name, better in ((first, FIRST, BESIDE), (other, BESIDE, FIRST)):
        own = {number: of for number, of in enumerate(objects) if of.is_worse_in_first == (name == FIRST)}
        wrongs = located([of.wrong for of in own.values()], of_blocks[volume], volume.read, truth.read, box)
        for (number, of), wrong in zip(own.items(), wrongs):
            ids: dict[str, Sequence[int]] = {name: wrong.segments, better: (), "truth": wrong.truth}
            more = abs(of.bits - of.bits_in_first)
            found[number] = f"worse in {name} by {more:.4f} bits: {wrong.what}", wrong, ids
    return [found[number] for number in sorted(found)]


def _count(segmentation: Volume, truth: Volume, box: Box, watch: Watch) -> Counted:
    return [
        (block, ContingencyTable.count(truth.read(block), segmentation.read(block)))
        for block in watch(blocks(box))
    ]


def _ranked(points: Sequence[Point], scale: Sequence[float]) -> list[dict[str, Any]]:
    found = []
    for rank, (text, wrong, ids) in enumerate(points, 1):
        assert wrong.point is not None  # each has voxels
        found.append(
            {
                "point": triple([math.floor((at + 0.5) * ratio) for at, ratio in zip(wrong.point, scale)]),
                "text": f"{rank}. {text}",
                **{layer: list(own) for layer, own in ids.items()},
            }
        )
    return found
