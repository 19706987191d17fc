"""InHand: the examples that a rank floods when a checkpoint falls into the middle of a round.

Each rank keeps its own beside the checkpoint, which has the weights of the same step. What an example is, its
key says; kept are how far its moves are and the POM that they have left.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from pipeline.geometry import triple
from pipeline.results.artifacts import publishing
from pipeline.results.sealed_hdf5 import open_sealed, sealed_hdf5
from pipeline.training.examples import ExampleStream
from pipeline.training.moves import Way


@dataclass(frozen=True)
class InHand:
    """The streams of a rank by slot, in the order in which their turns come."""

    slots: Sequence[int]
    numbers: Sequence[int]
    places: Sequence[int]
    poms: Sequence[np.ndarray]
    """(z, y, x) float32 logits, one an example."""
    ways: Sequence[Way]

    @classmethod
    def of(cls, slots: Sequence[int], streams: Sequence[ExampleStream]) -> InHand:
        """What is kept of the streams of some slots."""
        return cls(
            slots,
            [stream.number for stream in streams],
            [stream.place for stream in streams],
            [stream.example.pom for stream in streams],
            [stream.way for stream in streams],
        )

    def put_into(self, streams: Sequence[ExampleStream]) -> None:
        """Let new streams of the same slots go on from here."""
        for stream, state in zip(streams, zip(self.numbers, self.places, self.poms, self.ways), strict=True):
            stream.go_on(*state)

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
            slots, numbers, places = (file[name][()].tolist() for name in ("slots", "numbers", "places"))
            return cls(slots, numbers, places, list(file["poms"][()]), ways)

    def _write(self, of: str, file: h5py.File) -> None:
        file.attrs["of"] = of
        for name in ("slots", "numbers", "places"):
            file[name] = np.array(getattr(self, name), np.int64)
        # much of a POM is where no FOV has been, all of one value
        file.create_dataset("poms", data=np.stack(self.poms), compression="lzf", shuffle=True)
        file["ways"] = json.dumps([[list(way.waiting), sorted(way.visited)] for way in self.ways])
