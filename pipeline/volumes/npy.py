"""NpyVolume: one array in a NumPy file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.results.artifacts import file_stamp
from pipeline.volumes.choice import Choice
from pipeline.volumes.frame import Stated
from pipeline.volumes.layout import Layout
from pipeline.volumes.volume import Volume


class NpyVolume(Volume):
    """The array in the .npy file at `path`, mapped, not loaded. Raises InputError if it cannot be."""

    def __init__(self, path: Path, choice: Choice) -> None:
        choice.refuse_level(str(path))
        self._path = path
        stored = self._mapped()
        self._layout = Layout.of(stored.shape, None, choice, str(path))
        frame = choice.frame(Stated(), str(path))
        super().__init__(str(path), "NumPy", self._layout.volume_shape(stored.shape), stored.dtype, frame)

    @property
    def stamp(self) -> str:
        return file_stamp(self._path)

    def _mapped(self) -> np.ndarray:
        try:
            return np.lib.format.open_memmap(self._path, mode="r")
        except FileNotFoundError:
            raise InputError(f"{self._path}: no such file") from None
        except (OSError, ValueError, EOFError) as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"{self._path} is not a readable NumPy array: {reason}; save it by numpy.save"
            ) from None

    def _load(self, box: Box) -> np.ndarray:
        return self._layout.turned(self._mapped()[self._layout.index(box)])
