"""Names the arrays of a container, for errors that say what could have been asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path


def listed(path: Path, shape_of: Callable[[Path], Sequence[int] | None]) -> str:
    """`a/b (5 x 6 x 7), c (...)`: the folders at or below `path` that have a shape, by name; `none` if none.

    Nothing is looked for inside an array, which may hold millions of chunks.
    """
    found = {}
    for folder, below, _ in os.walk(path):
        shape = shape_of(Path(folder))
        if shape is not None:
            found[Path(folder).relative_to(path).as_posix()] = " x ".join(str(n) for n in shape)
            below.clear()
    return ", ".join(f"{name} ({found[name]})" for name in sorted(found)) or "none"
