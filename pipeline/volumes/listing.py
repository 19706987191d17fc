"""Names the arrays of a container, for errors that say what could have been asked for."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from pipeline.volumes.address import Address, Where, names_in

ShapeOf: TypeAlias = Callable[[Where], Sequence[int] | None]

UNLISTED = "unknown, as they are not listed there"

MOST_FOLDERS = 60
"""Looked into elsewhere, where each look is a request."""

MOST_NUMBERED = 16
"""Asked for where what is there is not listed."""

MOST_NAMED = 8
"""Volumes below a folder that is none."""

DESCRIBING = {"info", "zarr.json", ".zarray", ".zgroup", "attributes.json"}
"""Files of which one is in a folder that is a volume, or that tells what it has when it is named."""

CONTAINERS = (".zarr/", ".n5/")
FILES = (".h5", ".hdf5", ".hdf", ".npy")
"""How names end of folders and, on a disk, of files that are no less."""


def listed(path: Where, shape_of: ShapeOf) -> str:
    """`a/b (5 x 6 x 7), c (...)`: the folders at or below `path` that have a shape, by name; `none` if none.

    Nothing is looked for inside an array, which may hold millions of chunks. Of a store elsewhere it is so
    much as can be found out in a short time.
    """
    if isinstance(path, Address):
        found, is_whole = _elsewhere(path, shape_of)
    else:
        found, is_whole = dict(_below(path, shape_of)), True
    names = [f"{name} ({' x '.join(map(str, found[name]))})" for name in sorted(found)]
    if not is_whole:
        names.append("and others" if names else UNLISTED)
    return ", ".join(names) or "none"


def volumes_below(path: Where, slices: tuple[str, ...] = ()) -> str:
    """Words for behind the refusal of a folder that is no volume: the nearest few that lie below it.

    Nothing where there are none, or they are not listed. Files whose names end like `slices` make their
    folder one. MOST_FOLDERS are looked into, those above first.
    """
    ends = CONTAINERS if isinstance(path, Address) else (*CONTAINERS, *FILES)
    found, level, left = list[str](), [path], MOST_FOLDERS
    while level and left > 0 and len(found) <= MOST_NAMED:
        looked_into, below = level[:left], list[Where]()
        left -= len(level)
        for folder, names in zip(looked_into, names_in(looked_into)):
            way = PurePosixPath(*folder.parts[len(path.parts) :])
            is_one = DESCRIBING.intersection(names) or any(name.lower().endswith(slices) for name in names)
            if folder != path and is_one:
                found.append(way.as_posix())
                continue
            for name in sorted(name for name in names if not name.startswith(".")):
                if name.endswith(ends):
                    found.append((way / name).as_posix())
                elif name.endswith("/"):
                    below.append(folder / name)
        level = below
    if not found:
        return ""
    others = ", and others" if found[MOST_NAMED:] else ", and perhaps others" if level or left < 0 else ""
    return f"; volumes below it: {', '.join(found[:MOST_NAMED])}{others}"


def numbered(folder: Where, prefix: str = "") -> list[Where]:
    """What is called by a number behind `prefix` in a folder, or elsewhere may be, in that order."""
    if isinstance(folder, Address):
        return [folder / f"{prefix}{number}" for number in range(MOST_NUMBERED)]
    found = [path for path in folder.glob(f"{prefix}*") if re.fullmatch(rf"{prefix}\d+", path.name)]
    return sorted(found, key=lambda path: int(path.name.removeprefix(prefix)))


def why_absent(where: Where) -> str:
    """Words for behind an error of what is not there: that the server may only not show it."""
    if isinstance(where, Address) and where.hides():
        return (
            ", or the server refuses to show it (403): see whether the address is right, and whether you may "
            "read there"
        )
    return ""


def _below(path: Path, shape_of: ShapeOf) -> Iterator[tuple[str, Sequence[int]]]:
    for folder, below, _ in os.walk(path):
        shape = shape_of(Path(folder))
        if shape is not None:
            yield Path(folder).relative_to(path).as_posix(), shape
            below.clear()


def _elsewhere(path: Address, shape_of: ShapeOf) -> tuple[dict[str, Sequence[int]], bool]:
    """What was found, those above first, and whether that is all."""
    found, waiting = {}, deque([path])
    for _ in range(MOST_FOLDERS):
        if not waiting:
            break
        folder = waiting.popleft()
        shape = shape_of(folder)
        if shape is not None:
            found[folder.relative_to(path).as_posix()] = shape
            continue
        try:
            waiting.extend(folder / name for name in sorted(folder.names()) if name.endswith("/"))
        except OSError:  # it may not be listed
            return found, False
    return found, not waiting and not path.is_web
