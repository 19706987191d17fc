"""From tiles of sections, as a microscope takes them, to a volume.

`find_shifts` compares neighbouring tiles and `make_montage` places them.
"""

from pipeline.sections.montage import make_montage, montage_target
from pipeline.sections.shifts import batches, find_shifts, shifts_target
from pipeline.sections.stack import Stack, read_stack

__all__ = [
    "Stack",
    "batches",
    "find_shifts",
    "make_montage",
    "montage_target",
    "read_stack",
    "shifts_target",
]
