"""What there is to see: the volumes of a run, or others, opened; and what there is not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from pipeline.agglomerated import refuse_of_another
from pipeline.errors import InputError
from pipeline.machine.s3_host import is_of_host
from pipeline.reconciliation import MESHES, SKELETONS, read_shaped
from pipeline.results.agglomerated_ids import AgglomeratedIds, read_agglomerated_ids
from pipeline.results.bucket import Bucket
from pipeline.results.parts import has_part, read_part
from pipeline.results.unreadable import is_there
from pipeline.run_folder import Run
from pipeline.viewing.agglomerated import AgglomeratedVolume
from pipeline.viewing.before import NOT_KNOWN, TOLD, Before
from pipeline.viewing.chunks import Kind
from pipeline.viewing.links import run_key
from pipeline.viewing.tiles import TileVolume
from pipeline.viewing.worst_points import conflict_points, lost_run_points, worst_points
from pipeline.volumes import Choice, Volume, VoxelSize, open_image, open_labels, open_volume
from pipeline.volumes.absence import absence
from pipeline.volumes.frame import same_size, size_text
from pipeline.volumes.intensity import sample
from pipeline.volumes.labels import LabelVolume

P = ParamSpec("P")
T = TypeVar("T")

UNKNOWN_SIZE_NM: VoxelSize = (1.0, 1.0, 1.0)
ID_DTYPES = ("uint8", "uint16", "uint32", "uint64")
SHOWN_DTYPES = (*ID_DTYPES, "int8", "int16", "int32", "float32")
ENCODINGS = ("raw", "jpeg", "png", "jxl", "compressed_segmentation", "compresso")
"""What Neuroglancer itself can unpack; CloudVolume has more."""

MOST_IN_3D = 30
"""Segments that are drawn in three dimensions as soon as a scene opens: more would hide each other."""

STDDEVS = 3.0
"""Black and white are so far from an image's mean, where it does not have all of 8 bits."""


@dataclass(frozen=True)
class Layer:
    """A volume as one layer of Neuroglancer; `grey` are the values that are black and white."""

    name: str
    kind: Kind
    volume: Volume
    grey: tuple[float, float] | None = None
    bucket: Bucket | None = None
    """Where the run has put the volume's files, which a browser may have no credentials for."""

    @property
    def stored(self) -> str | None:
        """Where Neuroglancer itself can read the volume, `file://...` or an address; None where it cannot."""
        from pipeline.volumes.precomputed import PrecomputedVolume  # imports CloudVolume

        volume = self.volume.source if isinstance(self.volume, LabelVolume) else self.volume
        if not isinstance(volume, PrecomputedVolume) or not volume.is_as_stated:
            return None
        dtypes = SHOWN_DTYPES if self.kind == "image" else ID_DTYPES
        is_shown = volume.encoding in ENCODINGS and volume.dtype.name in dtypes
        return volume.uri if is_shown and not is_of_host(volume.uri) else None


