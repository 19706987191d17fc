"""TrainedWith: what a network was trained with and on, which its file carries along."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from pipeline.config import Network
from pipeline.errors import InputError
from pipeline.ffn.flood_rules import FloodRules
from pipeline.geometry import Box, Triple, triple
from pipeline.results.hdf5_file import reading_hdf5
from pipeline.run_folder import Run
from pipeline.synthetic.phantom import Phantom
from pipeline.volumes import VoxelSize, image_voxel_size_nm, open_image
from pipeline.volumes.frame import same_size, size_text

SAMPLED_BLOCKS = 8
BLOCK: Triple = (8, 16, 16)
"""Of a box that was trained on, by whose voxels its tissue is known again, wherever its file lies by then."""

FLOOD_RULES = vars(FloodRules())
"""Those of networks whose files do not name them."""

FAR = 0.5
"""In standard deviations, and as a part of one: normalisations that differ by more are told."""


Normalisation: TypeAlias = "tuple[float, float]"
"""Mean and standard deviation by which the voxels of an image are shown to a network."""


class Seen(NamedTuple):
    """A box of an image, in the image's coordinates, that a training saw."""

    box: Box
    tissue: str
    """A digest of sampled voxels in it."""
    normalisation: Normalisation | None = None
    """By which it was shown; None where nobody knows."""

    def text(self, usual: Normalisation | None) -> str:
        """`0:20,0:30,0:40 DIGEST`, and mean and standard deviation where they are not the `usual` ones."""
        own = None if self.normalisation == usual else self.normalisation
        return " ".join(map(str, [self.box, self.tissue, *(own or ())]))

    @classmethod
    def parse(cls, text: str, usual: Normalisation | None) -> Seen:
        """What `text` gave. Raises ValueError."""
        box, tissue, *own = text.split(" ")
        if not own:
            return cls(Box.parse(box), tissue, usual)
        mean, stddev = map(float, own)
        return cls(Box.parse(box), tissue, (mean, stddev))


