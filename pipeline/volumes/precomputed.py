"""PrecomputedVolume: a Neuroglancer precomputed volume, read by CloudVolume."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from cloudvolume import Bbox, CloudVolume
from cloudvolume.exceptions import InfoUnavailableError, ScaleUnavailableError

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.volumes.folder_identity import folder_identity
from pipeline.volumes.volume import Volume


class PrecomputedVolume(Volume):
    """Mip 0 of the volume at `cloudpath`, in z, y, x order (stored are x, y, z, channel).

    Coordinates count from the volume's own first voxel, whatever its `voxel_offset`, as in every
    other format. A chunk that is not there is 0, as in Neuroglancer. Raises InputError when there
    is no volume, or it has several channels.
    """

    def __init__(self, cloudpath: str) -> None:
        try:
            self._cloud = CloudVolume(cloudpath, mip=0, bounded=True, fill_missing=True, progress=False)
        except (InfoUnavailableError, ScaleUnavailableError):
            raise InputError(f"{cloudpath}: no precomputed volume there (no info file)") from None
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{cloudpath} is not a precomputed volume: {_one_line(error)}") from None
        if self._cloud.num_channels != 1:
            raise InputError(f"{cloudpath} has {self._cloud.num_channels} channels; expected 1")
        x, y, z = (float(v) for v in self._cloud.resolution)
        shape = tuple(int(v) for v in self._cloud.volume_size[::-1])
        super().__init__(cloudpath, shape, np.dtype(self._cloud.dtype), (z, y, x))

    @property
    def identity(self) -> str:
        """Of a local volume, all its chunks; of a remote one, its address and its info."""
        info = hashlib.sha256(json.dumps(self._cloud.info, sort_keys=True).encode()).hexdigest()
        if self.uri.startswith("file://"):
            return f"{folder_identity(Path(self.uri.removeprefix('file://')) / self._cloud.key)} {info}"
        return f"{self.uri} {info}"

    def _load(self, box: Box) -> np.ndarray:
        first = self._cloud.voxel_offset
        wanted = Bbox(first + box.start[::-1], first + box.stop[::-1])
        try:
            return np.asarray(self._cloud.download(wanted))[..., 0].T
        except Exception as error:  # a torn chunk fails in as many ways as there are codecs
            raise InputError(f"{self.uri}: cannot read box {box}: {_one_line(error)}") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
