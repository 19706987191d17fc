"""Which tests may be skipped where everything is installed that continuous integration installs.

`make test | python tests/skips.py` passes on what pytest prints, and fails when it says of another test that
it was skipped: a Slurm, an MPI or a browser that is missing would not be noticed otherwise.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable

EXPECTED = (
    r"this format keeps all voxels in one file",
    r"Pillow (writes no grey palettes to TIFF|does not write these)",
    r"CloudVolume reads png by pyspng",
    r"root may write everywhere",
    r"FIB-25 sample not found",
    r"ERL_DATA does not name",
    r"FFN_BASE_SYSTEM does not name",
    r"no NVIDIA GPU here",
    r"PyTorch (is not installed|finds no GPU) here",
    r"JAX is not installed here",
    r"this test is about machines without a GPU",
    r"this CPU has no \w+",
    r"the C code could not be compiled for \w+",
    r"(fish|zsh) is not installed",
)
"""Reasons: what a test does not apply to, data and devices that only some machines have."""

SKIPPED = re.compile(r"^SKIPPED \[\d+\] (?P<where>\S+?): (?P<reason>.*)$")
"""A line of pytest's summary (-ra)."""


def unexpected(lines: Iterable[str]) -> list[str]:
    """The lines of a summary that tell of a skip which is not among those expected."""
    found = [(line, SKIPPED.match(line)) for line in lines]
    return [
        line.rstrip()
        for line, skip in found
        if skip and not any(re.match(reason, skip["reason"]) for reason in EXPECTED)
    ]


def main() -> int:
    """Print standard input, and after it what should not have been skipped; the exit status is 1 then."""
    lines = []
    for line in sys.stdin:
        print(line, end="", flush=True)
        lines.append(line)
    wrong = unexpected(lines)
    if wrong:
        print("\nThese should not have been skipped (tests/skips.py):", *wrong, sep="\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
