"""What a run's image, labels and mask are: the names that records know them by.

They are known by their voxels, which are read when a volume's files are not as they were at the last start:
touched, copied or moved it is the same, edited it is another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from pipeline.config import Data
from pipeline.errors import InputError
from pipeline.results.artifacts import file_sha256, publishing
from pipeline.results.unreadable import read_if_there
from pipeline.run_folder import Run
from pipeline.settings.corrections import identity_of, read_corrections
from pipeline.settings.data import SECTIONS
from pipeline.settings.evaluation import FROM_LABELS
from pipeline.settings.fields import sections_in
from pipeline.synthetic.make_phantom import phantom_target
from pipeline.volumes import Volume, image_voxel_size_nm, open_image, open_labels, open_mask
from pipeline.volumes.content import content, sampled_blocks, share_sampled

OF_PHANTOM = {
    "image": {"mip", "channel", "axes", "origin", "replace_sections"},
    "labels": {"labels_mip", "labels_channel", "labels_axes", "labels_box", "origin"},
}
"""What says, beside `_ignoring`, what a volume has of its file; a phantom is known before it is there."""


class Known(NamedTuple):
    """A volume as a start of the run found it."""

    stamp: str
    read_as: str
    content: str
    measured: str = ""
    """Of the image, where nobody says by what it is normalised: mean, standard deviation, and their box."""


def with_identities(run: Run, trust_kept: bool = False) -> Run:
    """The run with the identities of its image and, if it has them, its labels and its mask.

    Looked up once for all tasks. A phantom is known by what it is made of, so it has its identity before it
    is there. With `trust_kept` the last start is believed wherever its files are. Raises InputError.
    """
    kept = read_kept(run)
    identities, found, touched = {}, {}, []
    for name, data, volume in _volumes(run):
        kind = name.partition(" ")[0]
        now = Known(volume.stamp, _read_as(kind, data), "")
        before = kept.get(name)
        if before is None or not (trust_kept or _as_before(now, before, volume)):
            now = now._replace(content=content(volume) + _gaps(kind, volume))
            if before is not None and before.content == now.content:
                now = now._replace(measured=before.measured)
                if before.stamp != now.stamp and before.read_as == now.read_as:
                    touched.append(name)
        else:
            now = before
        found[name] = now
        told = _ignoring(kind, data) + _replacing(kind, data, volume)
        identities[name] = f"{now.content} at {volume.frame.origin}{told}"
    if run.config.data.image == SECTIONS:
        identities["image"] = SECTIONS  # each task knows the blocks of it that it reads
    for name in ("image", "labels"):
        if getattr(run.config.data, name) == "phantom":
            identities[name] = f"phantom {phantom_target(run).recipe.fingerprint}{_otherwise(run, name)}"
    skeletons = run.config.evaluation.skeletons
    if skeletons not in (None, FROM_LABELS):
        identities["skeletons"] = _files_identity(Path(skeletons))
    corrections = run.config.reconciliation.corrections
    if corrections is not None:
        identities["corrections"] = identity_of(read_corrections(Path(corrections), image_voxel_size_nm(run)))
    return replace(run, identities=identities, inputs=found, touched=tuple(touched))


def _files_identity(path: Path) -> str:
    """The content of a file, or of all files in a folder. Raises InputError where there is none."""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    digest = hashlib.sha256()
    try:
        for file in files:
            digest.update(f"{file.relative_to(path)} {file_sha256(file)}\n".encode())
    except OSError as error:
        raise InputError(
            f"evaluation.skeletons {path} cannot be read: {error.strerror}; set it to a folder of .swc "
            "or .nml files, a folder of precomputed skeletons, or an .npz of em_erl"
        ) from None
    return digest.hexdigest()


def read_kept(run: Run) -> dict[str, Known]:
    """The volumes as the last start of the run found them; none where there are none, or a torn file.

    Raises Unreadable.
    """
    text = read_if_there(run.inputs_file) or b"{}"
    try:
        return {name: Known(*known) for name, known in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError):
        return {}


def write_kept(run: Run) -> None:
    """Keep how this start found the volumes, for the next one. Raises InputError."""
    with publishing(run.inputs_file) as temporary:
        temporary.write_text(json.dumps(run.inputs, indent=1) + "\n")


def _volumes(run: Run) -> Iterator[tuple[str, Data, Volume]]:
    """What is read of files, by its name, with the section that says how."""
    data = run.config.data
    if not run.makes_image:
        yield "image", data, open_image(run)
    if data.labels not in (None, "phantom"):
        yield "labels", data, open_labels(run).as_stored  # as stored: 0 and an id to ignore are not the same
    mask = open_mask(run)
    if mask is not None:
        yield "mask", data, mask
    for index, one in enumerate(run.trained_on if run.config.trains else []):
        of = f" of training.volumes.{index - 1}" if index else ""
        if index:
            yield f"image{of}", one.config.data, open_image(one)
            yield f"labels{of}", one.config.data, open_labels(one).as_stored
        loss_mask = open_mask(one, "loss_mask")
        if loss_mask is not None:
            yield f"loss_mask{of}", one.config.data, loss_mask


def _as_before(now: Known, before: Known, volume: Volume) -> bool:
    """Whether a volume need not be read: in a bucket it may have changed without a sign."""
    return now.stamp == before.stamp and now.read_as == before.read_as and not volume.is_remote


def _ignoring(name: str, data: Data) -> str:
    """What of the labels the run file says to ignore, ids and sections: with others it is another input."""
    if name != "labels":
        return ""
    ids = f" ignoring {sorted(set(data.ignore_labels))}" if data.ignore_labels else ""
    ids += ", 0 unknown" if 0 in data.ignore_labels else ""  # which earlier versions took for known
    return ids + _in_sections(data)


def _in_sections(data: Data) -> str:
    """The sections that are labelled, however the run file writes them, where not all may be."""
    drawn = data.labelled_sections and sections_in(data.labelled_sections)
    return f" in sections {list(drawn)}" if drawn else ""


def _replacing(name: str, data: Data, volume: Volume) -> str:
    """The sections that others are shown in place of, where `content` may not have looked at them."""
    replaced = sorted(data.replace_sections.items()) if name == "image" else []
    return f" sections {replaced}" if replaced and share_sampled(volume) < 1 else ""


def _otherwise(run: Run, name: str) -> str:
    """The settings by which a phantom is read otherwise than it is made."""
    data = run.config.data
    given = data.model_dump(mode="json", include=OF_PHANTOM[name], exclude_defaults=True)
    return (f" {json.dumps(given, sort_keys=True)}" if given else "") + _ignoring(name, data)


def _gaps(kind: str, volume: Volume) -> str:
    """Which chunks of labels are missing where `content` looks: what is there is read as 0, but unknown."""
    if kind != "labels" or volume.may_be_empty:
        return ""
    chunks = dict.fromkeys(chunk for block in sampled_blocks(volume) for chunk in volume.chunks(block))
    missing = "; ".join(map(str, volume.missing_of(list(chunks))))
    return f" without {hashlib.sha256(missing.encode()).hexdigest()}" if missing else ""


def _read_as(name: str, data: Data) -> str:
    """The settings that decide which voxels of its files a volume has."""
    chosen = {
        "image": (data.mip, data.channel, data.axes, sorted(data.replace_sections.items())),
        "labels": (data.labels_mip, data.labels_channel, data.labels_axes, "gaps are unknown"),
        "mask": (),
        "loss_mask": (),
    }
    return str(chosen[name]) + (_in_sections(data) if name == "labels" else "")
