"""What there is to see: the volumes of a run, or others, opened; and what there is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from pipeline.errors import InputError
from pipeline.machine.s3_host import is_of_host
from pipeline.results.bucket import Bucket
from pipeline.settings.corrections import Correction
from pipeline.viewing.chunks import Kind
from pipeline.volumes import Choice, Volume, VoxelSize, open_volume
from pipeline.volumes.frame import same_size, size_text
from pipeline.volumes.intensity import sample
from pipeline.volumes.labels import LabelVolume
from pipeline.wording import counted

if TYPE_CHECKING:
    from pipeline.viewing.shapes import AgglomeratedShapes

P = ParamSpec("P")
T = TypeVar("T")

UNKNOWN_SIZE_NM: VoxelSize = (1.0, 1.0, 1.0)
ID_DTYPES = ("uint8", "uint16", "uint32", "uint64")
SHOWN_DTYPES = (*ID_DTYPES, "int8", "int16", "int32", "float32")
ENCODINGS = ("raw", "jpeg", "png", "jxl", "compressed_segmentation", "compresso")
"""What Neuroglancer itself can unpack; CloudVolume has more."""

ORDERS = {"not joined": "the nearest misses first", "joined": "the weakest first"}
"""In which points are, where it is no order of errors."""

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
    shapes: AgglomeratedShapes | None = None
    """What can be drawn of its segments in three dimensions, where that is not in the volume's files."""

    @property
    def stored(self) -> str | None:
        """Where Neuroglancer itself can read the volume, `file://...` or an address; None where it cannot."""
        from pipeline.volumes.precomputed import PrecomputedVolume  # imports CloudVolume

        volume = self.volume.source if isinstance(self.volume, LabelVolume) else self.volume
        if not isinstance(volume, PrecomputedVolume) or not volume.is_as_stated:
            return None
        if volume.frame != self.volume.frame:
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
    differ: list[dict[str, Any]] = field(default_factory=list)
    """Where it is unlike the segmentation beside it, as `compare` finds it."""
    worse: list[dict[str, Any]] = field(default_factory=list)
    """What of the truth one of the two has worse than the other, as well."""
    joined: list[dict[str, Any]] = field(default_factory=list)
    """Where agglomeration has joined two segments, as `Decisions` gives them."""
    not_joined: list[dict[str, Any]] = field(default_factory=list)
    """And where it has not."""
    corrections: list[Correction] = field(default_factory=list)
    """Those that the run has already."""
    in_3d: dict[str, list[int]] = field(default_factory=dict)
    """By the name of their layer the largest segments, where meshes or skeletons of them can be drawn."""
    layers: list[Layer] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)

    def add(
        self,
        name: str,
        kind: Kind,
        volume: Volume,
        bucket: Bucket | None = None,
        shapes: AgglomeratedShapes | None = None,
    ) -> None:
        """One more layer."""
        grey = self.or_told(_grey, volume) if kind == "image" else None
        self.layers.append(Layer(name, kind, volume, grey, bucket, shapes))

    def volume(self, name: str) -> Volume | None:
        """That of a layer, if there is one of this name."""
        return next((layer.volume for layer in self.layers if layer.name == name), None)

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
            order = ORDERS.get(name, "the worst first")
            yield f"{name:<12} {counted(len(points), 'point')}, {order}"

    @property
    def points(self) -> dict[str, list[dict[str, Any]]]:
        """By the name of their layer, those of all lists of points in which there are some."""
        found = {
            "differ": self.differ,
            "worse": self.worse,
            "worst": self.worst,
            "run length": self.lost_runs,
            "conflicts": self.conflicts,
            "not joined": self.not_joined,
            "joined": self.joined,
        }
        return {name: points for name, points in found.items() if points}


def layers_of_volumes(volumes: Mapping[str, tuple[str, Choice]]) -> Shown:
    """A layer for each name: `image`, and segmentations. Each is where its own file says.

    One that does not say where it lies is put on the first that does, or else on the first of all, if it has
    its shape and voxel size; where it is, is told. Raises InputError when one cannot be opened, or a
    segmentation holds no ids.
    """
    shown = Shown()
    opened = {name: open_volume(uri, choice) for name, (uri, choice) in volumes.items()}
    shown.lacking += put_together(opened)
    for name, volume in opened.items():
        if name == "image":
            shown.add(name, "image", volume)
        else:
            shown.add(name, "segmentation", ids_of(volume, is_truth=name == "truth"))
    return shown


def put_together(volumes: Mapping[str, Volume]) -> list[str]:
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


def ids_of(volume: Volume, is_truth: bool = False) -> Volume:
    """The ids of a segmentation, or a truth, of which some may say to ignore what is there. Raises InputError
    where it holds none."""
    if volume.dtype.kind not in "iu":
        raise InputError(f"{volume.uri} holds {volume.dtype}; expected integer ids of segments")
    return LabelVolume(volume, all_are_ids=not is_truth)


def _grey(volume: Volume) -> tuple[float, float] | None:
    """None where the values are those of a screen."""
    if volume.dtype.kind == "b" or volume.dtype.name == "uint8":
        return None
    found = sample(volume, volume.box)
    if found is None:
        return None
    reach = STDDEVS * found.stddev
    return max(found.lowest, found.mean - reach), min(found.highest, found.mean + reach)
