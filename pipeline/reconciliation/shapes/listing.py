"""Where the pieces of every segment are, for the tasks that put them together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np

from pipeline.errors import InputError
from pipeline.reconciliation.segments import read_segments, together
from pipeline.reconciliation.shapes.pieces import Ids, read_ids
from pipeline.reconciliation.shapes.stored import Kind, count_shards, shard_of
from pipeline.results.artifacts import Artifact, Recipe, Target, combined
from pipeline.results.hdf5_file import reading_hdf5, write_hdf5
from pipeline.results.part_sums import sum_of, write_sums
from pipeline.results.records import make
from pipeline.run_folder import Run
from pipeline.wording import counted

VERSION = 2


@dataclass(frozen=True)
class Told:
    """Of how many segments there is a shape, and of which there is none."""

    segments: int
    """That have one."""
    small: int
    """Too small to have one."""
    small_voxels: int
    least_voxels: int
    empty: int
    """Large enough, and nothing is left of them."""
    full: int
    """Parts of these could not be made as simple as they should be."""

    def text(self, kind: Kind) -> str:
        """In words."""
        return (
            f"{kind.folder}: of {counted(self.segments, 'segment')}; {self.small:,} of fewer than "
            f"{self.least_voxels:,} voxels, {counted(self.small_voxels, 'voxel')} together, have none"
            + (f", nor have {self.empty:,} larger ones of which nothing is left" if self.empty else "")
            + (f"; {self.full:,} could not be made as simple everywhere as they should" if self.full else "")
        )


def listing_file(run: Run, kind: Kind) -> Path:
    """HDF5: the rows of each shard, ids and files; the files' names below the run folder and their sums."""
    return run.reconciliation_folder / f"{kind.folder}.h5"


def listing_target(run: Run, kind: Kind, pieces: Sequence[Artifact], measured: Sequence[Artifact]) -> Target:
    """The list of the pieces; arguments as for `list_pieces`."""
    settings = {"shards": count_shards(run), "least_voxels": kind.least_voxels}
    inputs = {"pieces": combined(pieces), "segments": combined(measured)}
    return Target(listing_file(run, kind), Recipe(f"list {kind.folder}", VERSION, settings, inputs))


def list_pieces(run: Run, kind: Kind, pieces: Sequence[Artifact], measured: Sequence[Artifact]) -> Artifact:
    """List for each shard its segments, and in which of `pieces` each is: those of all cells, in their order.

    With them go sums of what the shards are made of (`part_sums`), in the order of their numbers. `measured`
    are the segments of all blocks; what is too small is left out, and counted. Raises InputError.
    """

    def write(path: Path) -> None:
        found = together([read_segments(part) for part in measured])
        large = found.ids[found.voxels >= kind.least_voxels]
        rows = [read_ids(piece.path).among(large) for piece in pieces]
        number = np.repeat(np.arange(len(pieces)), [len(row.ids) for row in rows])
        segment, sums, full = (
            np.concatenate([getattr(row, column.name) for row in rows]) for column in fields(Ids)
        )
        shard = shard_of(run, segment)
        order = np.lexsort((number, segment, shard))
        there = np.unique(segment)
        told = Told(
            segments=len(there),
            small=len(found.ids) - len(large),
            small_voxels=int(found.voxels[found.voxels < kind.least_voxels].sum()),
            least_voxels=kind.least_voxels,
            empty=len(large) - len(there),
            full=len(np.unique(full)),
        )

        def fill(file: h5py.File) -> None:
            file["ids"], file["numbers"] = segment[order], number[order]
            first = np.searchsorted(shard[order], np.arange(count_shards(run) + 1))
            file["first"] = first
            ordered = [column[order] for column in (segment, number, sums)]
            write_sums(file, (sum_of(*(c[a:b] for c in ordered)) for a, b in pairwise(first.tolist())))
            file["files"] = [str(Path(piece.path).relative_to(run.folder)) for piece in pieces]
            file["sums"] = [piece.sha256 for piece in pieces]
            file.attrs.update(asdict(told))

        write_hdf5(path, fill)

    return make(listing_target(run, kind, pieces, measured), write)


def read_rows(run: Run, listing: Artifact, shard: int) -> dict[int, tuple[Path, list[int]]]:
    """Each file that has pieces of a shard's segments, by its number, and of which. Raises InputError."""
    try:
        with reading_hdf5(listing.path) as file:
            rows = slice(*file["first"][shard : shard + 2])
            ids, numbers = file["ids"][rows], file["numbers"][rows]
            return {
                int(n): (run.folder / file["files"][n].decode(), ids[numbers == n].tolist())
                for n in np.unique(numbers)
            }
    except (OSError, KeyError) as error:
        raise InputError(
            f"cannot read {listing.path}: {error}; remove it, and the run makes it again"
        ) from error


def read_shaped(run: Run, kind: Kind) -> np.ndarray:
    """The segments that have a shape of a kind, uint64, ascending. Raises InputError."""
    path = listing_file(run, kind)
    try:
        with reading_hdf5(path) as file:
            return np.unique(file["ids"][()])
    except FileNotFoundError:
        raise InputError(f"run {run.folder} has no {kind.folder} yet: `ffn status` tells more") from None
    except (OSError, KeyError) as error:
        raise InputError(f"cannot read {path}: {error}; remove it, and the run makes it again") from error


def read_told(run: Run, kind: Kind) -> Told | None:
    """What is known of the run's shapes of a kind; None before it is. Raises Unreadable."""
    path = listing_file(run, kind)
    try:
        with reading_hdf5(path) as file:
            return Told(**{name: int(file.attrs[name]) for name in Told.__annotations__})
    except (OSError, KeyError):
        return None
