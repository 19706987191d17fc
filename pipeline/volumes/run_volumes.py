"""The image, the labels and the mask that a run's configuration names, in one frame: the image's."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pipeline.config import Data
from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.run_folder import Run
from pipeline.settings.data import SECTIONS
from pipeline.settings.fields import sections_in
from pipeline.volumes.aligned import AlignedVolume
from pipeline.volumes.choice import Choice
from pipeline.volumes.frame import VoxelSize, same_size, size_text
from pipeline.volumes.labelled_sections import sections_by_name, spread_out
from pipeline.volumes.labels import LabelVolume
from pipeline.volumes.open import is_address, open_volume, split_scheme
from pipeline.volumes.replaced_sections import ReplacedSections
from pipeline.volumes.volume import Volume
from pipeline.wording import counted

WIDEST_INTEGER = 4
"""Bytes. float32, in which images are normalised, would take 64-bit values for one another."""


def open_image(run: Run) -> Volume:
    """The run's image. Raises InputError when it cannot be opened or is not of an image's dtype."""
    data = run.config.data
    if run.aligned is not None:
        image: Volume = AlignedVolume(run)
    else:
        image = _open(run, data.image, "image", _image_choice(data))
    is_image = image.dtype.kind == "f" or (
        image.dtype.kind in "iu" and image.dtype.itemsize <= WIDEST_INTEGER
    )
    if not is_image:
        raise InputError(
            f"data.image {image.uri} holds {image.dtype}; expected integers of 8 to 32 bits, or floats: "
            "convert it"
        )
    return ReplacedSections(image, data.replace_sections) if data.replace_sections else image


def open_labels(run: Run) -> LabelVolume:
    """The run's labels, where they lie in the image's coordinates.

    That is data.labels_box, or what their file says, or the whole image if it says nothing and their shape is
    the image's. Raises InputError when there are none, when they are not integers, when it is unknown where
    they lie, when none of them lies in the image, and when their voxels are of another size.
    """
    data = run.config.data
    if data.labels is None:
        raise InputError(
            "data.labels is not set: there is nothing to train on or to score against; name some"
        )
    image = open_image(run)
    labels = _open(run, data.labels, "labels", _labels_choice(data, image))
    if data.labelled_sections is not None:
        labels = spread_out(labels, sections_in(data.labelled_sections), image, data.labels_box)
    _of_one_size(labels, image, "data.labels", "data.labels_mip or data.mip")
    if data.labels_box and labels.shape != data.labels_box.shape:
        raise InputError(
            f"data.labels {labels.uri} has shape {labels.shape}, but data.labels_box {data.labels_box} has "
            f"shape {data.labels_box.shape}: set it to where the labels lie, first voxel and shape"
        )
    if not labels.frame.is_placed:
        _put_on(image, labels)
    if (labels.box & image.box).is_empty:
        raise InputError(
            f"data.labels {labels.uri} lies at {labels.box}, but the image {image.uri} at {image.box}: they "
            f"share no voxel; set data.labels_box to where the labels lie"
        )
    return LabelVolume(labels, data.ignore_labels)


def labelled_box(run: Run) -> Box:
    """The part of the image that the labels cover. Raises InputError as `open_labels` does."""
    if run.config.data.labels == "phantom":
        return run.config.data.labels_box or Box.of_shape(run.config.data.phantom.shape)
    return open_labels(run).box & open_image(run).box


def labelled_sections_by_name(run: Run) -> str | None:
    """What `data.labelled_sections` should be by the numbers of the slices of image and labels, unless it is
    set; None where they are alike, or tell nothing. Raises InputError where one of the two cannot be opened.
    """
    data = run.config.data
    if data.labels is None or data.labelled_sections is not None:
        return None
    image = open_image(run)
    choice = replace(_labels_choice(data, image), slices=0)
    return sections_by_name(image, _open(run, data.labels, "labels", choice))


def open_mask(run: Run, which: Literal["mask", "loss_mask"] = "mask") -> Volume | None:
    """The run's mask of tissue, or of what is learned from, if it has one; what it does not cover is 0 in it.

    Raises InputError.
    """
    data = run.config.data
    uri = data.mask if which == "mask" else data.loss_mask
    if uri is None:
        return None
    image = open_image(run)
    choice = Choice(
        like_nm=_by_its_file(image), must_fit=bool(data.mip), voxel_size_nm=data.voxel_size_nm, role="mask_"
    )
    mask = _open(run, uri, "mask", choice)
    if mask.lossy:
        raise InputError(
            f"data.{which} {mask.uri} is stored as {mask.lossy}, which changes where it is 0: "
            "save it losslessly"
        )
    _of_one_size(mask, image, f"data.{which}", "another mask")
    if not mask.frame.is_placed:
        if mask.shape != image.shape:
            raise InputError(
                f"data.{which} {mask.uri} has shape {mask.shape}, but the image {image.uri} has "
                f"{image.shape}: give one of the image's shape, or one that says where it lies"
            )
        mask.frame = replace(mask.frame, origin=image.box.start)
    return mask


def image_voxel_size_nm(run: Run) -> VoxelSize | None:
    """The image's voxel size, z, y, x, where it is known; of a phantom also before it is there."""
    data = run.config.data
    if data.voxel_size_nm or data.image != "phantom":
        return data.voxel_size_nm or open_image(run).voxel_size_nm
    return data.phantom.voxel_size_nm


