"""Run folders of earlier versions, which kept all files about tiles and blocks in a few large folders."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import InputError
from pipeline.geometry import triple
from pipeline.results.attempts import fence
from pipeline.results.folders import place
from pipeline.results.unreadable import mend_write, names_in
from pipeline.run_folder import Run

ABOUT_A_PLACE = re.compile(r"(?:counts_)?z(\d{6,})_y(\d{6,})_x(\d{6,})\..+")


def misplaced(run: Run) -> Iterator[tuple[Path, Path]]:
    """Each file that lies where an earlier version kept it, and where it is looked for now.

    Records are among them: a file that is moved with its record counts as before. Raises Unreadable.
    """
    homes = {
        run.tiles_folder: run.tiles_folder,
        run.reconciliation_folder: run.reconciliation_folder / "evidence",
        run.reconciliation_folder / "blocks": run.reconciliation_folder / "blocks",
        run.folder / "evaluation": run.folder / "evaluation" / "counts",
        run.tile_logs_folder: run.tile_logs_folder,
    }
    for old, new in homes.items():
        for name in sorted(names_in(old)):
            found = ABOUT_A_PLACE.fullmatch(name)
            if found:
                yield old / name, place(new, triple(found.groups()), name)


def move_misplaced(run: Run) -> int:
    """Move them, each in one step; returns how many there were.

    Raises Unreadable, InputError when the file system refuses, and Superseded when a newer attempt has begun.
    """
    moved = 0
    for old, new in misplaced(run):
        try:
            new.parent.mkdir(parents=True, exist_ok=True)
            with fence():
                os.replace(old, new)
        except OSError as error:
            raise InputError(f"cannot move {old} to {new}: {error.strerror}; {mend_write(error)}") from error
        moved += 1
    return moved