@dataclass
class Shown:
    """The layers, image first, and a line for each thing that is not there or not known."""

    title: str = "ffn view"
    key: str | None = None
    """What tells a run from others."""
    worst: list[dict[str, Any]] = field(default_factory=list)
    """As `worst_points` gives them."""
    lost_runs: list[dict[str, Any]] = field(default_factory=list)
    """As `lost_run_points` gives them."""
    conflicts: list[dict[str, Any]] = field(default_factory=list)
    """As `conflict_points` gives them."""
    in_3d: list[int] = field(default_factory=list)
    """The largest segments, where meshes or skeletons of them can be drawn."""
    layers: list[Layer] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)

    def add(self, name: str, kind: Kind, volume: Volume, bucket: Bucket | None = None) -> None:
        """One more layer."""
        grey = self.or_told(_grey, volume) if kind == "image" else None
        self.layers.append(Layer(name, kind, volume, grey, bucket))

    def add_if_there(
        self, name: str, kind: Kind, opened: Callable[[], Volume], bucket: Bucket | None = None
    ) -> Volume | None:
        """One more layer; what cannot be opened is told instead, and is None."""
        try:
            volume = opened()
        except InputError as error:
            self.lacking.append(f"no {name}: {error}")
            return None
        self.add(name, kind, volume, bucket)
        return volume

    def unless_before(self, before: Before, path: Path, read: Callable[[Path], T]) -> T | None:
        """What is read of a result; None where it cannot be or is of an earlier state: both are told."""
        if self.or_told(before.has, path):
            self.lacking.append(f"{path.name} is {TOLD}")
            return None
        return self.or_told(read, path)

    @property
    def voxel_size_nm(self) -> VoxelSize:
        """That of the first layer that knows its own, z, y, x: in such voxels points are told."""
        return next(filter(None, (layer.volume.voxel_size_nm for layer in self.layers)), UNKNOWN_SIZE_NM)

    def or_told(self, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """What is read; None where it cannot be, which is told."""
        try:
            return read(*args, **kwargs)
        except InputError as error:
            self.lacking.append(str(error))
            return None

    def refuse_nothing(self) -> None:
        """Raise InputError where there is no layer at all."""
        if not self.layers:
            raise InputError("there is nothing to show: " + "; ".join(self.lacking))

    def described(self) -> Iterator[str]:
        """A line for each layer: format, box, voxel size; of the layers of points, how many there are."""
        for layer in self.layers:
            volume, own = layer.volume, layer.volume.voxel_size_nm
            size = size_text(own or self.voxel_size_nm) + ("" if own else " (a guess: unknown)")
            yield f"{layer.name:<12} {volume.format}, {volume.box} (z, y, x), {size}"
        for name, points in self.points.items():
            yield f"{name:<12} {len(points)} points, the costliest first"

    @property
    def points(self) -> dict[str, list[dict[str, Any]]]:
        """By the name of their layer, those of the worst errors, lost runs and conflicts that there are."""
        found = {"worst": self.worst, "run length": self.lost_runs, "conflicts": self.conflicts}
        return {name: points for name, points in found.items() if points}


def layers_of_run(run: Run, before: Before = NOT_KNOWN) -> Shown:
    """Image, segmentations and truth of a run, whatever of them is there; tiles while there is no more.

    What is of an earlier state of the run is told instead.
    """
    shown, image = Shown(run.folder.name, run_key(run)), None
    if run.config.sections and "render" in before.stages:
        shown.lacking.append(f"no image: that in the run folder is {TOLD}")
    else:
        image = shown.add_if_there("image", "image", partial(open_image, run))
    is_complete = False
    if "write" in before.stages:
        shown.lacking.append(
            f"no segmentation: that of the run is {TOLD}; --segmentation {run.volume_uri} shows it"
        )
    elif shown.or_told(has_part, run.volume, "info"):
        bucket = run.volume if isinstance(run.volume, Bucket) else None
        found = shown.add_if_there(
            "segmentation", "segmentation", partial(open_volume, run.volume_uri), bucket
        )
        if found is not None:
            _add_agglomerated(shown, run, found, before)
            shown.in_3d = shown.or_told(largest_shaped, run) or []
            is_complete = shown.or_told(_is_complete, shown, found) or False
    else:
        shown.lacking.append("no segmentation: the tiles are not yet joined")
    for folder in _other_segmentations(run):
        shown.add_if_there(folder.name, "segmentation", partial(open_volume, f"precomputed://{folder}"))
    if not is_complete and run.config.inference.box is not None:
        _add_tiles(shown, run, image.voxel_size_nm if image else None, before)
    if run.config.data.labels is not None:
        shown.add_if_there("truth", "segmentation", partial(open_labels, run))
    else:
        shown.lacking.append("no truth: data.labels is not set")
    shown.worst = shown.unless_before(before, run.worst_file, worst_points) or []
    shown.lost_runs = shown.unless_before(before, run.run_length_file, lost_run_points) or []
    shown.conflicts = shown.unless_before(before, run.conflicts_file, conflict_points) or []
    return shown


def layers_of_volumes(volumes: Mapping[str, tuple[str, Choice]]) -> Shown:
    """A layer for each name: `image`, and segmentations. Each is where its own file says.

    One that does not say where it lies is put on the first that does, or else on the first of all, if it has
    its shape and voxel size; where it is, is told. Raises InputError when one cannot be opened, or a
    segmentation holds no ids.
    """
    shown = Shown()
    opened = {name: open_volume(uri, choice) for name, (uri, choice) in volumes.items()}
    shown.lacking += _put_together(opened)
    for name, volume in opened.items():
        if name == "image":
            shown.add(name, "image", volume)
        else:
            shown.add(name, "segmentation", _ids(volume))
    return shown


def _put_together(volumes: Mapping[str, Volume]) -> list[str]:
    """Place the volumes that do not say where they lie; a line for each."""
    first = next((name for name, volume in volumes.items() if volume.frame.is_placed), next(iter(volumes)))
    placed, told = volumes[first], []
    for name, volume in volumes.items():
        if name == first or volume.frame.is_placed:
            continue
        own, size = volume.voxel_size_nm, placed.voxel_size_nm
        where = f"at {volume.box}"
        if volume.shape == placed.shape and (own is None or size is None or same_size(own, size)):
            volume.frame = replace(volume.frame, origin=placed.box.start)
            where = f"on the {first}, whose shape it has"
        told.append(f"the {name} does not say where it lies: it is shown {where}")
    return told


def _ids(volume: Volume) -> Volume:
    if volume.dtype.kind not in "iu":
        raise InputError(f"{volume.uri} holds {volume.dtype}; expected integer ids of segments")
    return LabelVolume(volume, all_are_ids=True)


def _other_segmentations(run: Run) -> list[Path]:
    """The folders of precomputed volumes in the run folder whose name begins so, beside the run's own."""
    found = {info.parent for info in run.folder.glob("segmentation*/info")}
    return sorted(found - {run.segmentation_folder}, key=lambda folder: folder.name)


def _is_complete(shown: Shown, segmentation: Volume) -> bool:
    """Whether no chunk is missing, by a sample of them where there are many; else how many are is told."""
    gone = absence(segmentation, segmentation.box)
    if gone.missing:
        shown.lacking.append(f"the segmentation is not complete: {gone.text('chunks')}")
    return not gone.missing


def largest_shaped(run: Run) -> list[int]:
    """The largest segments, the largest first, of which the volume has all the kinds of shapes that it has.

    A browser waits without end for the mesh of a segment that has none.
    """
    kinds = [kind for kind in (MESHES, SKELETONS) if has_part(run.volume, f"{kind.folder}/info")]
    if not kinds:
        return []
    shaped = set.intersection(*(set(read_shaped(run, kind).tolist()) for kind in kinds))
    listed = read_part(run.volume, "segment_properties/info")
    try:
        ids = map(int, json.loads(listed)["inline"]["ids"] if listed else [])  # as `as_properties` lists them
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{run.volume}: segment_properties/info is no list of segments") from None
    return list(islice((i for i in ids if i in shaped), MOST_IN_3D))


def _add_agglomerated(shown: Shown, run: Run, segmentation: Volume, before: Before) -> None:
    if is_there(run.agglomeration_file):
        table = shown.unless_before(before, run.agglomeration_file, partial(_agglomerated_ids, run))
        if table is not None:
            shown.add("agglomerated", "segmentation", AgglomeratedVolume(segmentation, table))


def _agglomerated_ids(run: Run, path: Path) -> AgglomeratedIds:
    refuse_of_another(run)
    return read_agglomerated_ids(path)


def _add_tiles(shown: Shown, run: Run, size_nm: VoxelSize | None, before: Before) -> None:
    there = [tile for tile in run.grid if is_there(run.segmented_file(tile))]
    left_out = [tile for tile in there if before.has(run.segmented_file(tile))]
    finished = len(there) - len(left_out)
    told = f"{finished:,} of {len(run.grid):,} tiles are finished"
    if left_out:
        told += f", {len(left_out):,} more are {TOLD}"
    if finished:
        shown.add_if_there("tiles", "segmentation", partial(TileVolume, run, left_out, size_nm))
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
