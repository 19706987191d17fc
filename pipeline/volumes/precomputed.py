"""PrecomputedVolume: a Neuroglancer precomputed volume, read by CloudVolume."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from cloudfiles import CloudFiles
from cloudvolume import Bbox, CloudVolume
from cloudvolume.datasource.precomputed.common import compressed_morton_code
from cloudvolume.exceptions import InfoUnavailableError, ScaleUnavailableError

from pipeline.errors import InputError
from pipeline.geometry import Box, spread
from pipeline.volumes.choice import Choice
from pipeline.volumes.frame import AXES, Stated
from pipeline.volumes.sampled_identity import SAMPLED, sampled_identity
from pipeline.volumes.volume import Volume

PACKINGS = ("", ".gz", ".br", ".zstd", ".xz", ".bz2")
"""What CloudFiles adds to the name of a local file that it has compressed."""

KINDS = ("image", "segmentation")


class PrecomputedVolume(Volume):
    """One scale of the volume at `cloudpath`, in z, y, x order (stored are x, y, z, channel).

    Coordinates count from `voxel_offset`, as Neuroglancer shows them. A chunk that is not there is missing,
    and read as 0. Raises InputError when there is no volume, or it has several channels and none is chosen.
    """

    def __init__(self, cloudpath: str, choice: Choice) -> None:
        cloud = _open(cloudpath, mip=0)
        sizes = [_zyx_nm(scale["resolution"]) for scale in cloud.scales]
        level = choice.level_of(sizes, cloudpath)
        self._cloud = _open(cloudpath, level) if level else cloud
        self._channel = _channel(self._cloud, choice, cloudpath)
        origin = dict(zip(AXES, (int(v) for v in self._cloud.voxel_offset[::-1])))
        stated = Stated(voxel_size_nm=dict(zip(AXES, sizes[level])), origin=origin)
        super().__init__(
            cloudpath,
            "Neuroglancer precomputed" + (f", mip {level} of {len(sizes)}" if len(sizes) > 1 else ""),
            tuple(int(v) for v in self._cloud.volume_size[::-1]),
            np.dtype(self._cloud.dtype),
            stated.frame(cloudpath, choice.origin, choice.voxel_size_nm, choice.setting("origin")),
            tuple(int(v) for v in self._cloud.chunk_size[::-1]),
        )

    @property
    def identity(self) -> str:
        """Of a local volume, its info and a sample of its chunks; of a remote one, address and info."""
        if self._local is None:
            info = hashlib.sha256(json.dumps(self._cloud.info, sort_keys=True).encode()).hexdigest()
            return f"{self.uri} {self._cloud.key} {info}"
        data = self._local / self._cloud.key
        if self._is_sharded:
            files = spread(sorted(data.glob("*.shard")), SAMPLED)
        else:
            files = [packed for chunk in self.chunks(self.box, SAMPLED) for packed in self._files(chunk)]
        return sampled_identity(data, [self._local / "info"], files)

    @property
    def _local(self) -> Path | None:
        return Path(self.uri.removeprefix("file://")) if self.uri.startswith("file://") else None

    @property
    def _is_sharded(self) -> bool:
        return "sharding" in self._cloud.scale

    def _stored(self, chunks: list[Box]) -> list[bool]:
        if self._is_sharded:
            codes = [int(self._morton_code(chunk)) for chunk in chunks]
            found = self._cloud.image.shard_reader().exists(codes, path=self._cloud.key) if codes else {}
            return [found.get(code) is not None for code in codes]
        if self._local is not None:
            return [any(file.exists() for file in self._files(chunk)) for chunk in chunks]
        names = [f"{self._cloud.key}/{self._name(chunk)}" for chunk in chunks]
        there = CloudFiles(self.uri, progress=False).exists(names)
        return [bool(there[name]) for name in names]

    def _files(self, chunk: Box) -> list[Path]:
        """The local files that may hold a chunk."""
        assert self._local is not None
        stem = str(self._local / self._cloud.key / self._name(chunk))
        return [Path(stem + packing) for packing in PACKINGS]

    def _name(self, chunk: Box) -> str:
        first = [int(v) for v in self._cloud.voxel_offset]
        inside = self._inside(chunk)
        spans = zip(first, inside.start[::-1], inside.stop[::-1])
        return "_".join(f"{o + a}-{o + b}" for o, a, b in spans)

    def _morton_code(self, chunk: Box) -> np.unsignedinteger:
        grid = self._cloud.image.grid_size(self._cloud.mip)
        return compressed_morton_code(self._chunk_index(chunk)[::-1], grid)

    def _load(self, box: Box) -> np.ndarray:
        first = self._cloud.voxel_offset
        wanted = Bbox(first + box.start[::-1], first + box.stop[::-1])
        try:
            return np.asarray(self._cloud.download(wanted))[..., self._channel].T
        except Exception as error:  # a torn chunk fails in as many ways as there are codecs
            raise InputError(f"{self.uri}: cannot read box {box}: {_one_line(error)}") from None


def _open(cloudpath: str, mip: int) -> CloudVolume:
    try:
        cloud = CloudVolume(cloudpath, mip=mip, bounded=True, fill_missing=True, progress=False)
    except (InfoUnavailableError, ScaleUnavailableError):
        raise InputError(f"{cloudpath}: no precomputed volume there (no info file)") from None
    except Exception as error:  # what lies there may be anything
        raise InputError(f"{cloudpath} is not a precomputed volume: {_one_line(error)}") from None
    kind = getattr(cloud, "info", {}).get("type")
    if kind not in KINDS:
        raise InputError(f"{cloudpath} is of type {kind!r}; expected a volume, of type image or segmentation")
    return cloud


def _channel(cloud: CloudVolume, choice: Choice, uri: str) -> int:
    if cloud.num_channels == 1:
        return 0
    if choice.channel is None or choice.channel >= cloud.num_channels:
        raise InputError(
            f"{uri} has {cloud.num_channels} channels; set {choice.setting('channel')} to one of 0 to "
            f"{cloud.num_channels - 1}"
        )
    return choice.channel


def _zyx_nm(resolution: list[float]) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in resolution)
    return z, y, x


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
