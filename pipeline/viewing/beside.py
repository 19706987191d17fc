"""A second segmentation beside the one that is shown: of a run, or any volume."""

from __future__ import annotations

from dataclasses import replace

from pipeline.errors import InputError
from pipeline.results.bucket import Bucket
from pipeline.results.parts import has_part
from pipeline.results.unreadable import is_there
from pipeline.run_folder import Run
from pipeline.viewing.layers import Shown, ids_of, put_together
from pipeline.viewing.run_layers import add_agglomerated, largest_shaped
from pipeline.volumes import Choice, Volume, open_volume

FIRST, BESIDE = "segmentation", "beside"
"""The two layers."""


def first_of(shown: Shown) -> Volume:
    """The segmentation that another one can be set beside. Raises InputError where there is none."""
    volume = shown.volume(FIRST)
    if volume is None:
        why = "; ".join(shown.lacking) or "name one by --segmentation"
        raise InputError(f"--beside: there is no segmentation to set it beside: {why}")
    return volume


def add_run_beside(shown: Shown, run: Run, agglomerated: bool) -> None:
    """The segmentation of a run, its base ids or those of its agglomeration. Raises InputError."""
    if not has_part(run.volume, "info"):
        raise InputError(
            f"--beside: the tiles of run {run.folder} are not yet joined; `ffn status` tells more"
        )
    volume, largest = open_volume(run.volume_uri, Choice(option=BESIDE)), largest_shaped(run)
    if agglomerated:
        if not is_there(run.agglomeration_file):
            raise InputError(
                f"run {run.folder} has no agglomerated ids: set agglomeration.enabled and go on with it, or "
                "leave --agglomerated out"
            )
        add_agglomerated(shown, run, BESIDE, volume, largest)
    else:
        shown.add(BESIDE, "segmentation", volume, run.volume if isinstance(run.volume, Bucket) else None)
        shown.in_3d[BESIDE] = largest


def add_volume_beside(shown: Shown, uri: str, choice: Choice) -> None:
    """Any segmentation, of several levels the one with the first's voxels. Raises InputError."""
    first = first_of(shown)
    volume = open_volume(uri, replace(choice, like_nm=first.voxel_size_nm))
    if not volume.frame.is_placed:  # the first one stays where it is, with the image
        shown.lacking += put_together({FIRST: first, "one beside": volume})
    shown.add(BESIDE, "segmentation", ids_of(volume))