@dataclass(frozen=True)
class TrainedWith:
    """None: the file does not say. Files of older versions, and imported checkpoints, say only the sizes."""

    fov: Triple
    deltas: Triple
    image_mean: float | None = None
    image_stddev: float | None = None
    voxel_size_nm: VoxelSize | None = None
    soft_label: float | None = None
    seed_probability: float | None = None
    """This and the two after it: a rule of flooding, where it is not that of FLOOD_RULES."""
    pad_probability: float | None = None
    move_threshold: float | None = None
    seen: tuple[Seen, ...] = ()
    """What its training saw, and those of the networks that it went on from, the last training first."""

    @classmethod
    def of(cls, run: Run) -> TrainedWith:
        """What the training of a resolved run has; its images, and the network that it starts from, must be
        there. Raises InputError."""
        config, (mean, stddev) = run.config, run.normalisation
        start_from = config.training.start_from
        before = read_trained_with(start_from) if start_from else None
        return cls(
            fov=config.network.fov,
            deltas=config.network.deltas,
            image_mean=mean,
            image_stddev=stddev,
            voxel_size_nm=image_voxel_size_nm(run),
            soft_label=config.training.soft_label,
            **{k: v for k, v in vars(config.training.flood_rules).items() if v != FLOOD_RULES[k]},
            seen=tuple(dict.fromkeys([*map(_seen, run.trained_on), *(before.seen if before else ())])),
        )

    @classmethod
    def of_sizes(cls, network: Network) -> TrainedWith:
        """What is known of a checkpoint that says nothing itself: the sizes that it is imported with."""
        return cls(network.fov, network.deltas)

    def attributes(self) -> dict[str, Any]:
        """What is known, as attributes of an HDF5 file."""
        known = {name: value for name, value in vars(self).items() if value is not None and name != "seen"}
        seen = [one.text(self.normalisation) for one in self.seen]
        return known | ({"seen": seen} if seen else {})

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, Any]) -> TrainedWith | None:
        """What `attributes` gave; None where they say nothing. Raises ValueError where they make no sense."""
        if "fov" not in attributes:
            return None
        try:
            known = {name: attributes[name] for name in cls.__dataclass_fields__ if name in attributes}
            for name in {"fov", "deltas"}:
                known[name] = triple([int(n) for n in known[name]])
            for name in {"image_mean", "image_stddev", "soft_label", *FLOOD_RULES} & known.keys():
                known[name] = float(known[name])
            if "voxel_size_nm" in known:
                z, y, x = (float(n) for n in known["voxel_size_nm"])
                known["voxel_size_nm"] = z, y, x
            listed = known.pop("seen", [])
            if "box" in attributes and "tissue" in attributes:  # of older versions: the last training's alone
                listed = [f"{attributes['box']} {attributes['tissue']}"]
            own = cls(**known)
            return replace(own, seen=tuple(Seen.parse(str(one), own.normalisation) for one in listed))
        except (KeyError, TypeError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from None

    def require_sizes(self, network: Network, path: str) -> None:
        """Raise InputError where a network is to be used with another FOV, or other deltas as its own."""
        for name, own, wanted in (
            ("fov", self.fov, network.fov),
            ("deltas", self.deltas, network.deltas),
        ):
            if own != wanted:
                more = "; a larger step in inference is inference.deltas" if name == "deltas" else ""
                raise InputError(
                    f"network {path} was trained with {name} {list(own)}, but network.{name} is "
                    f"{list(wanted)}: set network.{name} to {list(own)}{more}"
                )

    @property
    def normalisation(self) -> Normalisation | None:
        """That of the image of its last training, the usual one; None where nobody knows."""
        if self.image_mean is None or self.image_stddev is None:
            return None
        return self.image_mean, self.image_stddev

    @property
    def normalisations(self) -> list[Normalisation]:
        """Those of all images on which it was trained, the last training first, as far as they are known."""
        known = [self.normalisation, *(one.normalisation for one in self.seen)]
        return [each for each in dict.fromkeys(known) if each is not None]

    def differences(self, run: Run, seen_here: Sequence[Seen] = ()) -> list[str]:
        """In what a resolved run differs from the training, as far as that is known and matters.

        `seen_here` are boxes of the run's image that training saw, as `trained_on` finds them: by what it was
        normalised there counts alone, and its voxels are none of another size.
        """
        said, here = [], run.normalisation
        known = [s.normalisation for s in seen_here if s.normalisation] or self.normalisations
        if known and not any(is_near(own, here) for own in known):
            those = " or ".join(f"mean {mean:g} and standard deviation {stddev:g}" for mean, stddev in known)
            said.append(f"{those}, here {here[0]:g} and {here[1]:g}")
        size_nm = image_voxel_size_nm(run)
        if self.voxel_size_nm and size_nm and not (seen_here or same_size(self.voxel_size_nm, size_nm)):
            said.append(f"voxels of {size_text(self.voxel_size_nm)}, here {size_text(size_nm)}")
        if self.soft_label is not None:  # it was trained by this program
            own_rules = {name: getattr(self, name) or rule for name, rule in FLOOD_RULES.items()}
            said += [
                f"{name} {rule:g}, here inference.{name} {getattr(run.config.inference, name):g}"
                for name, rule in own_rules.items()
                if getattr(run.config.inference, name) != rule
            ]
        return said


def is_near(own: Normalisation, other: Normalisation) -> bool:
    """Whether a network that was trained by its own normalisation may do with another."""
    return all(abs(a - b) <= FAR * own[1] for a, b in zip(own, other))


def read_trained_with(path: str | Path) -> TrainedWith | None:
    """What the network file at `path` says of its training; None where it says nothing or is no HDF5.

    Raises InputError where what it says makes no sense, and Unreadable.
    """
    try:
        with reading_hdf5(path) as file:
            attributes = dict(file.attrs)
    except OSError:
        return None
    try:
        return TrainedWith.from_attributes(attributes)
    except ValueError as error:
        raise InputError(
            f"network {path}: what it says of its training cannot be read: {error}; name another network"
        ) from None


def trained_on(run: Run, network: str) -> list[Seen]:
    """The boxes of the run's image on which the `network` in a file was trained, or one that it went on from,
    each with its normalisation; none where that was elsewhere, or cannot be told.

    The tissue is known again by its voxels, so that a copy of the image, or another format, is noticed.
    """
    trained = read_trained_with(network)
    if trained is None or not trained.seen:
        return []
    data = run.config.data
    if data.image == "phantom":
        phantom = Phantom(data.phantom.shape, data.phantom.seed, data.phantom.spacing)
        read, covered = phantom.image, phantom.box
    else:
        try:
            image = open_image(run)
        except InputError:  # status is asked where the image may not be
            return []
        # of one that the run makes, no more is sure to be there when the run is scored
        read, covered = image.read, run.inference_box if run.makes_image else image.box
    try:
        return [
            one for one in trained.seen if covered.contains(one.box) and _tissue(read, one.box) == one.tissue
        ]
    except InputError:
        if run.makes_image:  # it is not there yet
            return []
        raise


def _seen(run: Run) -> Seen:
    """The training box of a resolved run."""
    box = run.config.training.box
    assert box is not None, "a resolved configuration has a training box"
    return Seen(box, _tissue(open_image(run).read, box), run.normalisation)


def _tissue(read: Callable[[Box], np.ndarray], box: Box) -> str:
    """A digest of the values of some voxels in a box, whatever type they are stored in."""
    digest = hashlib.sha256()
    for block in box.spread_blocks(BLOCK, SAMPLED_BLOCKS):
        digest.update(read(block).astype(np.float64).tobytes())
    return digest.hexdigest()
