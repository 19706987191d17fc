"""The image and the labels that a run's configuration names."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.errors import InputError
from pipeline.run_folder import Run
from pipeline.volumes.open import open_volume
from pipeline.volumes.placed import PlacedVolume
from pipeline.volumes.volume import Volume, VoxelSize

IMAGE_DTYPES = (np.uint8, np.uint16, np.float32, np.float64)


def open_image(run: Run) -> Volume:
    """The run's image. Raises InputError when it cannot be opened or is not of an image's dtype."""
    image = _open(run, run.config.data.image, "image")
    if image.dtype not in IMAGE_DTYPES:
        raise InputError(
            f"data.image {image.uri} holds {image.dtype}; expected uint8, uint16, float32 or float64"
        )
    return image


def open_labels(run: Run) -> Volume:
    """The run's labels, in the image's coordinates: where data.labels_box lies, or else all over the image.

    Raises InputError when there are none, when they are not integers, and when their shape is not
    that of the labels box, or of the image.
    """
    data = run.config.data
    if data.labels is None:
        raise InputError("data.labels is not set: there is nothing to train on or to score against")
    labels = _open(run, data.labels, "labels")
    if labels.dtype.kind not in "iu":
        raise InputError(f"data.labels {labels.uri} holds {labels.dtype}; expected integer ids")
    image = open_image(run)
    covered = data.labels_box or image.box
    if not image.box.contains(covered):
        raise InputError(f"data.labels_box {covered} is outside the image {image.uri}, {image.box}")
    if labels.shape != covered.shape:
        expected = f"data.labels_box {covered} has" if data.labels_box else f"the image {image.uri} has"
        raise InputError(
            f"data.labels {labels.uri} has shape {labels.shape}, but {expected} shape {covered.shape}"
        )
    return PlacedVolume(labels, covered.start)


def image_voxel_size_nm(run: Run) -> VoxelSize | None:
    """The image's voxel size, z, y, x, where it is known; of a phantom also before it is there."""
    data = run.config.data
    if data.voxel_size_nm or data.image != "phantom":
        return data.voxel_size_nm or open_image(run).voxel_size_nm
    return data.phantom.voxel_size_nm


def _open(run: Run, uri: str, phantom_dataset: str) -> Volume:
    data = run.config.data
    if uri == "phantom":
        voxel_size_nm = data.voxel_size_nm or data.phantom.voxel_size_nm
        return open_volume(f"{run.phantom_file}:{phantom_dataset}", voxel_size_nm)
    return open_volume(_located(uri, data.folder), data.voxel_size_nm)


def _located(uri: str, folder: str | list[str] | None) -> str:
    """`uri` with a relative path joined to `folder`; remote addresses stay as they are."""
    if not isinstance(folder, str):
        return uri
    scheme, separator, path = uri.partition("://")
    if not separator:
        return str(Path(folder) / uri)
    return uri if "://" in path else f"{scheme}://{Path(folder) / path}"
