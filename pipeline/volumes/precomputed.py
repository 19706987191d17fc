"""PrecomputedVolume: a Neuroglancer precomputed volume, read by CloudVolume."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
from cloudfiles.paths import get_protocol
from cloudvolume import CloudVolume
from cloudvolume.chunks import check_installed
from cloudvolume.exceptions import InfoUnavailableError
from cloudvolume.frontends import CloudVolumePrecomputed

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.machine.s3_host import by_alias
from pipeline.machine.stores import cloud_files
from pipeline.results.unreadable import came_of_refusal
from pipeline.volumes.choice import Choice
from pipeline.volumes.frame import AXES, IN_ORDER, Stated, positive_sizes, size_text
from pipeline.volumes.layout import Layout
from pipeline.volumes.precomputed_chunks import PrecomputedChunks
from pipeline.volumes.refusal import asked_how, one_line, refusal
from pipeline.volumes.volume import Volume
from pipeline.volumes.web import REFUSED, WEB, status

OTHER_FORMATS = {
    "graphene": "a segmentation that a server puts together (graphene); export the part that is wanted",
    "boss": "a volume of bossDB; export the part that is wanted",
    "n5": "N5; write n5://PATH",
    "zarr": "Zarr; write zarr://PATH",
    "zarr2": "Zarr; write zarr://PATH",
    "zarr3": "Zarr; write zarr://PATH",
}
OTHER_CONTENT = {
    "neuroglancer_legacy_mesh": "meshes",
    "neuroglancer_multilod_draco": "meshes",
    "neuroglancer_skeletons": "skeletons",
    "neuroglancer_annotations_v1": "annotations",
    "neuroglancer_segment_properties": "properties of segments",
}
"""What folders with an info file hold that are no volumes, by the `@type` in it."""

LOSSY = {"jpeg": "JPEG", "jxl": "JPEG XL"}


class PrecomputedVolume(Volume):
    """One level of the volume at `cloudpath` (`file://...`, `gs://...`), sharded or not, in any encoding.

    The level is that of `choice`, counted from the finest; `format` says where the info file lists them
    otherwise. Its coordinates begin at its own `voxel_offset`. Stored are x, y, z and
    channel, unless `choice.axes` names the axes otherwise. A chunk whose file is missing, or locally has no
    byte, or that its shard does not list, is read as 0, as in Neuroglancer, and is `missing`.

    `is_as_stated`: nothing of `choice` goes before what the info file says; whoever reads that sees the same.

    Raises InputError when there is no volume, when nothing is stored at the level (of a local volume; of a
    remote one `missing` says so), when there are several channels and none is chosen, and when the package
    that unpacks its encoding is not installed.
    """

    loads_anew = True

    def __init__(self, cloudpath: str, choice: Choice) -> None:
        cloud = _opened(cloudpath)
        names = _axis_names(choice)
        try:
            stated = [_stated(scale, names, cloudpath) for scale in cloud.info["scales"]]
            finest_first = sorted(range(len(stated)), key=lambda i: math.prod(stated[i].size_nm or ()))
            stated = [stated[i] for i in finest_first]
            level = choice.level_of([each.size_nm for each in stated], cloudpath)
            cloud.mip = finest_first[level]
            shape = [int(n) for n in (*cloud.volume_size, cloud.num_channels)]
            chunk = [int(n) for n in (*cloud.chunk_size, 1)]
            dtype = np.dtype(cloud.dtype)
            check_installed(cloud.encoding)
        except ImportError as error:
            raise InputError(f"{cloudpath} cannot be read: {one_line(error)}") from None
        except (KeyError, TypeError, IndexError) as error:
            raise InputError(f"{cloudpath}: its info file is not that of a volume: {error!r}") from None
        self._layout = Layout.of(shape, names, replace(choice, axes=None), cloudpath)
        self._cloud = cloud
        self._chunks = PrecomputedChunks(cloud)
        if self._chunks.is_empty:
            size = size_text(stated[level].size_nm)
            raise InputError(
                f"{cloudpath}: nothing is stored at level {level} ({size}), folder {self._chunks.folder} is "
                f"empty or not there; {choice.mend('level', 'set {} to another level')}"
            )
        other = IN_ORDER if finest_first != sorted(finest_first) else ""
        super().__init__(
            cloudpath,
            "Neuroglancer precomputed"
            + (f", mip {level} of {len(stated)}" if len(stated) > 1 else "")
            + other
            + asked_how(cloudpath),
            self._layout.volume_shape(shape),
            dtype,
            choice.frame(stated[level], cloudpath),
            self._layout.volume_shape(chunk),
        )
        own = stated[level].frame(cloudpath, None, None, "")
        self.is_as_stated = self.frame == own and names == "xyzc" and shape[-1] == 1
        self.encoding: str = cloud.encoding
        self.lossy = LOSSY.get(cloud.encoding, "")
        self.is_remote = not self._chunks.is_local

    @property
    def stamp(self) -> str:
        """Of a local volume, its info and a sample of its files; of a remote one, address and info."""
        if self._chunks.is_local:
            return self._chunks.local_stamp()
        info = hashlib.sha256(json.dumps(self._cloud.info, sort_keys=True).encode()).hexdigest()
        return f"{self._chunks.folder} {info}"

    def _stored(self, chunks: list[Box]) -> list[bool]:
        positions = [self._layout.stored_chunk(self._chunk_index(chunk), (1, 1, 1, 1)) for chunk in chunks]
        try:
            return self._chunks.stored([(x, y, z) for x, y, z, _ in positions])
        except Exception as error:  # a shard or an address fails in as many ways as there are kinds of them
            raise refusal(f"{self.uri}: cannot find out which chunks are there", error, self.uri) from None

    def _load(self, box: Box) -> np.ndarray:
        index = self._layout.index(box)
        parts = [
            (int(at), part) for at, part in zip(self._cloud.voxel_offset, index) if isinstance(part, slice)
        ]
        start, stop = [at + part.start for at, part in parts], [at + part.stop for at, part in parts]
        try:
            voxels = self._chunks.read(start, stop)
            return self._layout.turned(voxels[..., index[-1]])
        except Exception as error:  # a torn chunk fails in as many ways as there are codecs
            at = box.translate(self.frame.origin)
            raise refusal(f"{self.uri}: cannot read box {at}", error, self.uri) from None


def _opened(cloudpath: str) -> CloudVolumePrecomputed:
    scheme = cloudpath.partition("://")[0]
    if scheme in OTHER_FORMATS:
        raise InputError(f"{cloudpath} is not Neuroglancer precomputed but {OTHER_FORMATS[scheme]}")
    if get_protocol(by_alias(cloudpath)) is None:  # CloudVolume takes it for a path
        raise InputError(
            f"{cloudpath} leads nowhere: an address begins with s3://, gs://, https:// or http://"
        )
    try:
        # with the format in its name CloudVolume does not go on to try Zarr
        known = f"precomputed://{by_alias(cloudpath)}"
        # the provenance says nothing that is needed, and its file may be torn or refused
        return CloudVolume(known, bounded=True, fill_missing=True, progress=False, provenance={})
    except InfoUnavailableError:
        raise InputError(f"{cloudpath}: {_why_without_info(cloudpath)}") from None
    except Exception as error:  # of as many kinds as there are addresses, and ways to write an info file
        if came_of_refusal(error):
            raise refusal(f"{cloudpath} cannot be opened", error, cloudpath) from None
        reason = _other_content(cloudpath) or f"is not a precomputed volume: {one_line(error)}"
        raise InputError(f"{cloudpath} {reason}") from None


def _why_without_info(cloudpath: str) -> str:
    files = cloud_files(cloudpath)
    if files.protocol in WEB and status(files._get_connection(), "info").code == REFUSED:
        return (
            "the server refuses to show its info file (403), or has none and does not say so: see whether "
            "the address is right, and whether you may read there"
        )
    return "no precomputed volume there (no info file)"


def _other_content(cloudpath: str) -> str:
    """What the folder holds instead of a volume, in words; nothing where that is unknown."""
    try:
        kind = cloud_files(cloudpath).get_json("info")["@type"]
    except Exception:  # it could not be read as a volume either: the first error says why
        return ""
    if kind not in OTHER_CONTENT:
        return ""
    return f"holds {OTHER_CONTENT[kind]} ({kind}), no volume; that is often in the folder above"


def _axis_names(choice: Choice) -> str:
    """Names of the four stored axes; the channel is always the last."""
    names = (choice.axes or "xyz").removesuffix("c")
    if sorted(names) != sorted(AXES):
        raise InputError(
            f"{choice.setting('axes')} is {choice.axes!r}; of a precomputed volume it names three, as xyz"
        )
    return f"{names}c"


def _stated(scale: dict[str, Any], names: str, uri: str) -> Stated:
    sizes = positive_sizes(scale["resolution"], uri, f"resolution of scale {scale['key']}")
    offset = [int(at) for at in scale.get("voxel_offset", (0, 0, 0))]
    return Stated(tuple(names), dict(zip(names, sizes)), origin=dict(zip(names, offset)))
