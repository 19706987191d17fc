"""What a run takes of a machine, against what is there."""

from __future__ import annotations

import os
import shutil

from pipeline.checkup.finding import Finding, fail, ok, warn
from pipeline.results.folders import existing_part
from pipeline.results.unreadable import is_there
from pipeline.run_folder import Run
from pipeline.settings.estimate import plan, segmentations_of_a_tile

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


def disk(run: Run) -> Finding:
    """Bytes and files that a resolved run may write, against those free; a quota cannot be known.

    Where that is too little a run is refused, but for one that has begun: a part of it is written.
    """
    place, has_begun = existing_part(run.folder), is_there(run.config_file)
    needed, free = plan(run).bytes_on_disk, shutil.disk_usage(place).free
    found = f"{needed / 1e9:.2f} GB needed at most, {free / 1e9:.1f} GB free"
    if has_begun:
        found += " beside what is written"
    doubt = warn if has_begun else fail
    if needed > free:
        return doubt(found, "make room, or choose another --run-dir")
    status = os.statvfs(place)
    if status.f_files == 0:  # some file systems make inodes as they are needed
        return ok(found)
    files = files_written(run)
    found += f"; {files:,} files, {status.f_favail:,} inodes free"
    if files > status.f_favail:
        larger = f"reconciliation.{'block' if run.config.reconciliation.sharded else 'chunk'}"
        return doubt(found, f"choose a larger inference.tile or {larger}, or another --run-dir")
    return ok(f"{found}; a quota is not seen from here")


def files_written(run: Run) -> int:
    """About how many files a resolved run has on the disk at its end."""
    stored = run.config.reconciliation
    chunks, blocks = (len(run.inference_box.blocks(shape)) for shape in (stored.chunk, stored.block))
    of_volume = (blocks if stored.sharded else chunks) if run.config.data.output is None else 0
    in_volume = (COARSER if stored.mips else 1) * (of_volume + FILES_PER_BLOCK * blocks)
    in_volume += FILES_PER_CELL * blocks * (COARSER * stored.meshes + stored.skeletons)
    of_tiles = FILES_PER_TILE * len(run.grid) * segmentations_of_a_tile(run)
    return round(in_volume) + of_tiles + _files_of_sections(run)


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
    found = f"{wanted[most]} thread(s) at most for {here} core(s)"
    return ok(found) if wanted[most] <= here else warn(found, f"lower {most}, or it goes slowly")
