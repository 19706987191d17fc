"""What there is to see: the volumes of a run, or others, opened; and what there is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ParamSpec, TypeVar

from pipeline.errors import InputError
from pipeline.results.unreadable import is_there
from pipeline.run_folder import Run
from pipeline.viewing.chunks import Kind
from pipeline.viewing.tiles import TileVolume
from pipeline.volumes import Choice, Volume, VoxelSize, open_image, open_labels, open_volume
from pipeline.volumes.absence import absence
from pipeline.volumes.frame import size_text
from pipeline.volumes.intensity import sample
from pipeline.volumes.labels import LabelVolume

P = ParamSpec("P")
T = TypeVar("T")

UNKNOWN_SIZE_NM: VoxelSize = (1.0, 1.0, 1.0)
STDDEVS = 3.0
"""Black and white are so far from an image's mean, where it does not have all of 8 bits."""


@dataclass(frozen=True)
class Layer:
    """A volume as one layer of Neuroglancer; `grey` are the values that are black and white."""

    name: str
    kind: Kind
    volume: Volume
    grey: tuple[float, float] | None = None

    @property
    def stored(self) -> str | None:
        """Where Neuroglancer itself can read the volume, `file://...` or an address; None where it cannot."""
        from pipeline.volumes.precomputed import PrecomputedVolume  # imports CloudVolume

        volume = self.volume.source if isinstance(self.volume, LabelVolume) else self.volume
        if not isinstance(volume, PrecomputedVolume) or not volume.is_as_stated:
            return None
        return volume.uri if self.kind == "image" or volume.dtype.kind == "u" else None


@dataclass
class Shown:
    """The layers, image first, and a line for each thing that is not there or not known."""

    layers: list[Layer] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)

    def add(self, name: str, kind: Kind, opened: Callable[[], Volume]) -> Volume | None:
        """One more layer; what cannot be opened is told instead."""
        try:
            volume = opened()
            self.layers.append(Layer(name, kind, volume, _grey(volume) if kind == "image" else None))
        except InputError as error:
            self.lacking.append(f"no {name}: {error}")
            return None
        return volume

    @property
    def voxel_size_nm(self) -> VoxelSize:
        """That of the first layer that knows its own, z, y, x: in such voxels points are told."""
        return next(filter(None, (layer.volume.voxel_size_nm for layer in self.layers)), UNKNOWN_SIZE_NM)

    def or_told(self, read: Callable[P, list[T]], *args: P.args, **kwargs: P.kwargs) -> list[T]:
        """What is read; nothing where it cannot be, which is told."""
        try:
            return read(*args, **kwargs)
        except InputError as error:
            self.lacking.append(str(error))
            return []

    def refuse_nothing(self) -> None:
        """Raise InputError where there is no layer at all."""
        if not self.layers:
            raise InputError("there is nothing to show: " + "; ".join(self.lacking))

    def described(self) -> Iterator[str]:
        """A line for each layer: format, box, voxel size."""
        for layer in self.layers:
            volume, own = layer.volume, layer.volume.voxel_size_nm
            size = size_text(own or self.voxel_size_nm) + ("" if own else " (a guess: unknown)")
            yield f"{layer.name:<12} {volume.format}, {volume.box} (z, y, x), {size}"


def layers_of_run(run: Run) -> Shown:
    """Image, segmentations and truth of a run, whatever of them is there; tiles while there is no more."""
    shown = Shown()
    image = shown.add("image", "image", lambda: open_image(run))
    size_nm = image.voxel_size_nm if image else None
    complete = False
    for folder in _segmentations(run):
        found = shown.add(folder.name, "segmentation", lambda: open_volume(f"precomputed://{folder}"))  # noqa: B023
        if found is not None and folder == run.segmentation_folder:
            gone = absence(found, found.box)
            complete = not gone.missing
            if not complete:
                shown.lacking.append(f"the segmentation is not complete: {gone.text('chunks')}")
    if not complete:
        _add_tiles(shown, run, size_nm)
    if run.config.data.labels is not None:
        shown.add("truth", "segmentation", lambda: open_labels(run))
    else:
        shown.lacking.append("no truth: data.labels is not set")
    return shown


def layers_of_volumes(volumes: Mapping[str, tuple[str, Choice]]) -> Shown:
    """A layer for each name: `image`, and segmentations. Each is where its own file says.

    One that does not say where it lies is put on the first volume if it has its shape, which is told, as is
    where it is if not.
    """
    shown = Shown()
    for name, (uri, choice) in volumes.items():
        kind: Kind = "image" if name == "image" else "segmentation"
        volume = shown.add(name, kind, lambda: _opened(uri, choice, kind))  # noqa: B023
        if volume is None or volume.frame.is_placed or volume is shown.layers[0].volume:
            continue
        first = shown.layers[0]
        on_it = f"the {name} does not say where it lies: shown at {volume.box.start}"
        if volume.shape == first.volume.shape:
            volume.frame = replace(volume.frame, origin=first.volume.box.start)
            on_it = f"the {name} does not say where it lies: shown on the {first.name}, which has its shape"
        shown.lacking.append(on_it)
    return shown


def _opened(uri: str, choice: Choice, kind: Kind) -> Volume:
    volume = open_volume(uri, choice)
    return volume if kind == "image" else LabelVolume(volume, all_are_ids=True)


def _segmentations(run: Run) -> list[Path]:
    """The folders of precomputed volumes that the run has made, the plain segmentation first."""
    found = [info.parent for info in run.folder.glob("segmentation*/info")]
    return sorted(found, key=lambda folder: (folder != run.segmentation_folder, folder.name))


def _add_tiles(shown: Shown, run: Run, size_nm: VoxelSize | None) -> None:
    if not any(layer.volume.box == run.inference_box for layer in shown.layers[1:]):
        shown.lacking.append("no segmentation: the tiles are not yet made one")
    finished = sum(is_there(run.tile_file(tile)) for tile in run.grid)
    told = f"{finished:,} of {len(run.grid):,} tiles are finished"
    if finished:
        shown.add("tiles", "segmentation", lambda: TileVolume(run, size_nm))
        told += "; each has ids of its own"
    shown.lacking.append(told)


def _grey(volume: Volume) -> tuple[float, float] | None:
    """None where the values are those of a screen."""
    if volume.dtype.kind == "b" or volume.dtype.name == "uint8":
        return None
    found = sample(volume, volume.box)
    if found is None:
        return None
    reach = STDDEVS * found.stddev
    return max(found.lowest, found.mean - reach), min(found.highest, found.mean + reach)