def _image_choice(data: Data) -> Choice:
    return Choice(
        level=data.mip,
        channel=data.channel,
        axes=data.axes,
        origin=data.origin,
        voxel_size_nm=data.voxel_size_nm,
        replaced=data.replace_sections,
    )


def _labels_choice(data: Data, image: Volume) -> Choice:
    return Choice(
        level=data.labels_mip,
        like_nm=_by_its_file(image),
        must_fit=bool(data.mip),
        channel=data.labels_channel,
        axes=data.labels_axes,
        origin=data.labels_box.start if data.labels_box else None,
        voxel_size_nm=data.voxel_size_nm,
        slices=None if data.labelled_sections is None else len(sections_in(data.labelled_sections)),
        role="labels_",
    )


def _by_its_file(image: Volume) -> VoxelSize | None:
    """The voxel size to find another file's level by: as files state it, whatever the run file corrects."""
    return image.frame.stated_nm or image.voxel_size_nm


def _put_on(image: Volume, labels: Volume) -> None:
    """Labels that do not say where they lie are all over the image, if they can be."""
    if labels.shape != image.shape:
        named = sections_by_name(image, labels)
        if named is not None and labels.shape[1:] == image.shape[1:]:
            raise InputError(
                f"data.labels {labels.uri} has {counted(labels.shape[0], 'section')}, the image {image.uri} "
                f'has {image.shape[0]}: set data.labelled_sections to "{named}", where they lie by their '
                "names"
            )
        raise InputError(
            f"data.labels {labels.uri} has shape {labels.shape}, but the image {image.uri} has shape "
            f"{image.shape}, and neither says where the labels lie: set data.labels_box, or "
            "data.labelled_sections where only some sections are labelled"
        )
    labels.frame = replace(labels.frame, origin=image.box.start)


def _of_one_size(volume: Volume, image: Volume, what: str, other_level: str) -> None:
    """Raise InputError when the voxels of two volumes are known to be of different sizes."""
    own, wanted = volume.voxel_size_nm, image.voxel_size_nm
    if own is not None and wanted is not None and not same_size(own, wanted):
        raise InputError(
            f"{what} {volume.uri} has voxels of {size_text(own)}, the image {image.uri} of "
            f"{size_text(wanted)} (z, y, x): choose {other_level} where there are levels of one size, or set "
            "data.voxel_size_nm if one of the files is wrong"
        )


def _open(run: Run, uri: str, phantom_dataset: str, choice: Choice) -> Volume:
    data = run.config.data
    if uri == SECTIONS:
        return open_volume(f"precomputed://file://{run.aligned_folder}", choice)
    if uri == "phantom":
        voxel_size_nm = data.voxel_size_nm or data.phantom.voxel_size_nm
        return open_volume(
            f"{run.phantom_file}:{phantom_dataset}", replace(choice, voxel_size_nm=voxel_size_nm)
        )
    return open_volume(_located(uri, data.folder), choice)


def _located(uri: str, folder: str | list[str] | None) -> str:
    """`uri` with a relative path joined to `folder`; remote addresses stay as they are."""
    if not isinstance(folder, str) or is_address(uri):
        return uri
    scheme, separator, path = split_scheme(uri)
    if not separator:
        return str(Path(folder) / os.path.expanduser(uri))
    return f"{scheme}://{Path(folder) / os.path.expanduser(path)}"
