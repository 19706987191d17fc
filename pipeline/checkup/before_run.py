"""The checks of a resolved run: doctor lists them all, and the first that fails refuses a run."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

from pipeline.checkup.finding import FAIL, WARN, Finding, examine, fail
from pipeline.checkup.folder import writing
from pipeline.checkup.foreign import refuse_foreign
from pipeline.checkup.image import completeness, image, intensity
from pipeline.checkup.labels import labels, loss_mask, mask
from pipeline.checkup.layout import layout
from pipeline.checkup.moves import moves
from pipeline.checkup.network import network
from pipeline.checkup.output import output
from pipeline.checkup.resources import disk
from pipeline.checkup.rounds import rounds
from pipeline.checkup.scores import scores, skeletons
from pipeline.checkup.sections import sections
from pipeline.checkup.shapes import shapes
from pipeline.checkup.tiles import tiles
from pipeline.checkup.touched import touched
from pipeline.checkup.volumes import volumes
from pipeline.errors import InputError
from pipeline.results.artifacts import publishing
from pipeline.results.unreadable import read_if_there
from pipeline.run_folder import Run

RunCheck: TypeAlias = Callable[[Run], Finding]


def folder(run: Run) -> Finding:
    """Whether the run folder is the run's own, and can be written to, and folders in it that are links lead
    somewhere."""
    refuse_foreign(run.folder)
    made = run.phantom_file.parent, run.aligned_folder, run.model_file.parent, run.tiles_folder
    for place in (*made, run.volume):
        if isinstance(place, Path) and place.is_symlink() and not place.is_dir():
            return fail(f"{place} is a link to {os.readlink(place)}, and there is no folder", "make it")
    return writing(run.folder)


CHECKS: list[tuple[str, RunCheck]] = [
    ("sections", sections),
    ("image", image),
    ("complete", completeness),
    ("intensity", intensity),
    ("mask", mask),
    ("loss mask", loss_mask),
    ("labels", labels),  # of what the masks leave
    ("volumes", volumes),
    ("unchanged", touched),
    ("network", network),
    ("moves", moves),
    ("rounds", rounds),
    ("tiles", tiles),
    ("scores", scores),
    ("skeletons", skeletons),
    ("shapes", shapes),
    ("run folder", folder),
    ("output", output),
    ("layout", layout),
    ("disk", disk),
]

BEYOND_TRAINING = ("tiles", "scores", "skeletons", "shapes", "output", "disk")
"""Checks of what a run makes with its network, which those who train alone do not."""

NEED_NO_INPUT = ("run folder", "output")
"""Checks that can be made of a run whose input could not be opened."""

MENDED_BY_START = ("layout",)
"""Checks whose warnings a start makes untrue."""


OF_THE_MACHINE = ("run folder", "disk")
"""Checks of where a run is to be written: what its work is does not depend on them."""


class Found(NamedTuple):
    """What the check of this name has found."""

    what: str
    finding: Finding


def check(run: Run, but: Collection[str] = (), told: Collection[str] = ()) -> list[Found]:
    """Make all checks of a run but some; nothing stays on the disk.

    Raises InputError with the first failure, but for those of the checks that are only `told`.
    """
    found = []
    for what, run_check in [each for each in CHECKS if each[0] not in but]:
        finding = examine(partial(run_check, run))
        if finding.state == FAIL and what not in told:
            raise InputError(finding.text)
        found.append(Found(what, finding))
    return found


def refuse_failed(found: Sequence[Found]) -> None:
    """Raise InputError with the first failure."""
    for _, finding in found:
        if finding.state == FAIL:
            raise InputError(finding.text)


def warnings_of(found: Sequence[Found]) -> list[str]:
    """One line for each finding that is a warning, and for failures that are only told."""
    return [f"{what}: {finding.text}" for what, finding in found if finding.state in (WARN, FAIL)]


def write_warnings(run: Run, warnings: Sequence[str]) -> None:
    """Keep the warnings of the last start in the run folder, for those who look at the run later."""
    with publishing(run.warnings_file) as temporary:
        temporary.write_text(json.dumps(list(warnings), indent=1) + "\n")


def read_warnings(run: Run) -> list[str]:
    """The warnings of the last start; none where there are none, or a torn file. Raises Unreadable."""
    text = read_if_there(run.warnings_file) or b"[]"
    try:
        return [str(line) for line in json.loads(text)]
    except (ValueError, TypeError):
        return []
