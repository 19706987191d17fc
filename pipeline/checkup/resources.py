"""What a run takes of a machine, against what is there."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from pipeline.checkup.finding import Finding, fail, ok, warn
from pipeline.results.folders import existing_part
from pipeline.results.unreadable import is_there
from pipeline.run_folder import Run
from pipeline.settings.estimate import bytes_in_folders, segmentations_of_a_tile
from pipeline.wording import counted

FILES_PER_TILE = 8
"""Results of segmenting and comparing with their records, the log, and temporary ones of either."""

FILES_PER_BLOCK = 5
"""The list of a block's chunks, the table of its segments, their records, and a temporary one."""

FILES_PER_CELL = 3
"""Of one kind of shapes: pieces and their record; and of some cells together a shard, its list and record."""

FILES_PER_SECTION = 6
"""Shifts, montage and overview, with their records; tasks for more tiles than one looks at add to it."""

COARSER = 8 / 7
"""As much as all levels of a volume have, by what the finest has."""


@dataclass
class _Room:
    """What a run needs of one file system, at most."""

    place: Path
    """A folder that is there."""
    bytes: float = 0.0
    files: int = 0


def disk(run: Run) -> Finding:
    """Bytes and files that a resolved run may write, against those free; a quota cannot be known.

    A folder of the run that is a link counts where it leads. Where there is too little a run is refused, but
    for one that has begun: a part of it is written.
    """
    has_begun, rooms = is_there(run.config_file), _rooms(run)
    doubt, said = warn if has_begun else fail, []
    for room in rooms:
        found, mend = _compared(room, " beside what is written" if has_begun else "", run)
        said.append(found + (f" at {room.place}" if len(rooms) > 1 else ""))
        if mend:
            return doubt(said[-1], mend)
    inodes = os.statvfs(rooms[0].place).f_files  # some file systems make them as they are needed
    return ok("; ".join([*said, *(["a quota is not seen from here"] if inodes else [])]))


def _rooms(run: Run) -> list[_Room]:
    """By file system, that of the run folder first."""
    rooms, files = dict[int, _Room](), files_in_folders(run)
    for folder, needed in bytes_in_folders(run).items():
        if needed or files.get(folder):
            place = existing_part(Path(os.path.realpath(folder)))
            room = rooms.setdefault(_file_system(place), _Room(place))
            room.bytes += needed
            room.files += files.get(folder, 0)
    return list(rooms.values())


def _file_system(place: Path) -> int:
    return os.stat(place).st_dev


def _compared(room: _Room, beside: str, run: Run) -> tuple[str, str]:
    """What is needed and what is free, and what mends it where that is too little."""
    status, free = os.statvfs(room.place), shutil.disk_usage(room.place).free
    found = f"{room.bytes / 1e9:.2f} GB needed at most, {free / 1e9:.1f} GB free{beside}"
    if room.bytes > free:
        return found, "make room, or choose another --run-dir"
    if status.f_files == 0:
        return found, ""
    found += f"; {room.files:,} files, {status.f_favail:,} inodes free"
    if room.files > status.f_favail:
        larger = f"reconciliation.{'block' if run.config.reconciliation.sharded else 'chunk'}"
        return found, f"choose a larger inference.tile or {larger}, or another --run-dir"
    return found, ""


def files_written(run: Run) -> int:
    """About how many files a resolved run has on the disk at its end."""
    return sum(files_in_folders(run).values())


def files_in_folders(run: Run) -> dict[Path, int]:
    """The same by the folders that hold them, of which each may be a link to another file system."""
    stored = run.config.reconciliation
    chunks, blocks = map(run.inference_box.count_blocks, (stored.chunk, stored.block))
    levels = COARSER if stored.mips else 1
    of_volume = levels * (blocks if stored.sharded else chunks) if run.config.data.output is None else 0
    of_blocks = levels * FILES_PER_BLOCK * blocks
    of_blocks += FILES_PER_CELL * blocks * (COARSER * stored.meshes + stored.skeletons)
    of_tiles = FILES_PER_TILE * len(run.grid) * segmentations_of_a_tile(run)
    return {
        run.tiles_folder: round(of_blocks) + of_tiles,
        run.segmentation_folder: round(of_volume),
        run.aligned_folder: _files_of_sections(run),
    }


def _files_of_sections(run: Run) -> int:
    """Of the image that is made of them: its chunks and, with records, what each section and pair has."""
    sections, box = run.config.sections, run.aligned
    if sections is None or box is None:
        return 0
    of_sections = FILES_PER_SECTION + 2 * sections.alignment.reach
    volume = sections.volume
    of_volume = box.count_blocks(volume.chunk) + 2 * box.count_blocks(volume.block)
    return of_volume + of_sections * box.shape[0]


def cores(run: Run) -> Finding:
    """Threads of tiles and of ranks, where they work on this machine, against its cores."""
    site, training = run.config.site, run.config.training
    here = len(os.sched_getaffinity(0))
    wanted = {"site.workers x site.threads_per_worker": site.workers * site.threads_per_worker}
    if run.config.trains:
        wanted["training.ranks x training.threads_per_rank"] = training.ranks * training.threads_per_rank
    most = max(wanted, key=lambda setting: wanted[setting])
    found = f"{counted(wanted[most], 'thread')} at most for {counted(here, 'core')}"
    return ok(found) if wanted[most] <= here else warn(found, f"lower {most}, or it goes slowly")
