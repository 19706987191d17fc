"""InHand: the examples that a rank floods when a checkpoint falls into the middle of a round.

Each rank keeps its own beside the checkpoint, which has the weights of the same step. What an example is, its
key says; kept are how far its moves are and the POM that they have left.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from pipeline.geometry import triple
from pipeline.results.artifacts import publishing
from pipeline.results.sealed_hdf5 import open_sealed, sealed_hdf5
from pipeline.training.examples import Whereabouts
from pipeline.training.moves import Way


@dataclass(frozen=True)
class InHand:
    """Where the streams of a rank are, by slot, in the order in which their turns come."""

    streams: Mapping[int, Whereabouts]

    def save(self, path: Path, of: str) -> None:
        """Publish it at `path`, as that `of` a place in a training.

        Raises InputError and Superseded as `publishing` does.
        """
        with publishing(path) as temporary:
            temporary.write_bytes(sealed_hdf5(partial(self._write, of)))

    @classmethod
    def read(cls, path: Path, of: str) -> InHand | None:
        """What is at `path`, if it is there, whole and `of` the same place, else None. Raises Unreadable."""
        file = open_sealed(path)
        if file is None:
            return None
        with file:
            if file.attrs["of"] != of:
                return None
            ways = [
                Way(deque(map(triple, waiting)), set(map(triple, visited)))
                for waiting, visited in json.loads(file["ways"].asstr()[()])
            ]
            slots, numbers, places = file["slots_numbers_places"][()].tolist()
            return cls(dict(zip(slots, map(Whereabouts, numbers, places, file["poms"][()], ways))))

    def _write(self, of: str, file: h5py.File) -> None:
        file.attrs["of"] = of
        at = list(self.streams.values())
        file["slots_numbers_places"] = [list(self.streams), [w.number for w in at], [w.place for w in at]]
        # much of a POM is where no FOV has been, all of one value
        file.create_dataset("poms", data=np.stack([w.pom for w in at]), compression="lzf", shuffle=True)
        file["ways"] = json.dumps([[list(w.way.waiting), sorted(w.way.visited)] for w in at])
