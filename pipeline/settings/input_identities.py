"""What a run's image, labels and mask are: the names that records know them by."""

from __future__ import annotations

from dataclasses import replace

from pipeline.config import Data
from pipeline.run_folder import Run
from pipeline.synthetic.make_phantom import phantom_target
from pipeline.volumes import Volume, open_image, open_labels, open_mask


def with_identities(run: Run) -> Run:
    """The run with the identities of its image and, if it has them, its labels and its mask.

    Looked up once for all tasks. A phantom is known by what it is made of, so it has its identity before it
    is there. Raises InputError.
    """
    data = run.config.data
    identities = {"image": _phantom(run) if data.image == "phantom" else _image(open_image(run), data)}
    if data.labels is not None:
        identities["labels"] = _phantom(run) if data.labels == "phantom" else _labels(open_labels(run), data)
    mask = open_mask(run)
    if mask is not None:
        identities["mask"] = _placed(mask)
    return replace(run, identities=identities)


def _image(image: Volume, data: Data) -> str:
    """Two levels, channels or readings of the axes are two images."""
    chosen = {"mip": data.mip or None, "channel": data.channel, "axes": data.axes}
    return " ".join(
        [_placed(image), *(f"{name} {value}" for name, value in chosen.items() if value is not None)]
    )


def _labels(labels: Volume, data: Data) -> str:
    chosen = {"mip": data.labels_mip, "channel": data.labels_channel, "axes": data.labels_axes}
    ignored = {"ignoring": sorted(set(data.ignore_labels)) or None}
    said = [f"{name} {value}" for name, value in {**chosen, **ignored}.items() if value is not None]
    return " ".join([_placed(labels), *said])


def _placed(volume: Volume) -> str:
    return f"{volume.identity} at {volume.frame.origin}"


def _phantom(run: Run) -> str:
    return f"phantom {phantom_target(run).recipe.fingerprint}"
